"""The packing halves4 is lossless, and its partial sums have room in a half."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import DOTS, assert_lossless, assert_places_are_even, drawn, only

from rnn2c.emit.kernels.halves import BEGIN, flushed, groups
from rnn2c.packing import halves4

SIZES = st.lists(st.integers(1, 17), min_size=3, max_size=3)


@pytest.mark.parametrize("name", DOTS)
@given(units=st.integers(1, 9), sizes=SIZES, seed=st.integers(0, 99))
def test_unpack_returns_what_was_packed(name: str, units: int, sizes: list[int], seed: int):
    results, segments = DOTS[name]
    form = halves4.layout(results, segments)
    assert form is not None
    rng = np.random.default_rng(seed)
    assert_lossless(halves4, form, drawn(rng, segments, units, sizes, (-8, 8), 2**30))


@pytest.mark.parametrize("name", DOTS)
def test_every_sum_has_a_place_of_its_own_that_is_even_over_units(name: str):
    form = halves4.layout(*DOTS[name])
    assert form is not None
    assert_places_are_even(form)


@given(seed=st.integers(0, 999), lo=st.integers(-2184, 0), hi=st.integers(0, 2184))
def test_the_halves_of_a_partial_sum_are_those_of_its_rows(seed: int, lo: int, hi: int):
    """What a kernel computes with words, for the widest chunk that a vector allows."""
    form = chunks_of(lo, hi)
    assert form is not None
    chunk = form.chunks[0]
    rng = np.random.default_rng(seed)
    for x in (rng.choice([lo, hi], chunk), np.full(chunk, lo), np.full(chunk, hi)):
        high, low = rng.choice([0, halves4.MOST], (2, chunk))
        partial = np.int32(BEGIN + int(((high << 16) + low) @ x))
        assert int(partial) >> 16 == high @ x
        assert (int(partial) & 0xFFFF) - BEGIN == low @ x


def chunks_of(lo: int, hi: int, shift: int = 0) -> halves4.Layout | None:
    form = halves4.layout(1, ((0,),))
    assert form is not None
    return halves4.scaled(form, (shift,), ((lo, hi),), only(np.zeros((4, 1, 8), int)))


def test_the_range_of_a_vector_decides_how_many_columns_are_summed_in_halves():
    ranges = [(-136, 127), (-128, 137), (-273, 0), (0, 546), (-1024, 1023), (0, 2184)]
    forms = [chunks_of(*r) for r in ranges]
    assert [f and f.chunks for f in forms] == [(16,), (8,), (8,), (4,), (2,), (1,)]
    assert chunks_of(-2185, 0) is None
    assert chunks_of(-32768, 32767) is None


def test_a_shift_below_that_of_high_round_raises_the_sums():
    assert [f and f.up for f in (chunks_of(-8, 7, n) for n in (0, 12, 13, 16, 17, 20))] == [
        0, 0, 4, 1, 0, 0,
    ]  # fmt: skip


@given(size=st.integers(1, 90), turn=st.sampled_from([0, 4, 16, 64]),
       chunk=st.sampled_from(halves4.CHUNKS))  # fmt: skip
def test_no_more_than_a_chunk_is_summed_in_halves(size: int, turn: int, chunk: int):
    turns, looped, rest = groups(size, turn, chunk)
    all_groups = [*looped * turns, *rest]
    assert sum(g.columns for g in all_groups) == size
    assert sum(len(g.flushes) for g in all_groups) == flushed(size, turn, chunk)
    since = 0
    for g in all_groups:
        ends = [*g.flushes, g.columns]
        gaps = np.diff([0, *ends])
        assert since + gaps[0] <= chunk
        assert max(gaps) <= chunk
        since = g.columns - g.flushes[-1] if g.flushes else since + g.columns
    assert since == 0


def test_rows_and_segments_without_registers_are_left_to_plain_loops():
    assert halves4.layout(5, ((0, 1, 2, 3, 4),)) is None
    assert halves4.layout(1, ((0,),) * 5) is None
    form = halves4.layout(1, ((0,),) * 4)
    assert form is not None
    assert replace(form, up=2).raised == ((2,),) * 4
