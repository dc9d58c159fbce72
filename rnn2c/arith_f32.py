"""The float32 operations of rnn2c: what `arith.py` is for integers, for parts with an FPU
(more activation functions in arith_f32_functions.py).

Read the same ways: run on numpy float32 arrays (`interp.py`) and translated to C
(`emit/arith_c.py`), in the same subset of Python.  A statement of type f32 is computed in single
precision, operation by operation: no double, no fused multiply-add.  Beside + - * allowed: / and
the functions of LIBRARY in `arith_tree.py`, each call a statement of its own.  Those of C's libm
differ in their last bits: results are compared by tolerance, and ranges are not proven.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

f32: TypeAlias = Any
i16: TypeAlias = Any
u16: TypeAlias = Any
minimum: Callable[..., Any] = np.minimum
maximum: Callable[..., Any] = np.maximum


def exp(x: Any) -> Any:
    """expf(x), from a result in double."""
    return np.exp(np.asarray(x, np.float64)).astype(np.float32)


def log(x: Any) -> Any:
    """logf(x), from a result in double."""
    return np.log(np.asarray(x, np.float64)).astype(np.float32)


def sqrt(x: Any) -> Any:
    """sqrtf(x), which is exact to the last bit."""
    return np.sqrt(np.asarray(x, np.float32))


def tanh(x: Any) -> Any:
    """tanhf(x), from a result in double."""
    return np.tanh(np.asarray(x, np.float64)).astype(np.float32)


def same_f32(x: f32) -> f32:
    """x itself: a copy."""
    return x


def add_f32(a: f32, b: f32) -> f32:
    """a + b"""
    return a + b


def mul_f32(a: f32, b: f32) -> f32:
    """a * b"""
    return a * b


def hold_f32(new: f32, old: f32, on: f32) -> f32:
    """new where on is 1, old where it is 0; both below 2^126."""
    reach: f32 = on * 1.7e38
    most: f32 = minimum(new, old + reach)
    return maximum(most, old - reach)


def differs_f32(a: f32, b: f32) -> f32:
    """1 where a and b differ, else 0."""
    apart: f32 = minimum(maximum(a - b, b - a), 1.0)
    grown: f32 = minimum(apart * 1.0e38, 1.0)
    return minimum(grown * 1.0e38, 1.0)


def other_f32(token: u16, masked: f32) -> f32:
    """1 where a token is not `masked`, a whole number, else 0."""
    return minimum(maximum(token - masked, masked - token), 1.0)


def relu_f32(x: f32) -> f32:
    """max(x, 0)"""
    return maximum(x, 0.0)


def sigmoid_f32(x: f32) -> f32:
    """1 / (1 + e^-x); x below -80 counts as -80, so that e^-x stays finite."""
    limited: f32 = maximum(x, -80.0)
    power: f32 = exp(-limited)
    return 1.0 / (1.0 + power)


def tanh_f32(x: f32) -> f32:
    """tanh(x)"""
    return tanh(x)


def gated_sum_f32(f: f32, c: f32, i: f32, g: f32) -> f32:
    """f * c + i * g"""
    kept: f32 = f * c
    added: f32 = i * g
    return kept + added


def reset_f32(nx: f32, r: f32, nh: f32) -> f32:
    """nx + r * nh"""
    kept: f32 = r * nh
    return nx + kept


def blend_f32(n: f32, h: f32, z: f32) -> f32:
    """n + z * (h - n)"""
    moved: f32 = z * (h - n)
    return n + moved


def largest_f32(a: f32, b: f32) -> f32:
    """The larger of two."""
    return maximum(a, b)


def smallest_f32(a: f32, b: f32) -> f32:
    """The smaller of two."""
    return minimum(a, b)


def exp_below_f32(x: f32, top: f32) -> f32:
    """e^(x - top) for x <= top; a difference beyond -80 counts as -80: no number is denormal."""
    distance: f32 = x - top
    limited: f32 = maximum(distance, -80.0)
    return exp(limited)


def share_f32(part: f32, total: f32) -> f32:
    """part / total: one probability of a softmax."""
    return part / total


def affine_f32(raw: i16, offset: f32, scale: f32) -> f32:
    """(raw - offset) * scale: a sensor count as an input of the model."""
    return (raw - offset) * scale


def subtract_f32(a: f32, b: f32) -> f32:
    """a - b"""
    return a - b


def steps_f32(x: f32, scale: f32, lowest: f32, highest: f32) -> f32:
    """x in whole steps of scale, lowest to highest of them; |lowest|, |highest| < 2^22.

    Adding 1.5 * 2^23 leaves no room for a fraction, which is rounded with ties to even.
    """
    steps: f32 = x / scale
    raised: f32 = maximum(steps, lowest)
    limited: f32 = minimum(raised, highest)
    whole: f32 = limited + 12582912.0
    nearest: f32 = whole - 12582912.0
    return nearest * scale


def scale_f32(x: f32, scale: f32, offset: f32) -> f32:
    """x * scale + offset"""
    scaled: f32 = x * scale
    return scaled + offset


def log_below_f32(x: f32, top: f32, total: f32) -> f32:
    """x - top - log(total): one log probability of a softmax."""
    share: f32 = log(total)
    distance: f32 = x - top
    return distance - share


def add_square_f32(total: f32, x: f32) -> f32:
    """total + x * x"""
    square: f32 = x * x
    return total + square


def deviation_f32(total: f32, count: f32, epsilon: f32) -> f32:
    """sqrt(total / count + epsilon), never 0"""
    variance: f32 = total / count
    spread: f32 = maximum(variance + epsilon, 1e-37)
    return sqrt(spread)


def normal_f32(away: f32, deviation: f32, gain: f32, bias: f32) -> f32:
    """away / deviation * gain + bias"""
    normal: f32 = away / deviation
    scaled: f32 = normal * gain
    return scaled + bias


PRIMITIVES: tuple[Callable[..., Any], ...] = (
    same_f32,
    add_f32,
    mul_f32,
    hold_f32,
    differs_f32,
    other_f32,
    relu_f32,
    sigmoid_f32,
    tanh_f32,
    gated_sum_f32,
    reset_f32,
    blend_f32,
    largest_f32,
    smallest_f32,
    exp_below_f32,
    share_f32,
    affine_f32,
    subtract_f32,
    steps_f32,
    scale_f32,
    log_below_f32,
    add_square_f32,
    deviation_f32,
    normal_f32,
)
"""Callees before callers."""
