"""The integer semantics of a softmax and of pooling, by the rules of arith.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnn2c.arith import clamp, i16, i32, maximum, minimum, shorts, u8, u16, words


def exp2_down(table: words, x: i32) -> i32:
    """2^-(x / 4096) in Q0.15, x limited to 0 .. 69631; table holds 2^-(k / 256) as in `lut`."""
    limited: i32 = clamp(x, 0, 69631)
    word: i32 = table[(limited >> 4) & 255]
    slope: i32 = ((word & 65535) ^ 32768) - 32768
    mixed: i32 = (slope * ((limited & 15) * 16) + (word >> 8)) >> 8
    mantissa: i32 = clamp(mixed, 0, 32767)
    octave: i32 = limited >> 12
    rounded: i32 = (mantissa + ((1 << octave) >> 1)) >> octave
    return minimum(rounded, 32767)


def largest(a: i32, b: i32) -> i32:
    """The larger of two."""
    return maximum(a, b)


def smallest(a: i32, b: i32) -> i32:
    """The smaller of two."""
    return minimum(a, b)


def excess_bit(total: i32) -> u8:
    """1 if total >= 2^15, else 0; 0 <= total < 2^31."""
    return minimum(total >> 15, 1)


def shift_down(x: i32, shift: u8) -> i32:
    """x / 2^shift, rounded down."""
    return x >> shift


def divide(total: i32, count: u16) -> i32:
    """total / count to the nearest, ties up; total >= 0, a count of 0 counts as 1."""
    least: i32 = maximum(count, 1)
    return (total + (least >> 1)) // least


def reciprocal(x: i32, guesses: shorts) -> i32:
    """2^29 / x to within 2.5 for x in [2^14, 2^15): a first guess and one Newton step.

    The step ends 0 to 2 too low; the 1 is half of that.
    """
    guess: i32 = guesses[(x >> 8) - 64]
    error: i32 = ((1 << 29) - x * guess + 8192) >> 14
    refined: i32 = guess + 1 + ((guess * error + 16384) >> 15)
    return clamp(refined, 16384, 32768)


def share(part: i32, inverse: i32, shift: u8) -> i16:
    """part * inverse / 2^shift to the nearest, as Q0.15: one probability of a softmax."""
    scaled: i32 = (part * inverse + (1 << (shift - 1))) >> shift
    return minimum(scaled, 32767)


PRIMITIVES: tuple[Callable[..., Any], ...] = (
    exp2_down,
    largest,
    smallest,
    excess_bit,
    shift_down,
    divide,
    reciprocal,
    share,
)
"""Callees before callers."""
