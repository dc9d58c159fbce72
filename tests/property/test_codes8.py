"""The packing codes8 is lossless, and numbers that only grow make up the sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import (
    ANY_SIZES,
    DOTS,
    assert_lossless,
    drawn_for,
    one_magnitude,
    only,
)

from rnn2c.packing import bytes8, codes8
from rnn2c.packing.blocks import Content, signed

FEW = {
    name: dot for name, dot in DOTS.items()
    if dot[0] <= bytes8.MOST_SUMS and (len(dot[1]) <= 2 or dot[0] == 1)
}  # fmt: skip


@pytest.mark.parametrize("octets", [2, 3])
@pytest.mark.parametrize("name", FEW)
@ANY_SIZES
def test_unpack_returns_what_was_packed(
    name: str, octets: int, units: int, sizes: list[int], seed: int
):
    form, raw = drawn_for(codes8, name, octets, units, sizes, (-1, 2), seed)
    of = replace(raw, matrices=tuple(one_magnitude(m, seed) for m in raw.matrices))
    assert codes8.fits(form, of)
    assert_lossless(codes8, form, of)


@pytest.mark.parametrize(("element", "octets"), [("i8", 2), ("i8", 3), ("i16", 2), ("i16", 3)])
@given(st.lists(st.tuples(*[st.integers(-1, 1)] * 3, st.integers(0, 1)), min_size=1, max_size=40),
       st.integers(0, 99))  # fmt: skip
def test_numbers_that_only_grow_are_the_sums(element: str, octets: int, columns: list, seed: int):
    *rows, high = np.array(columns).T
    half = 2**15 if element == "i16" else 128
    noise = np.random.default_rng(seed).integers(-half, half, len(high))
    x = np.where(high, half - 1, noise)
    matrix = one_magnitude(np.array([rows]), seed)
    form = codes8.layout(3, ((0, 1, 2),), (element,), octets)
    assert form is not None
    stream = codes8.pack(form, only(matrix, bias=-77))
    behind = stream[-(-3 * len(x) // 4) :].reshape(3, 1 + octets)
    first = (behind[:, 1:] << (8 * np.arange(octets))).sum(axis=1)
    grown = np.stack([0 * x, x + half, half - 1 - x])
    for row in range(3):
        codes = [(stream[n // 4] >> (2 * (n % 4))) & 3 for n in range(row, 3 * len(x), 3)]
        steps = grown[codes, np.arange(len(x))]
        assert steps.min() >= 0
        total = behind[row, 0] * steps.sum() + first[row]
        assert signed(total, 8 * octets) == signed(matrix[0, row] @ x - 77, 8 * octets)


def test_the_codes_of_a_column_stand_beside_each_other_and_rows_that_go_on_come_first():
    form = codes8.layout(3, ((0, 1), (0, 1, 2)), ("i8", "i8"), 2)
    assert form is not None
    first, second = np.array([[[5, -5], [0, 9]]]), np.array([[[1], [2], [-3]]])
    of = Content((first, second), ((0, 1), (0, 1, 2)), np.array([[0, 0, 0]]))
    stream = codes8.pack(form, of).tolist()
    assert stream[0] == 0b01_10_00_01
    assert [stream[1], stream[4]] == [5, 9]
    assert stream[7:10] == [0b10_01_01, 2, 1]
    assert stream[10:] == [3, -3 * 127 & 0xFF, (-3 * 127 >> 8) & 0xFF]


def test_what_does_not_fit():
    form = codes8.layout(1, ((0,),), ("i8",), 3)
    assert form is not None
    rows = {
        "ternary": ([5, 0, -5], True),
        "two magnitudes": ([5, 6], False),
        "more than a byte": ([256, 0], False),
        "the most signs": ([1] * codes8.MOST_SIGNS, True),
        "too many signs": ([1] * (codes8.MOST_SIGNS + 1), False),
    }
    found = {n: codes8.fits(form, only(np.array([[row]]))) for n, (row, _) in rows.items()}
    assert found == {name: right for name, (_, right) in rows.items()}
    assert codes8.layout(2, ((0, 1),) * 3, ("i8",) * 3, 3) is None
