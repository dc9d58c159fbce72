"""The packing nibbles8 is lossless, and its products less the totals are the sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import DOTS, assert_lossless, assert_places_are_even, drawn, only

from rnn2c.packing import bytes8, nibbles8
from rnn2c.packing.blocks import signed

FEW = {name: dot for name, dot in DOTS.items() if dot[0] <= bytes8.MOST_SUMS}


@pytest.mark.parametrize("octets", [2, 3])
@pytest.mark.parametrize("name", FEW)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 35), min_size=3, max_size=3),
       seed=st.integers(0, 99))  # fmt: skip
def test_unpack_returns_what_was_packed(
    name: str, octets: int, units: int, sizes: list[int], seed: int
):
    results, segments = FEW[name]
    rng = np.random.default_rng(seed)
    types = tuple(rng.choice(["i8", "i16"], len(segments)))
    form = nibbles8.layout(results, segments, types, octets)
    assert form is not None
    assert_places_are_even(form)
    of = drawn(rng, segments, units, sizes, (-8, 8), 2 ** (8 * octets - 1))
    assert_lossless(nibbles8, form, replace(of, multipliers={}))


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
