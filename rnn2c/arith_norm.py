"""The integer semantics of a layer normalization, by the rules of arith.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnn2c.arith import clamp, i16, i32, i64, maximum, minimum, sat16, shorts, u8, u32


def remainder(total: i32, factor: i32, part: i32, count: i32) -> i32:
    """total * factor - part * count: what a rounded quotient leaves."""
    return total * factor - part * count


def half_log2(x: i32) -> u8:
    """The largest g with 4^g <= x; x >= 1."""
    by16: i32 = minimum(x >> 16, 1)
    x16: i32 = x >> (by16 * 16)
    by8: i32 = minimum(x16 >> 8, 1)
    x8: i32 = x16 >> (by8 * 8)
    by4: i32 = minimum(x8 >> 4, 1)
    x4: i32 = x8 >> (by4 * 4)
    by2: i32 = minimum(x4 >> 2, 1)
    return by16 * 8 + by8 * 4 + by4 * 2 + by2


def scaled16(x: i32, down: u8, up: u8) -> i16:
    """x / 2^down to the nearest, saturated, times 2^up, saturated again; up <= 14."""
    shorter: i32 = (x + ((1 << down) >> 1)) >> down
    limited: i32 = clamp(shorter, -32768, 32767)
    grown: i32 = limited * (1 << up)
    return sat16(grown)


def add_square(total: i32, x: i16, shift: u8) -> i32:
    """total + x * x / 2^shift, the square rounded to the nearest."""
    square: i32 = (x * x + ((1 << shift) >> 1)) >> shift
    return total + square


def root_step(guess: i32, x: i32) -> i32:
    """One Newton step towards 2^22 / sqrt(x), for 2^14 <= x < 2^16 and a guess within 3 %."""
    square: u32 = (guess * guess + 8192) >> 14
    limited: u32 = minimum(square, 65535)
    product: u32 = (limited * x + 16384) >> 15
    away: i32 = 32768 - product
    error: i32 = clamp(away, -4096, 4096)
    refined: i32 = guess + ((guess * error + 32768) >> 16)
    return clamp(refined, 16384, 32767)


def inverse_root(x: i32, half: u8, guesses: shorts) -> i16:
    """2^(15 + half) / sqrt(x) to within 2, at most 32767; half is half_log2(x), x >= 1."""
    wide: i64 = (x * (1 << (30 - 2 * half))) >> 16
    raised: i64 = maximum(wide, 16384)
    scaled: i32 = minimum(raised, 65535)
    guess: i32 = guesses[(scaled >> 10) - 16]
    better: i32 = root_step(guess, scaled)
    best: i32 = root_step(better, scaled)
    return best


PRIMITIVES: tuple[Callable[..., Any], ...] = (
    remainder,
    half_log2,
    scaled16,
    add_square,
    root_step,
    inverse_root,
)
"""Callees before callers."""
