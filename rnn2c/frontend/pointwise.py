"""Elementwise layers for both front ends: x * scale + offset, sums, products, functions.

They work wherever the features lie, so a network in [batch, features, time] needs no transposing.
A constant may differ from feature to feature and must be the same at every step.
"""

from __future__ import annotations

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.values import Constant, Value, quoted
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Format


def vector(builder: Builder, x: Value, where: str) -> str:
    """The one vector that x shows, in any layout."""
    name = builder.vector_of(x, where)
    if not builder.is_float(x):
        raise UnsupportedError(
            f"{where}: computes with integers; tokens can only be looked up, class indices shown"
        )
    return name


def affine(
    builder: Builder, stem: str, x: Value, scale: Constant, offset: Constant, where: str
) -> Value:
    """x * scale + offset for constants of any shape that broadcasts over the features only.

    Constants of more dimensions than x give the result as many more in front, of size 1.
    """
    rank = max(scale.ndim, offset.ndim)
    if rank > len(x.axes) and scale.size * offset.size > 1:
        x = builder.layout.unsqueeze(x, range(rank - len(x.axes)), where)
    factors, terms = (_per_feature(builder, x, c, where) for c in (scale, offset))
    name = builder.unique(stem, "affine")
    source = vector(builder, x, where)
    builder.add(graph.Affine(name=name, inputs=(source,), scale=factors, offset=terms))
    return Value((name,), x.axes)


def feature_axis(builder: Builder, x: Value) -> int | None:
    """Where the features of x lie, if it has any."""
    found = [k for k, a in enumerate(x.axes) if builder.axes.kind(a) == "feature"]
    return found[-1] if found else None


def _per_feature(builder: Builder, x: Value, constant: Constant, where: str) -> FloatArray:
    """The constant as one number per feature."""
    if constant.dtype == object or not np.issubdtype(constant.dtype, np.number):
        raise UnsupportedError(f"{where}: computes with a constant that is not a number")
    at = feature_axis(builder, x)
    size = 1 if at is None else x.axes[at].size or 0
    for k, extent in enumerate(reversed(constant.shape)):
        if extent != 1 and (at is None or k != len(x.axes) - 1 - at or extent != size):
            raise UnsupportedError(
                f"{where}: a constant of shape {list(constant.shape)} for {size} features; give one"
                " number, or one per feature"
            )
    builder.fold(size, where)
    values = np.broadcast_to(np.asarray(constant, np.float64).reshape(-1), (size,))
    return np.array(values)


def rounded(builder: Builder, stem: str, x: Value, form: Format, where: str) -> Value:
    """x in whole steps of a format, limited to its range."""
    name = builder.unique(stem, "rounded")
    source = vector(builder, x, where)
    builder.add(graph.Rounded(name=name, inputs=(source,), form=form))
    return Value((name,), x.axes)


def scaled_by(builder: Builder, x: Value, factor: Constant, where: str) -> Value:
    """x * factor; x itself for a factor of 1."""
    if np.all(factor == 1) and factor.size == 1:
        return x
    return affine(builder, "", x, factor, np.array(0.0), where)


def negated(builder: Builder, stem: str, x: Value, where: str) -> Value:
    """-x"""
    return affine(builder, stem, x, np.array(-1.0), np.array(0.0), where)


def reciprocal(divisor: Constant, where: str) -> FloatArray:
    """1 / divisor; raises Rnn2cError where it is zero."""
    values = np.asarray(divisor, np.float64)
    if not np.all(values):
        raise Rnn2cError(f"{where}: divides by zero")
    return np.asarray(1.0 / values)


def batch_norm(
    builder: Builder, stem: str, x: Value, scale: FloatArray, mean: FloatArray, where: str,
    bias: FloatArray,
) -> Value:  # fmt: skip
    """(x - mean) * scale + bias, one number per feature; the features must be axis 1."""
    at = feature_axis(builder, x)
    if at != 1 or len(x.axes) not in (2, 3):
        raise UnsupportedError(
            f"{where}: normalizes axis 1 of {len(x.axes)} dimensions, which must be the features:"
            " [batch, features] or [batch, features, time]; transpose before and after it"
        )
    size = x.axes[1].size
    for what, given in (("scale", scale), ("mean", mean), ("bias", bias)):
        if given.shape != (size,):
            raise Rnn2cError(f"{where}: {what} has shape {list(given.shape)}, expected [{size}]")
    shape = (1, -1) if len(x.axes) == 2 else (1, -1, 1)
    offset = bias - mean * scale
    return affine(builder, stem, x, scale.reshape(shape), offset.reshape(shape), where)


def spread(builder: Builder, a: Value, b: Value, where: str) -> tuple[Value, Value]:
    """a and b, one of them repeated along the features if it has only one."""
    found = []
    for x, other in ((a, b), (b, a)):
        at, to = feature_axis(builder, x), feature_axis(builder, other)
        if at is not None and to is not None and x.axes[at].size == 1:
            size = other.axes[to].size or 1
            same_place = len(x.axes) - at == len(other.axes) - to
            if size > 1 and same_place:
                x = builder.layout.take(x, at, [0] * size, where)
        found.append(x)
    return found[0], found[1]


def combined(builder: Builder, a: Value, b: Value, where: str) -> Value:
    """The layout of an elementwise result of a and b; raises UnsupportedError unless they agree."""
    long, short = (a, b) if len(a.axes) >= len(b.axes) else (b, a)
    extra = len(long.axes) - len(short.axes)
    for axis in long.axes[:extra]:
        if not builder.axes.is_unit(axis):
            raise UnsupportedError(
                f"{where}: combines data of {len(long.axes)} and {len(short.axes)} dimensions; both"
                " must be per step or both per sequence"
            )
        builder.axes.bind(axis, "unit", where)
    for one, other in zip(long.axes[extra:], short.axes, strict=True):
        builder.axes.align(one, other, where)
    return long


def sum_of(
    builder: Builder, stem: str, a: Value, b: Value, where: str, *, subtract: bool = False
) -> Value:
    """a + b, or a - b, of two computed values."""
    a, b = spread(builder, a, b, where)
    axes = combined(builder, a, b, where).axes
    inputs = (vector(builder, a, where), vector(builder, b, where))
    name = builder.unique(stem, "sum")
    builder.add(graph.Sum(name=name, inputs=inputs, subtract=subtract))
    return Value((name,), axes)


def function_of(
    builder: Builder, stem: str, x: Value, function: str, where: str,
    alpha: float = 0.0, beta: float = 0.0,
) -> Value:  # fmt: skip
    """An elementwise function of `ir.functions` with its parameters."""
    if not all(np.isfinite(v) for v in (alpha, beta)) and function != "clip":
        raise Rnn2cError(f"{where}: a parameter of {function} is not finite")
    source = vector(builder, x, where)
    name = builder.unique(stem, function)
    builder.add(
        graph.Activation(name=name, inputs=(source,), function=function, alpha=alpha, beta=beta)
    )
    return Value((name,), x.axes)


def clip(builder: Builder, stem: str, x: Value, lo: float, hi: float, where: str) -> Value:
    """x limited to [lo, hi], either of which may be infinite; relu where that is all it is."""
    if np.isnan(lo) or np.isnan(hi) or lo > hi or lo == np.inf or hi == -np.inf:
        raise Rnn2cError(f"{where}: limits to [{lo:g}, {hi:g}]; the least must be the smaller one")
    if (lo, hi) == (-np.inf, np.inf):
        return x
    if (lo, hi) == (0.0, np.inf):
        return function_of(builder, stem, x, "relu", where)
    return function_of(builder, stem, x, "clip", where, lo, hi)


def quotient_of(builder: Builder, stem: str, a: Value, b: Value, where: str) -> Value:
    """x / (1 + |x|), which exporters take apart; any other division by computed data is refused."""
    plus_one = builder.layer(b.parts[0])
    if (
        isinstance(plus_one, graph.Affine)
        and np.all(plus_one.scale == 1)
        and np.all(plus_one.offset == 1)
    ):
        size = builder.layer(plus_one.inputs[0])
        if is_magnitude(size) and size is not None and size.inputs == a.parts:
            return function_of(builder, stem, a, "softsign", where)
    raise UnsupportedError(
        f"{where}: divides by the computed tensor {quoted(b.parts[0])}; only constants can divide"
    )


def is_magnitude(layer: graph.Layer | None) -> bool:
    """Whether the layer computes |x|: a leaky relu of slope -1."""
    return isinstance(layer, graph.Activation) and (layer.function, layer.alpha) == (
        "leaky_relu",
        -1,
    )


def _gated_by_itself(builder: Builder, a: Value, b: Value) -> bool:
    """Whether b = sigmoid(a), so that a * b is one function, silu."""
    layer = builder.layer(b.parts[0])
    return (
        isinstance(layer, graph.Activation)
        and layer.function == "sigmoid"
        and layer.inputs == a.parts
    )


def product_of(builder: Builder, stem: str, a: Value, b: Value, where: str) -> Value:
    """a * b of two computed values; x * sigmoid(x) is one function."""
    for x, gate in ((a, b), (b, a)):
        if _gated_by_itself(builder, x, gate):
            return function_of(builder, stem, x, "silu", where)
    a, b = spread(builder, a, b, where)
    axes = combined(builder, a, b, where).axes
    inputs = (vector(builder, a, where), vector(builder, b, where))
    name = builder.unique(stem, "product")
    builder.add(graph.Product(name=name, inputs=inputs))
    return Value((name,), axes)
