"""The look-up tables of lut.py against the functions they hold."""

from __future__ import annotations

import numpy as np
import pytest
from primitive_cases import TABLES

from rnn2c import arith, arith_half, arith_norm, lut

X = np.arange(-32768, 32768)
REAL = X / 4096.0


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_interpolated_sigmoid_is_within_3_units_of_q15():
    got = arith.lut(TABLES["sigmoid_words"], X)
    assert np.abs(got - 32767 * sigmoid(REAL)).max() < 3
    assert np.all(np.diff(got) >= 0)
    assert (got.min(), got.max()) == (11, 32755)


def test_interpolated_tanh_is_within_14_units_of_q15():
    got = arith.lut(TABLES["tanh_words"], X)
    assert np.abs(got - 32767 * np.tanh(REAL)).max() < 14
    assert np.all(np.diff(got) >= 0)
    assert np.abs(got).max() <= 32767
    assert arith.lut(TABLES["tanh_words"], 0) == 0


def direct(name: str, fraction: int) -> np.ndarray:
    """The look-up of profile fast for every Q3.12, half a step added before the shift."""
    table = lut.DIRECT[name]
    down = 12 - fraction
    index = arith.shift_sat(X + 2 ** (down - 1), down, table.bits)
    return arith.look(TABLES[f"{name}_direct"], index, table.zero)


@pytest.mark.parametrize(
    ("name", "fraction", "function", "steepest", "beyond"),
    [("sigmoid", 5, sigmoid, 0.25, 20), ("tanh", 6, np.tanh, 1.0, 30)],
)
def test_direct_look_ups_are_off_by_half_a_step_at_most(
    name: str, fraction: int, function, steepest: float, beyond: int
):
    """That is steepest / 2^(fraction + 1); and by so many units of Q0.15 where they saturate."""
    got, exact = direct(name, fraction), 32767 * function(REAL)
    assert np.abs(got - exact).max() <= 32768 * steepest / 2 ** (fraction + 1) + 1
    ends = np.abs(REAL) > 7.9 if name == "sigmoid" else np.abs(REAL) > 3.98
    assert np.abs(got - exact)[ends].max() <= beyond
    assert np.all(np.diff(got) >= 0)
    assert len(np.unique(got)) > 250
    assert direct(name, fraction)[32768] == round(32767 * function(0.0))


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_tables_stored_small_give_the_same_bits_for_every_x(name: str):
    words = TABLES[f"{name}_words"]
    knots = lut.knots_of(words)
    assert knots is not None
    small = lut.half_of(knots)
    assert small is not None
    half, total = small
    wanted = arith.lut(words, X)
    assert np.array_equal(arith_half.lut_knots(knots, X), wanted)
    assert np.array_equal(arith_half.lut_half(half, X, total), wanted)
    assert (words.size, knots.size, half.size) == (256, 257, 129)
    assert np.array_equal(lut.mirrored(half, total)[129:], knots[129:])


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_direct_tables_stored_small_give_the_same_bits_for_every_index(name: str):
    entries, index = TABLES[f"{name}_direct"], np.arange(-256, 256)
    small = lut.half_of(entries[1:])
    assert small is not None
    half, total = small
    got = arith_half.look_half(np.append(half, total - entries[0]), index, total)
    assert np.array_equal(got, entries[index + 256])


def test_what_has_no_mirror_image_or_no_knots_stays_as_it_is():
    knots = lut.knots_of(TABLES["tanh_words"])
    assert knots is not None
    for place, change in ((0, 1), (64, 1), (128, 1), (200, -1)):
        other = knots.copy()
        other[place] += change
        assert lut.half_of(other) is None
    assert lut.half_of(-knots) is None  # it falls
    jumps = TABLES["sigmoid_words"].copy()
    jumps[7] += 65536
    assert lut.knots_of(jumps) is None
    assert lut.half_of(lut.knots_of(lut.log_words())) is None


@pytest.mark.parametrize(("name", "total"), [("sigmoid", 32767), ("tanh", 0)])
def test_direct_tables_are_symmetric(name: str, total: int):
    entries = TABLES[f"{name}_direct"][1:]
    assert np.abs(entries + entries[::-1] - total).max() <= 1


@pytest.mark.parametrize(("name", "total"), [("sigmoid_words", 32767), ("tanh_words", 0)])
def test_interpolated_tables_are_symmetric_to_a_unit(name: str, total: int):
    got = arith.lut(TABLES[name], X[1:])
    assert np.abs(got + got[::-1] - total).max() <= 1


def test_direct_sigmoid_is_within_2_of_256_and_symmetric():
    got = arith.lut_u8(TABLES["sigmoid_octets"], X)
    assert np.abs(got - 256 * sigmoid(REAL)).max() < 2.51
    assert np.all(np.diff(got) >= 0)
    assert got.max() <= 255
    middle = (got > 0) & (got < 255)
    assert np.all((got + got[::-1])[middle & middle[::-1]] == 256)


def test_short_tanh_is_within_3_units_of_q12():
    got = arith.lut_slope(TABLES["tanh_q12"], TABLES["tanh_q12_slope"], X)
    assert np.abs(got - 4096 * np.tanh(REAL)).max() < 3
    assert np.all(np.diff(got) >= 0)
    assert np.abs(got).max() <= 4095
    assert np.abs(got[1:] + got[1:][::-1]).max() <= 2
    assert arith.lut_slope(TABLES["tanh_q12"], TABLES["tanh_q12_slope"], 0) == 0


@pytest.mark.parametrize(
    ("name", "size", "lo", "hi"),
    [
        ("sigmoid_words", 256, -(2**31), 2**31 - 1),
        ("tanh_words", 256, -(2**31), 2**31 - 1),
        ("exp2_words", 256, -(2**31), 2**31 - 1),
        ("sigmoid_direct", 512, 0, 32767),
        ("tanh_direct", 512, -32767, 32767),
        ("sigmoid_octets", 256, 0, 255),
        ("tanh_q12", 256, -4095, 4095),
        ("tanh_q12_slope", 256, 0, 255),
        ("reciprocal_guesses", 64, 16384, 32767),
        ("root_guesses", 48, 16384, 32767),
    ],
)
def test_entries_fit_their_types(name: str, size: int, lo: int, hi: int):
    table = TABLES[name]
    assert table.shape == (size,)
    assert table.dtype == np.int64
    assert lo <= table.min() <= table.max() <= hi


def test_words_hold_the_knots_and_their_differences():
    knots = np.array([-32768, -1, 0, 32767, 5])
    words = lut.pack_words(knots[1:])
    assert (words >> 16).tolist() == [-1, 0, 32767]
    assert (((words & 65535) ^ 32768) - 32768).tolist() == [1, 32767, 5 - 32767]


def test_half_log2_and_inverse_root_over_all_magnitudes():
    rng = np.random.default_rng(3)
    powers = 2 ** np.arange(31)
    x = np.concatenate([np.arange(1, 70000), rng.integers(1, 2**31 - 1, 200000), powers])
    half = arith_norm.half_log2(x)
    assert np.all((4**half <= x) & (x < 4 ** (half + 1)))
    exact = np.minimum(2.0 ** (15 + half) / np.sqrt(x), 32767)
    assert np.abs(arith_norm.inverse_root(x, half, TABLES["root_guesses"]) - exact).max() <= 2


def test_the_logarithm_of_a_sum_is_within_a_unit_of_q15():
    t = np.arange(32768, 65536)
    got = arith.lut(lut.log_words(), 2 * (t - 49152))
    assert np.abs(got - 2**15 * np.log(t / 2**15)).max() < 1.6
