"""Weights in instructions: the products of a unit and its first values make up its sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import DOTS, drawn, only

from rnn2c.packing import immediate8
from rnn2c.packing.blocks import Content, signed
from rnn2c.packing.immediate8 import HALF, KEPT, Layout, columns

FEW = {name: dot for name, dot in DOTS.items() if dot[0] <= immediate8.MOST_SUMS}


def sums(form: Layout, of: Content, vectors: list[np.ndarray], unit: int) -> np.ndarray:
    """What the products of the plan add up to, with magnitudes from the registers that it names."""
    total = immediate8.first(form, of)[unit].copy()
    registers = [0] * KEPT
    for segment, x, wide in zip(columns(of, unit), vectors, form.wide, strict=False):
        assert len(segment) == len(x)
        raised = (HALF << (8 * wide)) if form.octets == 3 else 0
        for column, element in zip(segment, x + raised, strict=True):
            for product in column:
                if product.loaded:
                    registers[product.register] = product.magnitude
                assert 0 < registers[product.register] == product.magnitude
                total[list(product.added)] += registers[product.register] * element
                total[list(product.subtracted)] -= registers[product.register] * element
    return signed(total, 8 * form.octets)


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
    x = [rng.integers(-most, most, n) for n, most in zip(sizes, limits, strict=False)]
    for unit in range(units):
        right = of.bias[unit].copy()
        for matrix, rows, vector in zip(of.matrices, segments, x, strict=False):
            right[list(rows)] += matrix[unit] @ vector
        assert np.array_equal(sums(form, of, x, unit), signed(right, 8 * octets))


def test_equal_magnitudes_share_a_product_and_zeros_have_none():
    ((column, empty),) = columns(only(np.array([[[5, 0], [-5, 0], [0, 0], [-128, 0]]])), 0)
    assert [(p.magnitude, p.added, p.subtracted) for p in column] == [
        (5, (0,), (1,)),
        (128, (), (3,)),
    ]
    assert empty == ()


def test_few_magnitudes_are_loaded_once():
    matrix = np.random.default_rng(1).integers(-KEPT, KEPT + 1, (1, 4, 60))
    (segment,) = columns(only(matrix), 0)
    assert sum(product.loaded for column in segment for product in column) == KEPT


def test_more_sums_than_registers_are_left_to_others():
    assert immediate8.layout(5, ((0, 1, 2, 3, 4),), ("i8",), 3) is None
