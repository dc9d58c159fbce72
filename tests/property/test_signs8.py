"""Ternary weights in instructions: signed elements times magnitudes make up the sums of a unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import DOTS, drawn, one_magnitude, only

from rnn2c.emit.kernels import avr_signs
from rnn2c.packing import signs8
from rnn2c.packing.blocks import Content, signed
from rnn2c.packing.immediate8 import MOST_SUMS
from rnn2c.packing.signs8 import MOST_SIGNS, Layout, Unit

FEW = {name: dot for name, dot in DOTS.items() if dot[0] <= MOST_SUMS}


def sums(form: Layout, unit: Unit, vectors: list[np.ndarray]) -> list[int]:
    """What the code adds up: raised elements in as many bytes as it has for them."""
    total: dict[int, int] = {r: unit.first[r] for r in unit.alone}
    for segment in unit.segments:
        wide, half = form.wide[segment.number], form.half(segment.number)
        signs = {row.result: row.start for row in segment.rows}
        for (added, subtracted), x in zip(
            segment.columns, vectors[segment.number].tolist(), strict=True
        ):
            for r in added:
                signs[r] += x + half
            for r in subtracted:
                signs[r] -= x + half
        octets = 3 if wide and form.octets == 3 else 2
        for row in segment.rows:
            assert row.before == (row.result in total)
            found = signed(np.array(signs[row.result]), 8 * octets)
            before = total.get(row.result, unit.first[row.result])
            total[row.result] = before + row.magnitude * int(found)
    last = {row.result: row.after for segment in unit.segments for row in segment.rows}
    assert not any(last.values())
    return [int(signed(np.array(total[r]), 8 * form.octets)) for r in range(form.results)]


@pytest.mark.parametrize("octets", [2, 3])
@pytest.mark.parametrize("name", FEW)
@given(units=st.integers(1, 3),
       sizes=st.lists(st.sampled_from([1, 2, 5, 18, 40, 255]), min_size=3, max_size=3),
       zeros=st.sampled_from([0.0, 0.4, 0.95]), seed=st.integers(0, 99))  # fmt: skip
def test_the_sums_are_those_of_the_weights(
    name: str, octets: int, units: int, sizes: list[int], zeros: float, seed: int
):
    results, segments = FEW[name]
    rng = np.random.default_rng(seed)
    wide = int(rng.integers(-1, len(segments)))
    types = tuple("i16" if k == wide else "i8" for k in range(len(segments)))
    form = signs8.layout(results, segments, types, octets)
    assert form is not None
    raw = drawn(rng, segments, units, sizes, (-9, 10), 2 ** (8 * octets - 1))
    kept = [m * (rng.random(m.shape) >= zeros) for m in raw.matrices]
    of = Content(tuple(one_magnitude(m, seed) for m in kept), segments, raw.bias)
    assert signs8.fits(form, of)
    limits = [2**15 if type_ == "i16" else 2**7 for type_ in types]
    ends = rng.random() < 0.3
    x = [
        rng.choice([-limit, limit - 1], n) if ends else rng.integers(-limit, limit, n)
        for n, limit in zip(sizes, limits, strict=False)
    ]
    for unit, code in enumerate(signs8.units(form, of)):
        right = of.bias[unit].copy()
        for matrix, rows, vector in zip(of.matrices, segments, x, strict=False):
            right[list(rows)] += matrix[unit] @ vector
        assert sums(form, code, x) == signed(right, 8 * octets).tolist()


def test_what_does_not_fit():
    form = signs8.layout(1, ((0,),), ("i8",), 3)
    assert form is not None
    rows = {
        "ternary": ([5, 0, -5], True),
        "two magnitudes": ([5, 6], False),
        "more than a byte": ([256, 0], False),
        "the most signs": ([1] * MOST_SIGNS, True),
        "too many signs": ([1] * (MOST_SIGNS + 1), False),
    }
    found = {n: signs8.fits(form, only(np.array([[row]]))) for n, (row, _) in rows.items()}
    assert found == {name: right for name, (_, right) in rows.items()}


def test_two_vectors_of_16_bits_and_five_sums_are_left_to_others():
    assert signs8.layout(1, ((0,), (0,)), ("i16", "i16"), 3) is None
    assert signs8.layout(5, ((0, 1, 2, 3, 4),), ("i8",), 3) is None


TWO_CYCLES = ("ld", "ldd", "mul", "mulsu", "adiw", "push", "pop")


@pytest.mark.parametrize(("cell", "sizes"), [("lstm", (6, 24)), ("gru", (10, 32))])
def test_a_weight_takes_three_cycles_at_most(cell: str, sizes: tuple[int, ...]):
    """As many weights are zero as have either sign."""
    results, segments = FEW[cell]
    raw = drawn(np.random.default_rng(0), segments, 8, sizes, (-1, 2), 999)
    of = Content(tuple(one_magnitude(m, 1) for m in raw.matrices), segments, raw.bias)
    for octets in (2, 3):
        form = signs8.layout(results, segments, ("i8", "i8"), octets)
        assert form is not None
        vectors = [["movw r26, r24"]] * 2
        codes = [avr_signs.sums_of(form, u, vectors, {1}) for u in signs8.units(form, of)]
        cycles = sum(1 + (line.split()[0] in TWO_CYCLES) for lines in codes for line in lines)
        assert cycles <= 3 * sum(m.size for m in of.matrices)
