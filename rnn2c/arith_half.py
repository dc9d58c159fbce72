"""The integer semantics of look-ups in tables stored small, by the rules of arith.py.

A knot is the value at an end of a step.  A function with f(-x) = total - f(x) needs only those
from 0 on; the knot of 0 itself is rounded up where that total is odd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnn2c.arith import hold, i16, i32, maximum, minimum, shorts


def lut_knots(knots: shorts, x: i16) -> i16:
    """lut from the 257 knots of its words."""
    base: i32 = knots[(x >> 8) + 128]
    slope: i32 = knots[(x >> 8) + 129] - base
    mixed: i32 = slope * (x & 255) + base * 256 + ((slope & 65535) >> 8)
    return mixed >> 8


def lut_half(knots: shorts, x: i16, total: i16) -> i16:
    """lut from the 129 knots of x >= 0 of a function that rises, with f(-x) = total - f(x)."""
    away: i16 = maximum(maximum(x, -1 - x), 0)
    near: i16 = knots[away >> 8]
    far: i16 = knots[(away >> 8) + 1]
    below: i16 = (x >> 15) & 1
    first: i16 = 1 - minimum(away >> 8, 1)
    base: i32 = hold(total - far, near, below)
    slope: i32 = far - near + minimum(minimum(below, first), total & 1)
    mixed: i32 = slope * (x & 255) + base * 256 + (slope >> 8)
    return mixed >> 8


def look_half(table: shorts, x: i16, total: i16) -> i16:
    """look in the entries of x >= 0 of a function with f(-x) = total - f(x)."""
    away: i16 = maximum(maximum(x, 0 - x), 0)
    entry: i16 = table[away]
    below: i16 = (x >> 15) & 1
    return hold(total - entry, entry, below)


PRIMITIVES: tuple[Callable[..., Any], ...] = (
    lut_knots,
    lut_half,
    look_half,
)
"""Callees before callers."""
