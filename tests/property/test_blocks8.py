"""The packings blocks8 are lossless: every row, first value and multiplier comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed import assert_lossless
from pruned import in_blocks

from rnn2c.packing import blocks8, pairs8

DOTS = {
    "lstm": (4, ((0, 1, 2, 3), (0, 1, 2, 3))),
    "gru": (4, ((0, 1, 2), (0, 1, 3))),
    "gru, x and h apart": (6, ((0, 1, 4), (2, 3, 5))),
    "r and z": (2, ((0, 1), (0, 1))),
    "linear": (1, ((0,),)),
    "three windows": (1, ((0,), (0,), (0,))),
}
FORMS = [
    (name, layout, columns)
    for name in DOTS
    for layout, columns in ((pairs8.layout, 4), (pairs8.layout, 2), (blocks8.layout_of_eight, 2))
    if layout(*DOTS[name]) is not None
]


def drawn(name, layout, columns, units, sizes, kept, seed):
    """(layout, matrices with zeros in blocks, segments, bias, factors of every second result)"""
    results, segments = DOTS[name]
    rng = np.random.default_rng(seed)
    form = layout(results, segments)
    matrices = tuple(
        in_blocks(rng.integers(-127, 128, (units, len(rows), size)), form.units, columns, kept)
        for rows, size in zip(segments, sizes, strict=False)
    )
    bias = rng.integers(-(2**22), 2**22, (units, results))
    factors = {r: rng.integers(1, 2**31, units) for r in range(0, results, 2)}
    return form, matrices, segments, bias, factors


@pytest.mark.parametrize(("name", "layout", "columns"), FORMS)
@settings(max_examples=30)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 17), min_size=3, max_size=3),
       kept=st.sampled_from([0, 0.25, 0.6, 1]), seed=st.integers(0, 99))  # fmt: skip
def test_unpack_returns_what_was_packed(name, layout, columns, units, sizes, kept, seed):
    form, matrices, segments, bias, factors = drawn(name, layout, columns, units, sizes, kept, seed)
    assert blocks8.fits(form, matrices, segments, columns)
    assert_lossless(blocks8, form, matrices, segments, bias, factors, columns=columns)


def test_stored_blocks_are_all_that_grows():
    """An LSTM of 64 columns: 16 bytes for each stored block of 4 x 4, and its place."""
    form = pairs8.layout(4, ((0, 1, 2, 3),))
    assert form is not None
    sizes = []
    for stored in (0, 2, 6, 10, 14):
        matrix = np.zeros((1, 4, 64), int)
        matrix[0, 2, 3 : 4 * stored : 4] = 5
        stream = blocks8.pack(form, (matrix,), ((0, 1, 2, 3),), np.zeros((1, 4), int), {}, 4)
        sizes.append(stream.size)
    assert sizes == [1 + 4, 1 + 4 + 8, 2 + 4 + 24, 3 + 4 + 40, 4 + 4 + 56]


def test_the_cost_is_that_of_the_stored_blocks():
    form, segments = pairs8.layout(4, ((0, 1, 2, 3),)), ((0, 1, 2, 3),)
    assert form is not None
    matrix = in_blocks(np.full((16, 4, 128), 3), form.units, 4, 0.25)
    quarter = blocks8.cost(form, (matrix,), segments, 4)
    dense = pairs8.cost(form, (matrix,), segments)
    assert 0.3 * dense < quarter < 0.38 * dense
    assert blocks8.cost(form, (np.full((16, 4, 128), 3),), segments, 4) > dense


@pytest.mark.parametrize(("columns", "most"), [(4, 1008), (2, 504)])
def test_a_place_has_a_byte(columns: int, most: int):
    form, segments = pairs8.layout(4, ((0, 1, 2, 3),)), ((0, 1, 2, 3),)
    assert form is not None
    assert blocks8.fits(form, (np.ones((1, 4, most), int),), segments, columns)
    assert not blocks8.fits(form, (np.ones((1, 4, most + 13), int),), segments, columns)
