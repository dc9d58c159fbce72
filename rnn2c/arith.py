"""The integer semantics of rnn2c: every scalar operation, defined once (those of softmax and
pooling in arith_reduce.py, of a layer normalization in arith_norm.py, of tables stored small in
arith_half.py).

This source is read four ways: run as it stands on numpy int64 arrays (`interp.py`), parsed into
typed trees (`arith_tree.py`) and from there translated to C (`emit/arith_c.py`) and run on
intervals (`ranges.py`).  A function is a straight line of single assignments and one return.

The annotation of a statement is the width at which the whole statement is computed: its operands
are converted to it first, and `ranges.py` proves that no intermediate result leaves it.  So a
16-bit and a 32-bit `int` agree.  Allowed: + - * >> << & ^, // of what is proven not to be negative,
integer literals, names, table look-up, minimum, maximum, and calls of other primitives.  A left
shift has a literal 1 on its left.

Notation: Qm.n is a signed number with n fraction bits; gates of the profiles `accurate` and `fast`
are Q0.15 in [0, 32767], of profile `compact` unsigned Q0.8 in [0, 255].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

# Widths in C; int64 in numpy.  A table is passed whole: words (i32), shorts (i16), bytes (u8).
i8: TypeAlias = Any
u8: TypeAlias = Any
i16: TypeAlias = Any
u16: TypeAlias = Any
i32: TypeAlias = Any
u32: TypeAlias = Any
i64: TypeAlias = Any
words: TypeAlias = Any
shorts: TypeAlias = Any
octets: TypeAlias = Any
minimum: Callable[..., Any] = np.minimum
maximum: Callable[..., Any] = np.maximum


def clamp(x: i32, lo: i32, hi: i32) -> i32:
    """x limited to [lo, hi]."""
    raised: i32 = maximum(x, lo)
    return minimum(raised, hi)


def sat8(x: i32) -> i8:
    """x saturated to 8 bits."""
    raised: i32 = maximum(x, -128)
    return minimum(raised, 127)


def sat16(x: i32) -> i16:
    """x saturated to 16 bits."""
    raised: i32 = maximum(x, -32768)
    return minimum(raised, 32767)


def round_shift(x: i32, shift: u8) -> i32:
    """x / 2^shift, ties towards +infinity; 1 <= shift <= 30."""
    return (x + (1 << (shift - 1))) >> shift


def same(x: i32) -> i32:
    """x itself: a copy."""
    return x


def add(a: i32, b: i32) -> i32:
    """a + b, exact."""
    return a + b


def hold(new: i32, old: i32, on: i32) -> i32:
    """new where on is 1, old where it is 0; |new - old| <= 2^16."""
    reach: i32 = on * 65536
    most: i32 = minimum(new, old + reach)
    return maximum(most, old - reach)


def differs(a: i32, b: i32) -> i32:
    """1 where a and b differ, else 0."""
    up: i32 = a - b
    down: i32 = b - a
    apart: i32 = maximum(up, down)
    return clamp(apart, 0, 1)


def requantize(acc: i32, multiplier: u16, shift: u8) -> i32:
    """acc * multiplier / 2^shift, ties towards +infinity; |acc| < 2^23, 17 <= shift <= 24.

    The product has up to 39 bits; in two halves it needs no more than 32.
    """
    high: i32 = acc >> 8
    low: i32 = acc & 255
    carry: i32 = (low * multiplier + (1 << (shift - 1))) >> 8
    return (high * multiplier + carry) >> (shift - 8)


def requantize_wide(acc: i32, multiplier: u16, shift: u8) -> i32:
    """acc * multiplier / 2^shift, ties towards +infinity; 1 <= shift <= 46."""
    product: i64 = acc * multiplier + (1 << (shift - 1))
    scaled: i64 = product >> shift
    return scaled


def high_round(a: i32, b: i32) -> i32:
    """a * b / 2^32, ties towards +infinity: requantize with a multiplier shifted up beforehand."""
    product: i64 = a * b + 2147483648
    high: i64 = product >> 32
    return high


def narrow(acc: i64, shift: u8) -> i32:
    """acc / 2^shift, rounded down, of a 64-bit sum."""
    scaled: i64 = acc >> shift
    return scaled


def lut(table: words, x: i16) -> i16:
    """Interpolated look-up; a word holds a 16-bit base (high) and the slope to the next (low)."""
    word: i32 = table[(x >> 8) + 128]
    slope: i32 = ((word & 65535) ^ 32768) - 32768
    mixed: i32 = slope * (x & 255) + (word >> 8)
    return mixed >> 8


def look(table: shorts, x: i16, zero: i16) -> i16:
    """Direct look-up: the entry `zero` is that of x = 0."""
    return table[x + zero]


def mul_round(a: i16, b: i16, shift: u8) -> i32:
    """a * b / 2^shift, ties towards +infinity; |a * b| + 2^(shift - 1) < 2^31."""
    return (a * b + (1 << (shift - 1))) >> shift


def gated_sum(f: i16, c: i16, i: i16, g: i16, shift: u8) -> i16:
    """f * c + i * g for gates f, i and g in Q0.15; c has 15 - shift fraction bits; saturates."""
    kept: i32 = f * c
    added: i32 = (i * g) >> shift
    total: i32 = (kept + added + 16384) >> 15
    return sat16(total)


def blend(n: i16, h: i16, z: i16) -> i16:
    """n + z * (h - n) for a gate z in Q0.15: a value between n and h."""
    away: i32 = h - n
    moved: i32 = (z * away + 16384) >> 15
    blended: i32 = n + moved
    return blended


def shift_sat16(acc: i32, shift: u8) -> i16:
    """acc / 2^shift, rounded down, saturated to 16 bits (the rounding constant is in the bias)."""
    return sat16(acc >> shift)


def shift_sat(x: i32, shift: u8, bits: u8) -> i16:
    """x / 2^shift, rounded down, saturated to `bits` bits; 2 <= bits <= 16."""
    scaled: i32 = x >> shift
    limit: i32 = 1 << (bits - 1)
    raised: i32 = maximum(scaled, -limit)
    return minimum(raised, limit - 1)


def shift16(acc: i16, shift: u8) -> i16:
    """acc / 2^shift, rounded down, of a sum proven to fit 16 bits."""
    return acc >> shift


def grow_sat16(acc: i32, shift: u8) -> i16:
    """acc * 2^shift saturated to the multiples of 2^shift in 16 bits; 1 <= shift <= 14."""
    limit: i32 = 32768 >> shift
    raised: i32 = maximum(acc, -limit)
    limited: i32 = minimum(raised, limit - 1)
    return limited * (1 << shift)


def lut_u8(table: octets, x: i16) -> u8:
    """Direct look-up by the high byte of x; entry 0 is x in [0, 255], entry 128 is -32768."""
    return table[(x >> 8) & 255]


def lut_slope(base: shorts, slope: octets, x: i16) -> i16:
    """Interpolated look-up by the high byte of x: base + slope * low byte / 256."""
    low: u16 = slope[(x >> 8) & 255] * (x & 255)
    rise: i16 = low >> 8
    return base[(x >> 8) & 255] + rise


def mul_u8(gate: u8, x: i16) -> i16:
    """gate * x / 256 to the nearest, in 16-bit parts: |result| <= |x|."""
    low: u16 = (x & 255) * gate + 128
    carry: i16 = low >> 8
    return (x >> 8) * gate + carry


def add_sat16(a: i16, b: i16) -> i16:
    """a + b saturated to 16 bits, without leaving 16 bits on the way."""
    least: i16 = -32768 - minimum(a, 0)
    most: i16 = 32767 - maximum(a, 0)
    raised: i16 = maximum(b, least)
    limited: i16 = minimum(raised, most)
    return a + limited


def blend_u8(n: i16, h: i16, z: u8) -> i16:
    """n + z * (h - n) for a gate z in Q0.8: a value between n and h; |h - n| < 2^15."""
    away: i16 = h - n
    moved: i16 = mul_u8(z, away)
    return n + moved


def times(x: i16, factor: i16) -> i16:
    """x * factor, exact."""
    return x * factor


def round_sat8(x: i16, shift: u8) -> i8:
    """x / 2^shift, ties towards +infinity, saturated to 8 bits; |x| < 2^15 - 2^(shift - 1)."""
    scaled: i16 = (x + (1 << (shift - 1))) >> shift
    raised: i16 = maximum(scaled, -128)
    return minimum(raised, 127)


def affine(raw: i16, multiplier: i16, offset: i32, shift: u8) -> i32:
    """(raw * multiplier + offset) / 2^shift, rounded down; offset carries the rounding constant."""
    return (raw * multiplier + offset) >> shift


def subtract(a: i32, b: i32) -> i32:
    """a - b, exact."""
    return a - b


def at_least(x: i16, least: i32, otherwise: i16) -> i16:
    """x if it is at least `least`, else `otherwise`; |least| <= 2^15."""
    raised: i32 = maximum(x, least)
    below: i32 = minimum(maximum(least - x, 0), 1)
    return sat16(raised + below * (otherwise - least))


def less_times(acc: i32, total: i32, zero: i16) -> i32:
    """acc - total * zero, exact: a sum over weights that have a zero point."""
    return acc - total * zero


def nibble(pair: u8, odd: u8) -> i8:
    """The 4-bit number in the low half of a byte, or in the high half if odd is 1."""
    half: u8 = (pair >> (odd * 4)) & 15
    raised: i16 = half ^ 8
    return raised - 8


PRIMITIVES: tuple[Callable[..., Any], ...] = (
    clamp,
    sat8,
    sat16,
    round_shift,
    same,
    add,
    hold,
    differs,
    requantize,
    requantize_wide,
    high_round,
    narrow,
    lut,
    look,
    mul_round,
    gated_sum,
    blend,
    shift_sat16,
    shift_sat,
    shift16,
    grow_sat16,
    lut_u8,
    lut_slope,
    mul_u8,
    add_sat16,
    blend_u8,
    times,
    round_sat8,
    affine,
    subtract,
    at_least,
    less_times,
    nibble,
)
"""Callees before callers."""
