"""The packing pairs8 is lossless: it gives back every row, first value and multiplier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import DOTS, assert_lossless, assert_places_are_even, drawn, only

from rnn2c.packing import pairs8


@pytest.mark.parametrize("name", DOTS)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 17), min_size=3, max_size=3),
       seed=st.integers(0, 99), columns=st.sampled_from([2, 4]), apart=st.booleans())  # fmt: skip
def test_unpack_returns_what_was_packed(
    name: str, units: int, sizes: list[int], seed: int, columns: int, apart: bool
):
    results, segments = DOTS[name]
    form = pairs8.layout(results, segments, columns, apart=apart)
    weights = (-128 if apart else -127, 128)
    rng = np.random.default_rng(seed)
    assert_lossless(pairs8, form, drawn(rng, segments, units, sizes, weights, 2**22))


@pytest.mark.parametrize("name", DOTS)
def test_every_sum_has_a_place_of_its_own_that_is_even_over_units(name: str):
    form = pairs8.layout(*DOTS[name])
    assert form is not None
    assert_places_are_even(form)


@pytest.mark.parametrize("name", DOTS)
def test_a_kernel_has_registers_for_three_pairs(name: str):
    form = pairs8.layout(*DOTS[name])
    assert form is not None
    for k in range(len(DOTS[name][1])):
        slots = [p.slot for p in form.of(k)]
        assert len(set(slots)) == len(slots) <= 3
        assert max(slots) < 3


def test_rows_that_do_not_come_out_even_are_left_to_plain_loops():
    assert pairs8.layout(5, ((0, 1, 2, 3, 4),)) is None
    assert pairs8.layout(3, ((0, 1), (0, 1, 2))) is not None  # two units at once make it even
    assert pairs8.layout(5, ((0, 1, 2, 3), (0, 4))) is None


def test_two_weights_of_minus_128_have_no_halfword_unless_they_are_apart():
    form = pairs8.layout(1, ((0,),))
    apart = pairs8.layout(1, ((0,),), apart=True)
    assert form is not None
    assert apart is not None
    matrix = np.full((4, 1, 1), -128)
    assert not pairs8.fits(form, only(matrix))
    assert pairs8.fits(apart, only(matrix))
    matrix[::2] = -127
    assert pairs8.fits(form, only(matrix))


@given(units=st.integers(1, 9), size=st.integers(1, 17), seed=st.integers(0, 99))
def test_unpack_returns_what_was_packed_in_blocks_of_two_rows(units: int, size: int, seed: int):
    form = pairs8.layout(1, ((0,),), block_units=pairs8.NARROW)
    assert form is not None
    assert (form.units, len(form.pairs)) == (2, 1)
    rng = np.random.default_rng(seed)
    assert_lossless(pairs8, form, drawn(rng, ((0,),), units, [size], (-127, 128), 9))
