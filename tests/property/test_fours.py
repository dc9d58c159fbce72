"""The packings pairs16, quads4 and overlapped4 give back rows, first values and multipliers."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import packed
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn2c.packing import overlapped4, pairs16, quads4

DOTS = {**packed.DOTS, "five rows": (5, ((0, 1, 2, 3, 4),))}
PACKINGS = {"pairs16": (pairs16, 127, 2**30, 32), "quads4": (quads4, 8, 2**11, 16)}
"""The largest weight and first value, the bits of a multiplier."""
SHIFTS = st.one_of(st.just(0), st.integers(13, 28))


@pytest.mark.parametrize("name", DOTS)
@pytest.mark.parametrize("packing", PACKINGS)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 17), min_size=3, max_size=3),
       shift=SHIFTS, seed=st.integers(0, 99))  # fmt: skip
def test_unpack_returns_what_was_packed(
    packing: str, name: str, units: int, sizes: list[int], shift: int, seed: int
):
    module, top, largest, bits = PACKINGS[packing]
    results, segments = DOTS[name]
    shifts = ((shift,) * results,) if module is quads4 else ()
    form = module.layout(results, segments, *shifts)
    assert form is not None
    weights = (-top, min(top, 127) if top > 8 else 8)
    rng = np.random.default_rng(seed)
    of = packed.drawn(rng, segments, units, sizes, weights, largest, 2 ** (bits - 1))
    if packing == "quads4":
        lifted = {r: 2 * m << form.lifted(r) for r, m in of.multipliers.items()}
        of = replace(of, multipliers=lifted if shift else {})
    packed.assert_lossless(module, form, of)


@pytest.mark.parametrize("name", DOTS)
@given(units=st.integers(1, 9), sizes=st.lists(st.integers(1, 17), min_size=3, max_size=3),
       shift=st.integers(17, 32), seed=st.integers(0, 99))  # fmt: skip
def test_overlapped_words_hold_fractions_and_first_values_hold_multipliers(
    name: str, units: int, sizes: list[int], shift: int, seed: int
):
    results, segments = DOTS[name]
    form = overlapped4.layout(results, segments, (shift,) * results)
    assert form is not None
    of = packed.drawn(np.random.default_rng(seed), segments, units, sizes, (-(2**31), 2**31), 2**31)
    matrices = tuple(
        overlapped4.weights(m[..., : -(-m.shape[2] // 8)] & 0xFFFFFFFF)[..., : m.shape[2]]
        for m in of.matrices
    )
    scales = {r: (of.bias[:, r] & 0xFFFF) << form.lifted(r) for r in of.multipliers}
    of = replace(of, matrices=matrices, multipliers=scales)
    assert overlapped4.fits(form, of)
    kernel = SimpleNamespace(
        pack=overlapped4.pack_for_kernel, unpack=overlapped4.unpack_from_kernel
    )
    packed.assert_lossless(kernel, form, of)


def test_fractions_that_are_not_the_bits_below_have_no_word():
    form = overlapped4.layout(1, ((0,),))
    assert form is not None
    matrix = overlapped4.weights(np.full((4, 1, 1), 0x12345678))
    assert overlapped4.fits(form, packed.only(matrix))
    matrix[2, 0, 5] ^= 1
    assert not overlapped4.fits(form, packed.only(matrix))


@pytest.mark.parametrize("name", DOTS)
@pytest.mark.parametrize("module", [pairs16, quads4, overlapped4])
def test_every_sum_has_a_place_of_its_own_that_is_even_over_units(module: ModuleType, name: str):
    form = module.layout(*DOTS[name])
    assert form is not None
    packed.assert_places_are_even(form)


@pytest.mark.parametrize("name", DOTS)
def test_rows_of_a_pass_are_in_the_same_segments(name: str):
    results, segments = DOTS[name]
    form = pairs16.layout(results, segments)
    assert form is not None
    for p in form.passes:
        for _, r in p.rows:
            assert p.span == tuple(k for k, rows in enumerate(segments) if r in rows)


def test_a_shift_below_that_of_high_round_raises_the_sums():
    ups = {
        shift: quads4.layout(1, ((0,),), (shift,)).up  # type: ignore[union-attr]
        for shift in (0, 12, 13, 15, 17, 20)
    }
    assert ups == {0: 0, 12: 0, 13: 4, 15: 2, 17: 0, 20: 0}
    mixed = quads4.layout(2, ((0, 1),), (15, 31))
    assert mixed is not None
    assert mixed.up == 0


def fits_quads4(
    bias: int, lo: int = -128, hi: int = 127, columns: int = 8, weight: int = -8
) -> bool:
    form = quads4.layout(1, ((0,),))
    assert form is not None
    of = packed.only(np.full((4, 1, columns), weight), bias)
    return quads4.scaled(form, (15,), ((lo, hi),), of) is not None


def test_first_values_beyond_16_bits_and_vectors_too_wide_are_left_to_plain_loops():
    assert fits_quads4(8191)
    assert fits_quads4(-8192)
    assert not fits_quads4(8192)
    assert not fits_quads4(-8193)
    assert not fits_quads4(0, -32768, 32767, 64)


def test_it_is_the_weights_that_decide_how_wide_a_vector_may_be():
    """4096 times the sum of the topmost row has 32 bits: 2^19 / 1024 columns = 512."""
    assert fits_quads4(0, -512, 511, 1023, weight=1)
    assert not fits_quads4(0, -512, 511, 1024, weight=1)
    assert not fits_quads4(0, -512, 511, 1023, weight=-2)


def test_two_weights_of_minus_128_have_no_halfword():
    form = pairs16.layout(1, ((0,),))
    assert form is not None
    matrix = np.full((4, 1, 1), -128)
    assert not pairs16.fits(form, packed.only(matrix))
    matrix[::2] = -127
    assert pairs16.fits(form, packed.only(matrix))
