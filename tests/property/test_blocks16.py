"""The packings blocks16 are lossless: every row, first value and multiplier comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import packed
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pruned import in_blocks

from rnn2c.packing import blocks16, rows16

TYPES = {"i8": ("i8",) * 3, "i16 and i8": ("i16", "i8", "i8")}
FORMS = [
    (name, types, columns)
    for name, (results, segments) in packed.DOTS.items()
    for types in TYPES
    for columns in (2, 4)
    if blocks16.layout(results, segments, TYPES[types][: len(segments)]) is not None
]


def test_lstms_grus_and_linear_layers_have_these_blocks():
    assert {name for name, _, _ in FORMS} >= {"lstm", "gru", "linear", "gru, x and h apart"}


@pytest.mark.parametrize(("name", "types", "columns"), FORMS)
@settings(max_examples=15)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 40), min_size=3, max_size=3),
       kept=st.sampled_from([0, 0.25, 0.6, 1]), seed=st.integers(0, 99))  # fmt: skip
def test_unpack_returns_what_was_packed(name, types, columns, units, sizes, kept, seed):
    results, segments = packed.DOTS[name]
    form = blocks16.layout(results, segments, TYPES[types][: len(segments)])
    of = packed.drawn(np.random.default_rng(seed), segments, units, sizes, (-128, 128), 2**22)
    of = replace(of, matrices=tuple(in_blocks(m, form.units, columns, kept) for m in of.matrices))
    assert blocks16.fits(form, of, columns)
    packed.assert_lossless(blocks16, form, of, columns=columns)


@pytest.mark.parametrize("types", [("i16", "i16"), ("i16",)])
def test_vectors_of_16_bits_alone_have_none(types: tuple[str, ...]):
    assert blocks16.layout(4, ((0, 1, 2, 3),) * len(types), types) is None


def test_the_cost_is_that_of_the_stored_blocks():
    form = blocks16.layout(4, ((0, 1, 2, 3),), ("i8",))
    assert form is not None
    full = np.full((16, 4, 256), 3)
    costs = [
        blocks16.cost(form, packed.only(in_blocks(full, form.units, 4, kept)), 4)
        for kept in (0.25, 1)
    ]
    assert costs[0] < 0.7 * rows16.cost(form, packed.only(full)) < 0.7 * costs[1]


@pytest.mark.parametrize(("columns", "most"), [(4, 1000), (2, 500)])
def test_a_place_has_a_byte(columns: int, most: int):
    form = blocks16.layout(4, ((0, 1, 2, 3),), ("i8",))
    assert form is not None
    assert blocks16.fits(form, packed.only(np.ones((1, 4, most), int)), columns)
    assert not blocks16.fits(form, packed.only(np.ones((1, 4, most + 13), int)), columns)
