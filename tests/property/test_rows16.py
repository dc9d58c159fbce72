"""The packing rows16 is lossless: it gives back every row, first value and multiplier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import assert_lossless, assert_places_are_even, drawn

from rnn2c.packing import rows16
from rnn2c.packing.blocks import Content

DOTS = {
    "lstm": (4, ((0, 1, 2, 3), (0, 1, 2, 3)), ("i16", "i8")),
    "lstm, x and h apart": (8, ((0, 1, 2, 3), (4, 5, 6, 7)), ("i8", "i8")),
    "gru": (4, ((0, 1, 2), (0, 1, 3)), ("i16", "i8")),
    "gru, x and h apart": (6, ((0, 1, 4), (2, 3, 5)), ("i8", "i8")),
    "r and z": (2, ((0, 1), (0, 1)), ("i8", "i16")),
    "five rows": (5, ((0, 1, 2, 3, 4),), ("i16",)),
    "linear": (1, ((0,),), ("i8",)),
    "three windows": (1, ((0,), (0,), (0,)), ("i8", "i8", "i16")),
}


def made(name: str) -> rows16.Layout:
    form = rows16.layout(*DOTS[name])
    assert form is not None
    return form


@pytest.mark.parametrize("name", DOTS)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 35), min_size=3, max_size=3),
       seed=st.integers(0, 99))  # fmt: skip
def test_unpack_returns_what_was_packed(name: str, units: int, sizes: list[int], seed: int):
    rng = np.random.default_rng(seed)
    _, segments, _ = DOTS[name]
    assert_lossless(rows16, made(name), drawn(rng, segments, units, sizes, (-128, 128), 2**31))


@pytest.mark.parametrize("name", DOTS)
def test_every_sum_has_a_place_of_its_own_that_is_even_over_units(name: str):
    assert_places_are_even(made(name))


@pytest.mark.parametrize("name", DOTS)
def test_a_kernel_has_registers_for_six_sums(name: str):
    form = made(name)
    for k in range(len(DOTS[name][1])):
        slots = [s.slot for s in form.of(k)]
        assert len(set(slots)) == len(slots)
        assert max(slots) < 6


def test_sums_without_a_register_are_left_to_plain_loops():
    assert rows16.layout(7, (tuple(range(7)),), ("i8",)) is None
    assert rows16.layout(1, ((0,),), ("i32",)) is None


def test_a_row_that_skips_a_segment_is_left_to_plain_loops():
    assert rows16.layout(2, ((0, 1), (0,), (0, 1)), ("i8",) * 3) is None


def test_the_stream_ends_with_room_for_a_chunk():
    matrix = np.ones((1, 4, 3), np.int64)
    of = Content((matrix, matrix), DOTS["lstm"][1], np.zeros((1, 4), np.int64))
    stream = rows16.pack(made("lstm"), of)
    assert stream.size == 4 + 2 * 3 + 4
    assert not stream[-4:].any()


@pytest.mark.parametrize("block", range(1, rows16.ROWS_IN_C + 1))
@pytest.mark.parametrize("name", DOTS)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 11), min_size=3, max_size=3),
       seed=st.integers(0, 99))  # fmt: skip
def test_unpack_returns_what_was_packed_for_c(
    name: str, block: int, units: int, sizes: list[int], seed: int
):
    results, segments, types = DOTS[name]
    form = rows16.layout_in_c(results, segments, types, block)
    if form is None:
        assert block * max(map(len, segments)) > rows16.ROWS_IN_C
        return
    assert max(s.slot for s in form.sums) < rows16.ROWS_IN_C
    assert_places_are_even(form)
    of = drawn(np.random.default_rng(seed), segments, units, sizes, (-128, 128), 2**31)
    assert_lossless(rows16, form, of)


@pytest.mark.parametrize("block", rows16.OTHER_BLOCKS)
@given(units=st.integers(1, 13), size=st.integers(1, 35), seed=st.integers(0, 99))
def test_unpack_returns_what_was_packed_in_other_blocks(
    block: int, units: int, size: int, seed: int
):
    form = rows16.layout(1, ((0,),), ("i8",), {1: block})
    assert form is not None
    assert form.units == block
    rng = np.random.default_rng(seed)
    assert_lossless(rows16, form, drawn(rng, ((0,),), units, [size], (-128, 128), 9))
