"""More activation functions in float32, by the rules of arith_f32.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnn2c.arith_f32 import exp, f32, log, maximum, minimum, scale_f32, sigmoid_f32, tanh


def linear_f32(x: f32, alpha: f32, beta: f32) -> f32:
    """alpha * x + beta"""
    return scale_f32(x, alpha, beta)


def clip_f32(x: f32, lo: f32, hi: f32) -> f32:
    """x limited to [lo, hi]."""
    raised: f32 = maximum(x, lo)
    return minimum(raised, hi)


def leaky_relu_f32(x: f32, alpha: f32) -> f32:
    """x above zero, alpha * x below."""
    below: f32 = alpha * minimum(x, 0.0)
    return maximum(x, 0.0) + below


def thresholded_relu_f32(x: f32, alpha: f32) -> f32:
    """x above alpha, else 0."""
    distance: f32 = clip_f32(x - alpha, -1.0, 1.0)
    above: f32 = clip_f32(distance * 1e30, 0.0, 1.0)
    return x * above


def hard_sigmoid_f32(x: f32, alpha: f32, beta: f32) -> f32:
    """alpha * x + beta limited to [0, 1]."""
    line: f32 = linear_f32(x, alpha, beta)
    return clip_f32(line, 0.0, 1.0)


def elu_f32(x: f32, alpha: f32) -> f32:
    """x above zero, alpha * (e^x - 1) below."""
    below: f32 = clip_f32(x, -80.0, 0.0)
    power: f32 = exp(below)
    return maximum(x, 0.0) + alpha * (power - 1.0)


def erf_f32(x: f32) -> f32:
    """The error function to within 5e-7: Abramowitz and Stegun, 7.1.26."""
    limited: f32 = clip_f32(x, -6.0, 6.0)
    sign: f32 = clip_f32(limited * 1e30, -1.0, 1.0)
    size: f32 = limited * sign
    t: f32 = 1.0 / (1.0 + 0.3275911 * size)
    high: f32 = (1.061405429 * t - 1.453152027) * t + 1.421413741
    low: f32 = ((high * t - 0.284496736) * t + 0.254829592) * t
    square: f32 = size * size
    power: f32 = exp(-square)
    return sign * (1.0 - low * power)


def gelu_f32(x: f32) -> f32:
    """x / 2 * (1 + erf(x / sqrt(2)))"""
    root: f32 = x * 0.70710678
    share: f32 = erf_f32(root)
    return (0.5 * x) * (1.0 + share)


def gelu_tanh_f32(x: f32) -> f32:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))"""
    limited: f32 = clip_f32(x, -20.0, 20.0)
    cube: f32 = (limited * limited) * limited
    inner: f32 = 0.79788456 * (limited + 0.044715 * cube)
    share: f32 = tanh(inner)
    return (0.5 * x) * (1.0 + share)


def hard_swish_f32(x: f32) -> f32:
    """x * (x / 6 + 1 / 2 limited to [0, 1])"""
    gate: f32 = clip_f32(x / 6.0 + 0.5, 0.0, 1.0)
    return x * gate


def scaled_tanh_f32(x: f32, alpha: f32, beta: f32) -> f32:
    """alpha * tanh(beta * x)"""
    inner: f32 = beta * x
    squashed: f32 = tanh(inner)
    return alpha * squashed


def complement_f32(x: f32) -> f32:
    """1 - x"""
    return 1.0 - x


def silu_f32(x: f32) -> f32:
    """x * sigmoid(x)"""
    gate: f32 = sigmoid_f32(x)
    return x * gate


def mish_f32(x: f32) -> f32:
    """x * tanh(log(1 + e^x)), which is x * n / (n + 2) for n = e^x (e^x + 2)"""
    limited: f32 = clip_f32(x, -80.0, 20.0)
    power: f32 = exp(limited)
    n: f32 = power * (power + 2.0)
    gate: f32 = n / (n + 2.0)
    return x * gate


def softplus_f32(x: f32, alpha: f32) -> f32:
    """log(1 + e^(alpha x)) / alpha"""
    scaled: f32 = alpha * x
    size: f32 = maximum(scaled, -scaled)
    limited: f32 = minimum(size, 80.0)
    power: f32 = exp(-limited)
    above: f32 = maximum(scaled, 0.0)
    rest: f32 = log(1.0 + power)
    return (above + rest) / alpha


def softsign_f32(x: f32) -> f32:
    """x / (1 + |x|)"""
    size: f32 = maximum(x, -x)
    return x / (1.0 + size)


PRIMITIVES: tuple[Callable[..., Any], ...] = (
    linear_f32,
    clip_f32,
    leaky_relu_f32,
    thresholded_relu_f32,
    hard_sigmoid_f32,
    elu_f32,
    erf_f32,
    gelu_f32,
    gelu_tanh_f32,
    hard_swish_f32,
    scaled_tanh_f32,
    complement_f32,
    silu_f32,
    mish_f32,
    softplus_f32,
    softsign_f32,
)
"""Callees before callers."""
