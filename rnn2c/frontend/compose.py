"""Operators that are a few layers each, for all front ends: extremes, powers, functions with two
ends, reductions over the features, padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.pointwise import (
    affine,
    clip,
    feature_axis,
    function_of,
    negated,
    product_of,
    scaled_by,
    sum_of,
    vector,
)
from rnn2c.frontend.values import Constant, Value
from rnn2c.ir import graph
from rnn2c.ir.graph import Tensor

ZERO, ONE = np.zeros(()), np.ones(())
SELU = (1.6732632423543772, 1.0507009873554805)


def _scaled(builder: Builder, x: Value, factor: float, where: str) -> Value:
    return scaled_by(builder, x, np.array(factor), where)


def scaled_elu(
    builder: Builder, stem: str, x: Value, alpha: float, scale: float, where: str
) -> Value:
    """scale * elu(x): selu."""
    return _scaled(builder, function_of(builder, stem, x, "elu", where, alpha), scale, where)


def celu(builder: Builder, stem: str, x: Value, alpha: float, where: str) -> Value:
    """x above zero, alpha (e^(x / alpha) - 1) below."""
    if not alpha > 0:
        raise UnsupportedError(f"{where}: alpha is {alpha:g}; it must be positive")
    inner = _scaled(builder, x, 1 / alpha, where)
    return _scaled(builder, function_of(builder, stem, inner, "elu", where, 1.0), alpha, where)


def log_sigmoid(builder: Builder, stem: str, x: Value, where: str) -> Value:
    """-softplus(-x)"""
    below = function_of(builder, stem, negated(builder, "", x, where), "softplus", where, 1.0)
    return negated(builder, "", below, where)


def soft_shrink(builder: Builder, stem: str, x: Value, limit: float, where: str) -> Value:
    """x - x limited to [-limit, limit]"""
    middle = clip(builder, "", x, -limit, limit, where)
    return sum_of(builder, stem, x, middle, where, subtract=True)


def prelu(builder: Builder, stem: str, x: Value, slope: Constant, where: str) -> Value:
    """x above zero, slope * x below; slope: one number, or one for each feature."""
    if slope.size and np.all(slope == slope.flat[0]):
        return function_of(builder, stem, x, "leaky_relu", where, float(slope.flat[0]))
    above = function_of(builder, "", x, "relu", where)
    below = affine(builder, "", clip(builder, "", x, -np.inf, 0.0, where), slope, ZERO, where)
    return sum_of(builder, stem, above, below, where)


def gated(builder: Builder, stem: str, x: Value, at: int, where: str) -> Value:
    """The first half of the features times the sigmoid of the second  (glu)."""
    size = x.axes[at].size or 0
    if size % 2:
        raise UnsupportedError(f"{where}: halves {size} features")
    halves = (range(size // 2), range(size // 2, size))
    a, b = (builder.layout.take(x, at, half, where) for half in halves)
    gate = function_of(builder, "", b, "sigmoid", where)
    return product_of(builder, stem, a, gate, where)


def extreme_of(
    builder: Builder, stem: str, a: Value, b: Value | Constant, where: str, *, largest: bool
) -> Value:
    """The larger or the smaller of a and b, element by element."""
    sign = 1.0 if largest else -1.0
    if not isinstance(b, Value):
        if b.size == 1:
            limit = float(b.reshape(-1)[0])
            limits = (limit, np.inf) if largest else (-np.inf, limit)
            return clip(builder, stem, a, *limits, where)
        over = affine(builder, "", a, np.array(sign), -sign * b, where)
        rest = function_of(builder, "", over, "relu", where)
        return affine(builder, stem, rest, np.array(sign), b, where)
    pair = (a, b) if largest else (b, a)
    over = sum_of(builder, "", *pair, where, subtract=True)
    rest = function_of(builder, "", over, "relu", where)
    return sum_of(builder, stem, b, rest, where, subtract=not largest)


def chosen(
    builder: Builder, stem: str, condition: Constant, a: Value | Constant, b: Value | Constant,
    where: str,
) -> Value:  # fmt: skip
    """a where a constant condition holds, else b."""
    holds = np.asarray(condition, np.float64)
    parts: list[Value] = []
    offset: Constant = ZERO
    for operand, mask in ((a, holds), (b, 1.0 - holds)):
        if isinstance(operand, Value):
            parts.append(affine(builder, "", operand, mask, ZERO, where))
        else:
            offset = offset + np.where(mask != 0, np.asarray(operand, np.float64), 0.0)
    result = parts[0] if len(parts) == 1 else sum_of(builder, stem, parts[0], parts[1], where)
    return result if not np.any(offset) else affine(builder, stem, result, ONE, offset, where)


def power(builder: Builder, stem: str, x: Value, exponent: float, where: str) -> Value:
    """x to a whole power from 1 to 4, or its square root, which only a normalization can take."""
    if exponent in (0.5, -0.5, -1.0):
        names = {0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
        return builder.unfinished(stem, x, names[exponent], where)
    if exponent not in (1.0, 2.0, 3.0, 4.0):
        raise UnsupportedError(f"{where}: raises to {exponent:g}; powers 1 to 4 are supported")
    result = x
    for _ in range(int(exponent) - 1):
        result = product_of(builder, stem, result, x, where)
    return result


def over_features(
    builder: Builder, stem: str, x: Value, at: int, where: str, *, mean: bool, keep: bool
) -> Value:
    """The sum or the mean of all features, which lie along axis `at`."""
    source = builder.over_features(x, at, where)
    size = x.axes[at].size or 0
    weight = np.full((1, size), 1.0 / size if mean else 1.0)
    name = builder.unique(stem, "mean" if mean else "sum")
    builder.add(graph.Linear(name=name, inputs=(source,), weight=Tensor(weight), bias=np.zeros(1)))
    return _one_feature(builder, x, name, at, keep)


def extreme_feature(
    builder: Builder, stem: str, x: Value, function: Literal["max", "min"], at: int, keep: bool,
    where: str,
) -> Value:  # fmt: skip
    """The largest or the smallest feature, which lie along axis `at`."""
    source = builder.over_features(x, at, where)
    name = builder.unique(stem, function)
    builder.add(graph.Extreme(name=name, inputs=(source,), function=function))
    return _one_feature(builder, x, name, at, keep)


def _one_feature(builder: Builder, x: Value, name: str, at: int, keep: bool) -> Value:
    """x with one feature in place of axis `at`, or without the axis."""
    at %= len(x.axes)
    kept = (builder.axes.new("feature", 1),) if keep else ()
    return Value((name,), (*x.axes[:at], *kept, *x.axes[at + 1 :]))


def padded(
    builder: Builder, stem: str, x: Value, at: int, before: int, after: int, fill: float,
    where: str,
) -> Value:  # fmt: skip
    """`before` features in front of x and `after` behind it, all `fill`."""
    size = x.axes[at].size or 0
    if before < 0 or after < 0:
        kept = range(max(-before, 0), size - max(-after, 0))
        x = builder.layout.take(x, at, kept, where)
        return padded(builder, stem, x, at, max(before, 0), max(after, 0), fill, where)
    if before == after == 0:
        return x
    builder.fold(before + size + after, where)
    indices = [0] * before + list(range(size)) + [0] * after
    own = np.array([0.0] * before + [1.0] * size + [0.0] * after)
    shape = [-1 if k == at else 1 for k in range(len(x.axes))]
    wide = builder.layout.take(x, at, indices, where)
    offset = (1.0 - own) * fill
    return affine(builder, stem, wide, own.reshape(shape), offset.reshape(shape), where)


def tiled(builder: Builder, x: Value, repeats: Sequence[int], where: str) -> Value:
    """x repeated along its features; other axes only once."""
    if len(repeats) < len(x.axes):
        raise UnsupportedError(f"{where}: {len(repeats)} repeats for {len(x.axes)} dimensions")
    missing = len(repeats) - len(x.axes)
    x = builder.layout.unsqueeze(x, range(missing), where) if missing else x
    for at, times in enumerate(repeats):
        if times == 1:
            continue
        if at != feature_axis(builder, x) or times < 1:
            raise UnsupportedError(f"{where}: repeats axis {at}; only features can be repeated")
        indices = list(range(x.axes[at].size or 0)) * times
        x = builder.layout.take(x, at, indices, where)
    return x


def matrix_product(
    builder: Builder, stem: str, equation: str, x: Value, weight: Constant, where: str,
    *, swapped: bool,
) -> Value:  # fmt: skip
    """einsum where it is x times a constant matrix; swapped: the matrix comes first."""
    text = equation.replace(" ", "")
    left, _, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != 2 or not right or "." in text or weight.ndim != 2:
        raise UnsupportedError(f"{where}: equation '{equation[:40]}' is no plain matrix product")
    data, matrix = (terms[1], terms[0]) if swapped else (terms[0], terms[1])
    summed = data[-1:]
    new = matrix.replace(summed, "", 1)
    plain = len(set(data)) == len(data) == len(x.axes) and len(new) == 1 and new not in data
    if not plain or right != data[:-1] + new or len(matrix) != 2:
        raise UnsupportedError(f"{where}: equation '{equation[:40]}' is no plain matrix product")
    rows = weight if matrix.index(summed) == 1 else weight.T
    vector(builder, x, where)
    return builder.linear(stem, x, np.asarray(rows, np.float64), None, where)


def same_element(builder: Builder, x: Value, index: Constant, at: int, where: str) -> Value:
    """x at one index of an axis that is the same for all features; the axis stays, of size 1."""
    fits = index.ndim == len(x.axes) and index.size > 0 and index.shape[at] == 1
    others = zip(index.shape, x.axes, strict=False)
    whole = all(k == at or n == a.size or a.size is None for k, (n, a) in enumerate(others))
    if not fits or not whole or not np.all(index == index.flat[0]):
        raise UnsupportedError(f"{where}: picks different elements; one index can be picked")
    picked = builder.layout.select(x, at, int(index.flat[0]), where)
    return builder.layout.unsqueeze(picked, [at], where)
