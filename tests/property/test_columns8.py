"""The packing columns8 is lossless, and has what its kernels read in their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import DOTS, assert_lossless, assert_places_are_even, drawn, only

from rnn2c.packing import bytes8, columns8

FEW = {name: dot for name, dot in DOTS.items() if dot[0] <= bytes8.MOST_SUMS}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("octets", [2, 3])
@pytest.mark.parametrize("name", FEW)
@given(units=st.integers(1, 5), sizes=st.lists(st.integers(1, 254), min_size=3, max_size=3),
       kept=st.sampled_from([0, 0.004, 0.05, 0.5, 1]), seed=st.integers(0, 99))  # fmt: skip
def test_unpack_returns_what_was_packed(
    name: str, octets: int, apart: bool, units: int, sizes: list[int], kept: float, seed: int
):
    results, segments = FEW[name]
    rng = np.random.default_rng(seed)
    types = tuple(rng.choice(["i8", "i16"], len(segments)))
    form = columns8.layout(results, segments, types, octets, apart)
    assert form is not None
    assert_places_are_even(form)
    of = drawn(rng, segments, units, sizes, (-128, 128), 2 ** (8 * octets - 1))
    left = tuple(np.where(rng.random(m.shape) < kept, m, 0) for m in of.matrices)
    of = replace(of, matrices=left, multipliers={})
    assert columns8.fits(form, of)
    assert_lossless(columns8, form, of)


def stream_of(matrix: list, octets: int = 2, apart: bool = False, element: str = "i8") -> list[int]:
    rows = tuple(range(len(matrix)))
    form = columns8.layout(len(rows), (rows,), (element,), octets, apart)
    assert form is not None
    return columns8.pack(form, only(np.array([matrix]), bias=1)).tolist()


def test_a_column_says_how_far_it_is_behind_the_one_before():
    assert stream_of([[0, 3, 0, 0, 5], [0, 0, 0, 0, -1]]) == [1, 0, 1, 0, 2, 1, 3, 0, 2, 5, 255]
    assert stream_of([[0, 3, 0, 0, 5]], element="i16") == [1, 0, 2, 2, 3, 4, 5]


def test_rows_apart_have_columns_of_their_own():
    assert stream_of([[0, 3, 0], [7, 0, -1]], apart=True) == [1, 0, 1, 1, 3, 1, 0, 2, 0, 7, 1, 255]


@pytest.mark.parametrize("apart", [False, True])
def test_a_row_of_zeros_stores_one_of_them(apart: bool):
    assert stream_of([[0] * 9], 3, apart) == [1, 0, 0, 1, 0, 0]


def test_a_gap_of_more_bytes_than_one_says_has_a_zero_in_it():
    row = [0] * 250 + [6]
    assert stream_of([row]) == [1, 0, 1, 250, 6]
    assert stream_of([row], element="i16") == [1, 0, 2, 254, 0, 244, 6]


def test_a_matrix_that_needs_too_long_a_stream_or_count_stays_dense():
    form = columns8.layout(1, ((0,),), ("i8",), 2, apart=False)
    assert form is not None
    assert columns8.fits(form, only(np.ones((60, 1, 254), np.int64)))
    assert not columns8.fits(form, only(np.ones((65, 1, 254), np.int64)))
    assert not columns8.fits(form, only(np.ones((1, 1, 255), np.int64)))
