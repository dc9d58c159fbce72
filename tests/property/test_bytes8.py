"""The packing bytes8 is lossless: it gives back every row and first value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import ANY_SIZES, DOTS, assert_lossless, drawn_for, only

from rnn2c.packing import bytes8
from rnn2c.packing.blocks import signed

FEW = {name: dot for name, dot in DOTS.items() if dot[0] <= bytes8.MOST_SUMS}


@pytest.mark.parametrize("octets", [2, 3])
@pytest.mark.parametrize("name", FEW)
@ANY_SIZES
def test_unpack_returns_what_was_packed(
    name: str, octets: int, units: int, sizes: list[int], seed: int
):
    form, of = drawn_for(bytes8, name, octets, units, sizes, (-128, 128), seed)
    assert_lossless(bytes8, form, of)


@given(st.lists(st.tuples(*[st.integers(-128, 127)] * 4), min_size=1, max_size=40),
       st.integers(-9999, 9999))  # fmt: skip
def test_unsigned_products_less_the_total_are_the_sums(columns: list, bias: int):
    *rows, x = np.array(columns).T
    form = bytes8.layout(3, ((0, 1, 2),), ("i8",), 3)
    assert form is not None
    stream = bytes8.pack(form, only(np.array([rows]), bias))
    first = (stream[:9].reshape(3, 3) << np.array([0, 8, 16])).sum(axis=1)
    total = 128 * (x + 128).sum()
    sums = first + stream[9:].reshape(-1, 3).T @ (x + 128) - total
    assert np.array_equal(signed(sums, 24), np.array(rows) @ x + bias)


def test_the_stream_has_the_lowest_byte_first_and_the_rows_of_a_column_together():
    form = bytes8.layout(2, ((0, 1),), ("i8",), 3)
    assert form is not None
    of = only(np.array([[[1, 2, 3], [-1, -2, -3]]]), bias=-2)
    stream = bytes8.pack(form, of)
    assert stream.tolist() == [254, 255, 255, 254, 255, 255, 1, 255, 2, 254, 3, 253]


def test_sums_without_a_register_are_left_to_plain_loops():
    assert bytes8.layout(5, ((0, 1, 2, 3, 4),), ("i8",), 3) is None
