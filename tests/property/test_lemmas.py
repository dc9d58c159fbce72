"""Each bound in ranges.LEMMAS, proven by exhaustion where the domain allows it."""

from __future__ import annotations

import numpy as np
import pytest
from primitive_cases import TABLES

from rnn2c import arith, arith_half, arith_norm, arith_tree
from rnn2c.errors import RangeError
from rnn2c.ranges import LEMMAS, Interval, bound

ALL_I16 = np.arange(-32768, 32768)
EDGES = np.unique(np.concatenate([
    [-32768, -32767, 32766, 32767],
    *([s * 2**k - 1, s * 2**k, s * 2**k + 1] for k in range(15) for s in (-1, 1)),
]))  # fmt: skip


def test_this_file_proves_every_lemma():
    known = {"lut", "lut_slope", "blend", "blend_u8", "mul_u8", "add_sat16", "add_square"}
    known |= {"lut_half", "lut_knots"}
    assert set(LEMMAS) == known


def test_mul_u8_lies_between_0_and_x_for_all_pairs():
    """2^24 pairs; also no partial result leaves 16 bits, and the result is the nearest."""
    for gate in range(256):
        low = (ALL_I16 & 255) * gate + 128
        assert low.max() < 2**16
        got = arith.mul_u8(gate, ALL_I16)
        assert np.all((np.minimum(ALL_I16, 0) <= got) & (got <= np.maximum(ALL_I16, 0)))
        assert np.array_equal(got, (2 * gate * ALL_I16 + 256) // 512)


def test_blend_u8_lies_between_n_and_h_for_all_differences():
    """2^24 pairs of gate and difference: the result moves with n, so one n stands for all."""
    for z in range(256):
        moved = arith.blend_u8(0, ALL_I16, z)
        assert np.all((np.minimum(ALL_I16, 0) <= moved) & (moved <= np.maximum(ALL_I16, 0)))
    n = EDGES[:, None] // 2
    h = EDGES[None, :] // 2
    for z in (0, 1, 127, 128, 254, 255):
        assert np.array_equal(arith.blend_u8(n, h, z) - n, arith.blend_u8(0, h - n, z))


def test_blend_lies_between_n_and_h():
    """moved = floor(z d / 2^15 + 1/2) with 0 <= z < 2^15: for d >= 0 it is below d + 1, since
    z d / 2^15 + 1/2 <= d - d / 2^15 + 1/2, and not below 0; for d < 0 it is at most floor(1/2) and
    at least d, since z d / 2^15 >= d.  Checked for every d with the gates at the boundaries, for
    every gate with d at the boundaries, and on a dense grid.
    """
    gates = np.unique(np.concatenate([EDGES[EDGES >= 0], np.arange(0, 32768, 1999)]))
    every = np.arange(-65535, 65536)
    few = np.unique(np.concatenate([EDGES, 2 * EDGES, [-65535, 65535]]))
    few = few[np.abs(few) < 2**16]
    for z, d in ((gates[:, None], every[None, :]), (np.arange(32768)[:, None], few[None, :])):
        n = -(d // 2)
        moved = arith.blend(n, n + d, z) - n
        assert np.all((np.minimum(d, 0) <= moved) & (moved <= np.maximum(d, 0)))


def test_blend_with_a_gate_that_may_be_negative_has_no_bound():
    with pytest.raises(RangeError, match="can be negative"):
        bound("blend", (Interval(-5, 5), Interval(-5, 5), Interval(-1, 100)))


def test_add_sat16_is_the_saturated_sum_on_all_boundaries():
    a, b = EDGES[:, None], EDGES[None, :]
    assert np.array_equal(arith.add_sat16(a, b), np.clip(a + b, -32768, 32767))
    for edge in EDGES:
        got = arith.add_sat16(ALL_I16, edge)
        assert np.array_equal(got, np.clip(ALL_I16 + edge, -32768, 32767))
        assert np.array_equal(got, arith.add_sat16(edge, ALL_I16))


def test_add_sat16_bound_is_attained():
    for lo_a, hi_a, lo_b, hi_b in ((-7, 9, -3, 4), (-32768, 32767, -1, 5), (30000, 32767, 9, 9999)):
        got = bound("add_sat16", (Interval(lo_a, hi_a), Interval(lo_b, hi_b)))
        assert got.lo == arith.add_sat16(lo_a, lo_b)
        assert got.hi == arith.add_sat16(hi_a, hi_b)


def intervals() -> list[tuple[int, int]]:
    rng = np.random.default_rng(5)
    ends = np.sort(rng.integers(-32768, 32768, (300, 2)), axis=1).tolist()
    return [(-32768, 32767), (-32768, -32768), (32767, 32767), (-1, 0), *map(tuple, ends)]


@pytest.mark.parametrize(
    ("primitive", "tables"),
    [
        ("lut", ("sigmoid_words",)),
        ("lut", ("tanh_words",)),
        ("lut_knots", ("sigmoid_knots",)),
        ("lut_knots", ("log_knots",)),
        ("lut_slope", ("tanh_q12", "tanh_q12_slope")),
    ],
)
def test_table_bounds_hold_for_all_x(primitive: str, tables: tuple[str, ...]):
    data = [TABLES[t] for t in tables]
    every = arith_tree.primitive(primitive)(*data, ALL_I16)
    for lo, hi in intervals():
        got = every[lo + 32768 : hi + 32769]
        proven = bound(primitive, (*data, Interval(lo, hi)))
        assert proven.lo <= got.min() <= got.max() <= proven.hi
    whole = bound(primitive, (*data, Interval(-32768, 32767)))
    assert whole == Interval(int(every.min()), int(every.max()))


@pytest.mark.parametrize(("name", "total"), [("sigmoid", 32767), ("tanh", 0)])
def test_bounds_of_a_half_table_hold_for_all_x(name: str, total: int):
    half = TABLES[f"{name}_half"]
    every = arith_half.lut_half(half, ALL_I16, total)
    for lo, hi in intervals():
        got = every[lo + 32768 : hi + 32769]
        proven = bound("lut_half", (half, Interval(lo, hi), Interval(total, total)))
        assert proven.lo <= got.min() <= got.max() <= proven.hi


def test_a_table_bound_of_whole_words_is_exact():
    """Not only sound: over whole words of 256 x each end is attained."""
    table = TABLES["tanh_words"]
    every = arith.lut(table, ALL_I16).reshape(256, 256)
    for k in range(256):
        lo = 256 * (k - 128)
        row = every[k]
        got = bound("lut", (table, Interval(lo, lo + 255)))
        assert got == Interval(int(row.min()), int(row.max()))


@pytest.mark.parametrize("shift", [0, 1, 6, 12])
def test_add_square_lies_between_the_total_and_the_largest_square(shift: int):
    rng = np.random.default_rng(shift)
    for reach in (1, 200, 32768):
        x = np.append(rng.integers(-reach, reach, 2000), [-reach, reach - 1, 0])
        total = rng.integers(-(2**20), 2**20, x.size)
        got = arith_norm.add_square(total, x, shift)
        spans = Interval(-(2**20), 2**20), Interval(-reach, reach - 1), Interval(shift, shift)
        proven = bound("add_square", spans)
        assert proven.lo <= got.min() <= got.max() <= proven.hi
        assert np.all(got >= total)
        assert arith_norm.add_square(2**20, -reach, shift) == proven.hi
