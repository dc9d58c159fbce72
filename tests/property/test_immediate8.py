"""Weights in instructions: the products of a unit and its first values make up its sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import DOTS, drawn, only

from rnn2c.packing import immediate8
from rnn2c.packing.blocks import signed
from rnn2c.packing.immediate8 import HALF, KEPT, OPENED, WIDE, Layout, Unit

FEW = {name: dot for name, dot in DOTS.items() if dot[0] <= immediate8.MOST_SUMS}


def sums(form: Layout, unit: Unit, vectors: list[np.ndarray]) -> np.ndarray:
    """What the products add up to, with magnitudes from the registers that the code names; the
    third byte of an open sum stays what it is.
    """
    total, marks, registers = list(unit.first), {}, [0] * KEPT[form.octets]

    def close(row: int) -> None:
        total[row] += (((total[row] & 0xFFFF) >> 8) < marks.pop(row)) << 16

    def add(row: int, value: int) -> None:
        whole = total[row] + value
        total[row] = (total[row] & -0x10000) | (whole & 0xFFFF) if row in marks else whole

    for segment, x, wide in zip(unit.segments, vectors, form.wide, strict=False):
        assert len(segment) == len(x)
        for column, element in zip(segment, x.tolist(), strict=True):
            for row in column.closed:
                close(row)
            for row in column.opened:
                marks[row] = (total[row] & 0xFFFF) >> 8
                add(row, OPENED)
            for product in column.products:
                if product.loaded:
                    registers[product.register] = product.magnitude
                raised = HALF * 256 if wide and form.octets == WIDE else 0
                for rows, sign in ((product.added, 1), (product.subtracted, -1)):
                    for row in rows:
                        assert not (wide and row in marks)
                        add(row, sign * registers[product.register] * (element + raised))
    for row in unit.closed:
        close(row)
    assert not marks
    return signed(np.array(total), 8 * form.octets)


@pytest.mark.parametrize("octets", [2, 3])
@pytest.mark.parametrize("name", FEW)
@given(units=st.integers(1, 3), sizes=st.lists(st.integers(1, 20), min_size=3, max_size=3),
       most=st.sampled_from([2, 8, 128]), seed=st.integers(0, 99))  # fmt: skip
def test_the_products_are_those_of_the_weights(
    name: str, octets: int, units: int, sizes: list[int], most: int, seed: int
):
    results, segments = FEW[name]
    rng = np.random.default_rng(seed)
    types = tuple(rng.choice(["i8", "i16"], len(segments)))
    form = immediate8.layout(results, segments, types, octets)
    assert form is not None
    of = drawn(rng, segments, units, sizes, (-most, most), 2 ** (8 * octets - 1))
    limits = [2 ** (8 * wide + 7) for wide in form.wide]
    ends = rng.random() < 0.3
    x = [
        rng.choice([-limit, limit - 1], n) if ends else rng.integers(-limit, limit, n)
        for n, limit in zip(sizes, limits, strict=False)
    ]
    for unit, code in enumerate(immediate8.units(form, of)):
        right = of.bias[unit].copy()
        for matrix, rows, vector in zip(of.matrices, segments, x, strict=False):
            right[list(rows)] += matrix[unit] @ vector
        assert np.array_equal(sums(form, code, x), signed(right, 8 * octets))


def one_unit(matrix: np.ndarray) -> Unit:
    form = immediate8.layout(matrix.shape[1], (tuple(range(matrix.shape[1])),), ("i8",), 2)
    assert form is not None
    (unit,) = immediate8.units(form, only(matrix))
    return unit


def test_equal_magnitudes_share_a_product_and_zeros_have_none():
    ((column, empty),) = one_unit(np.array([[[5, 0], [-5, 0], [0, 0], [-128, 0]]])).segments
    found = [(p.magnitude, p.added, p.subtracted) for p in column.products]
    assert found == [(5, (0,), (1,)), (128, (), (3,))]
    assert empty.products == ()


def test_few_magnitudes_are_loaded_once():
    most = KEPT[2]
    (columns,) = one_unit(np.random.default_rng(1).integers(-most, most + 1, (1, 4, 60))).segments
    assert sum(product.loaded for column in columns for product in column.products) == most


def test_a_magnitude_beyond_a_byte_does_not_fit():
    form = immediate8.layout(1, ((0,),), ("i8",), 2)
    assert form is not None
    assert [immediate8.fits(form, only(np.array([[[n]]]))) for n in (-128, 128, -129)] == [
        True, True, False,
    ]  # fmt: skip


def test_more_sums_than_registers_are_left_to_others():
    assert immediate8.layout(5, ((0, 1, 2, 3, 4),), ("i8",), 3) is None
