"""The packings blocks8 are lossless: every row, first value and multiplier comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import packed
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pruned import in_blocks

from rnn2c.packing import blocks8, pairs8
from rnn2c.packing.blocks import Content

DOTS = {name: dot for name, dot in packed.DOTS.items() if name != "lstm, x and h apart"}
FORMS = [
    (name, layout, columns, apart)
    for name in DOTS
    for layout, columns in ((pairs8.layout, 4), (pairs8.layout, 2), (blocks8.layout_of_eight, 2))
    for apart in (False, True)
    if layout(*DOTS[name]) is not None
]


@pytest.mark.parametrize(("name", "layout", "columns", "apart"), FORMS)
@settings(max_examples=15)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 17), min_size=3, max_size=3),
       kept=st.sampled_from([0, 0.25, 0.6, 1]), seed=st.integers(0, 99))  # fmt: skip
def test_unpack_returns_what_was_packed(name, layout, columns, apart, units, sizes, kept, seed):
    results, segments = DOTS[name]
    form = layout(results, segments, apart=apart)
    rng, least = np.random.default_rng(seed), -128 if apart else -127
    of = packed.drawn(rng, segments, units, sizes, (least, 128), 2**22)
    of = replace(of, matrices=tuple(in_blocks(m, form.units, columns, kept) for m in of.matrices))
    if seed % 3:  # multipliers of 16 bits, some of them two in a word
        lifted = {r: 2 + r for r in range(results) if seed % 3 == 1 or r < 2}
        factors = {r: rng.integers(1, 2**16, units) for r in range(results)}
        of = replace(of, lifted=lifted, multipliers=_lifted(form, factors, lifted))
    assert blocks8.fits(form, of, columns)
    packed.assert_lossless(blocks8, form, of, columns=columns)


def _lifted(form, multipliers, lifted):
    """Multipliers as multiples of the powers of two of results, less where rows are raised."""
    made = {}
    for r, m in multipliers.items():
        down = np.asarray([max(up[r] for up in form.raised) - up[r] for up in form.raised])
        power = lifted.get(r, 0) + down[np.arange(len(m)) % form.units]
        made[r] = m << power
    return made


@pytest.mark.parametrize(("apart", "words"), [(True, 4), (False, 6)])
def test_multipliers_of_16_bits_share_words(apart: bool, words: int):
    """All of a GRU where rows are apart, else r and z."""
    results, segments = packed.DOTS["gru"]
    form = pairs8.layout(results, segments, apart=apart)
    assert form is not None
    empty = [np.zeros((2, 3, 8), int)] * 2
    multipliers = dict.fromkeys(range(results), np.full(2, 3 << 14))
    of = Content(tuple(empty), segments, np.zeros((2, results), int), multipliers)
    shared = replace(of, lifted=dict.fromkeys(range(results), 6))
    assert blocks8.pack(form, of, 4).size - blocks8.pack(form, shared, 4).size == 8 - words


def test_stored_blocks_are_all_that_grows():
    """An LSTM of 64 columns: 16 bytes for each stored block of 4 x 4, and its place."""
    form = pairs8.layout(4, ((0, 1, 2, 3),))
    assert form is not None
    sizes = []
    for stored in (0, 2, 6, 10, 14):
        matrix = np.zeros((1, 4, 64), int)
        matrix[0, 2, 3 : 4 * stored : 4] = 5
        sizes.append(blocks8.pack(form, packed.only(matrix), 4).size)
    assert sizes == [1 + 4, 1 + 4 + 8, 2 + 4 + 24, 3 + 4 + 40, 4 + 4 + 56]


def test_the_cost_is_that_of_the_stored_blocks():
    form = pairs8.layout(4, ((0, 1, 2, 3),))
    assert form is not None
    matrix = in_blocks(np.full((16, 4, 128), 3), form.units, 4, 0.25)
    quarter = blocks8.cost(form, packed.only(matrix), 4, blocks8.DSP)
    dense = pairs8.cost(form, packed.only(matrix), 7)
    assert 0.3 * dense < quarter < 0.38 * dense
    assert blocks8.cost(form, packed.only(np.full((16, 4, 128), 3)), 4, blocks8.DSP) > dense


@pytest.mark.parametrize(("columns", "most"), [(4, 1008), (2, 504)])
def test_a_place_has_a_byte(columns: int, most: int):
    form = pairs8.layout(4, ((0, 1, 2, 3),))
    assert form is not None
    assert blocks8.fits(form, packed.only(np.ones((1, 4, most), int)), columns)
    assert not blocks8.fits(form, packed.only(np.ones((1, 4, most + 13), int)), columns)
