"""The packing nibbles8 is lossless, and its products less the totals are the sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import ANY_SIZES, DOTS, assert_lossless, drawn_for, only

from rnn2c.packing import bytes8, nibbles8
from rnn2c.packing.blocks import signed

FEW = {name: dot for name, dot in DOTS.items() if dot[0] <= bytes8.MOST_SUMS}


@pytest.mark.parametrize("octets", [2, 3])
@pytest.mark.parametrize("name", FEW)
@ANY_SIZES
def test_unpack_returns_what_was_packed(
    name: str, octets: int, units: int, sizes: list[int], seed: int
):
    form, of = drawn_for(nibbles8, name, octets, units, sizes, (-8, 8), seed)
    assert_lossless(nibbles8, form, of)


@pytest.mark.parametrize(
    ("element", "octets", "more"), [("i8", 3, 128), ("i8", 2, 0), ("i16", 3, 0)]
)
@given(st.lists(st.tuples(*[st.integers(-8, 7)] * 3, st.integers(-128, 127)), min_size=1,
                max_size=40), st.integers(-9999, 9999))  # fmt: skip
def test_products_of_halves_less_the_total_are_the_sums(
    element: str, octets: int, more: int, columns: list, bias: int
):
    *rows, x = np.array(columns).T
    form = nibbles8.layout(3, ((0, 1, 2),), (element,), octets)
    assert form is not None
    stream = nibbles8.pack(form, only(np.array([rows]), bias))
    first = (stream[: 3 * octets].reshape(3, octets) << (8 * np.arange(octets))).sum(axis=1)
    both = stream[3 * octets :].reshape(-1, 3)
    halves = np.stack([both & 15, both >> 4], axis=1).reshape(-1, 3)[: len(x)]
    y = x + more
    sums = first + halves.T @ y - 8 * y.sum()
    assert np.array_equal(signed(sums, 8 * octets), np.array(rows) @ x + bias)


def test_the_first_of_two_columns_is_in_the_lower_half():
    form = nibbles8.layout(2, ((0, 1),), ("i8",), 2)
    assert form is not None
    of = only(np.array([[[-8, 7, 1], [0, -1, 2]]]), bias=5)
    assert nibbles8.pack(form, of).tolist() == [5, 0, 5, 0, 0xF0, 0x78, 0x09, 0x0A]
