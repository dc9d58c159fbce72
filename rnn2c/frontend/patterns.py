"""Functions that exporters and people take apart, put together again while they are imported.

Square roots, logarithms, exponentials and reciprocals exist only on the way: what is left of them
at the end of an import is refused with the place it came from.
"""

from __future__ import annotations

import numpy as np

from rnn2c.frontend.builder import Builder
from rnn2c.frontend.compose import log_sigmoid
from rnn2c.frontend.normalize import layer_norm
from rnn2c.frontend.pointwise import clip, feature_axis, function_of, product_of, quotient_of
from rnn2c.frontend.values import Operand, Value
from rnn2c.ir import graph

LEAST_THRESHOLD = 15.0
"""softplus(x) and x differ by less than 4e-7 beyond."""

DEPTH = 6
"""How far two ways to compute a value are compared."""


def logarithm(builder: Builder, stem: str, x: Value, where: str) -> Value:
    """log of a softmax, of a sigmoid or of 1 + e^x."""
    layer = builder.layer(x.parts[0])
    match layer:
        case graph.Softmax():
            source = Value(layer.inputs, x.axes)
            return builder.softmax(stem, source, feature_axis(builder, x) or 0, where, log=True)
        case graph.Activation(function="sigmoid"):
            return log_sigmoid(builder, stem, Value(layer.inputs, x.axes), where)
    inner = _one_plus(builder, x.parts[0])
    if isinstance(inner, graph.Activation) and inner.function == "exp":
        source = Value(inner.inputs, x.axes)
        return function_of(builder, stem, source, "softplus", where, 1.0)
    return builder.unfinished(stem, x, "log", where)


def reciprocal(builder: Builder, stem: str, x: Value, where: str) -> Value:
    """1 / x of a square root, or of 1 + e^-x."""
    layer = builder.layer(x.parts[0])
    if isinstance(layer, graph.Activation) and layer.function == "sqrt":
        return builder.unfinished(stem, Value(layer.inputs, x.axes), "rsqrt", where)
    inner = _one_plus(builder, x.parts[0])
    if isinstance(inner, graph.Activation) and inner.function == "exp":
        minus = builder.layer(inner.inputs[0])
        if isinstance(minus, graph.Affine) and _is_constant(minus, -1.0, 0.0):
            source = Value(minus.inputs, x.axes)
            return function_of(builder, stem, source, "sigmoid", where)
    return builder.unfinished(stem, x, "reciprocal", where)


def normal(
    builder: Builder, stem: str, a: Value, b: Value, function: str, where: str
) -> Value | None:
    """a / b or a * b as a normalization, where b is `function` of a's mean square; else None."""
    root = builder.layer(b.parts[0])
    if not isinstance(root, graph.Activation) or root.function != function:
        return None
    found = _mean_square(builder, root.inputs[0])
    axis = feature_axis(builder, a)
    if found is None or axis is None:
        return None
    source, epsilon = found
    if not _same(builder, source, a.parts[0], DEPTH):
        return None
    whole = _centred(builder, a.parts[0])
    x = Value((whole or a.parts[0],), a.axes)
    return layer_norm(builder, stem, x, axis, epsilon, where, centred=whole is not None)


def product(builder: Builder, stem: str, a: Value, b: Value, where: str) -> Value:
    """a * b; x times an inverse root may be a normalization, x * tanh(softplus(x)) is mish."""
    for x, other in ((a, b), (b, a)):
        found = mish_of(builder, stem, x, other, where)
        found = found or normal(builder, stem, x, other, "rsqrt", where)
        if found is not None:
            return found
    return product_of(builder, stem, a, b, where)


def quotient(builder: Builder, stem: str, a: Value, b: Value, where: str) -> Value:
    """a / b where that is a normalization or softsign."""
    found = normal(builder, stem, a, b, "sqrt", where)
    return quotient_of(builder, stem, a, b, where) if found is None else found


def guarded(
    builder: Builder, stem: str, condition: Value, a: Operand, b: Operand, where: str
) -> Value | None:
    """What exporters make of softplus, and of a threshold that is the value below it; else None."""
    test = builder.layer(condition.parts[0])
    if not isinstance(test, graph.Activation):
        return None
    if isinstance(a, Value) and isinstance(b, Value):
        same = test.function == "greater" and _is_softplus(builder, test, a.parts[0], b.parts[0])
        return b if same else None
    if test.function == "less or equal" and isinstance(b, Value) and not isinstance(a, Value):
        below = float(a.reshape(-1)[0]) if a.size == 1 else np.nan
        if b.parts == test.inputs and below == test.alpha:
            return clip(builder, stem, b, below, np.inf, where)
        if b.parts == test.inputs and below == 0:
            return function_of(builder, stem, b, "thresholded_relu", where, test.alpha)
    return None


def _is_softplus(builder: Builder, test: graph.Activation, x: str, y: str) -> bool:
    """Whether y = softplus(beta x) / beta, and the test is beta x > a number where y is x."""
    layer, less = builder.layer(y), 1.0
    if isinstance(layer, graph.Affine) and _is_constant(layer, float(layer.scale[0]), 0.0):
        less, layer = float(layer.scale[0]), builder.layer(layer.inputs[0])
    if not isinstance(layer, graph.Activation) or (layer.function, layer.alpha) != ("softplus", 1):
        return False
    inner, beta = builder.layer(layer.inputs[0]), 1.0
    source = layer.inputs[0]
    if source != x and isinstance(inner, graph.Affine):
        beta, source = float(inner.scale[0]), inner.inputs[0]
        if not _is_constant(inner, beta, 0.0):
            return False
    fits = abs(less * beta - 1) < 1e-6 and test.alpha >= LEAST_THRESHOLD
    return fits and source == x and test.inputs == layer.inputs


def mish_of(builder: Builder, stem: str, x: Value, gate: Value, where: str) -> Value | None:
    """x * tanh(softplus(x)) as one function; else None."""
    outer = builder.layer(gate.parts[0])
    if not isinstance(outer, graph.Activation) or outer.function != "tanh":
        return None
    inner = builder.layer(outer.inputs[0])
    softplus = isinstance(inner, graph.Activation) and inner.function == "softplus"
    if softplus and inner is not None and inner.inputs == x.parts:
        return function_of(builder, stem, x, "mish", where)
    return None


def _one_plus(builder: Builder, name: str) -> graph.Layer | None:
    """The layer of z where the value is 1 + z."""
    layer = builder.layer(name)
    if isinstance(layer, graph.Affine) and _is_constant(layer, 1.0, 1.0):
        return builder.layer(layer.inputs[0])
    return None


def _is_constant(layer: graph.Affine, scale: float, offset: float) -> bool:
    return bool(np.all(layer.scale == scale) and np.all(layer.offset == offset))


def _mean_square(builder: Builder, name: str) -> tuple[str, float] | None:
    """(z, epsilon) where the value is the mean of z * z, plus epsilon."""
    layer, epsilon = builder.layer(name), 0.0
    if isinstance(layer, graph.Affine) and np.all(layer.scale == 1):
        epsilon, layer = float(layer.offset[0]), builder.layer(layer.inputs[0])
    if not isinstance(layer, graph.Linear) or not _is_mean(layer):
        return None
    square = builder.layer(layer.inputs[0])
    if isinstance(square, graph.Product) and _same(
        builder, square.inputs[0], square.inputs[1], DEPTH
    ):
        return square.inputs[0], epsilon
    return None


def _is_mean(layer: graph.Linear) -> bool:
    weight = layer.weight.real()
    size = weight.shape[1]
    return len(weight) == 1 and not np.any(layer.bias) and bool(np.all(weight == 1.0 / size))


def _centred(builder: Builder, name: str) -> str | None:
    """x where the value is x minus the mean of x."""
    layer = builder.layer(name)
    if not isinstance(layer, graph.Sum) or not layer.subtract:
        return None
    spread = builder.layer(layer.inputs[1])
    if isinstance(spread, graph.Pick) and not any(spread.indices):
        spread = builder.layer(spread.inputs[0])
    is_mean = isinstance(spread, graph.Linear) and _is_mean(spread)
    if spread is not None and is_mean and _same(builder, spread.inputs[0], layer.inputs[0], DEPTH):
        return layer.inputs[0]
    return None


def _same(builder: Builder, one: str, other: str, depth: int) -> bool:
    """Whether two values are computed alike."""
    if one == other:
        return True
    a, b = builder.layer(one), builder.layer(other)
    if a is None or b is None or type(a) is not type(b) or depth == 0:
        return False
    if len(a.inputs) != len(b.inputs):
        return False
    alike = isinstance(a, graph.Linear) and isinstance(b, graph.Linear)
    if alike:
        assert isinstance(a, graph.Linear)
        assert isinstance(b, graph.Linear)
        equal = _is_mean(a) and _is_mean(b)
    elif isinstance(a, (graph.Sum, graph.Pick)):
        kept = ("subtract", "indices")
        equal = all(getattr(a, k, None) == getattr(b, k, None) for k in kept)
    else:
        return False
    pairs = zip(a.inputs, b.inputs, strict=True)
    return equal and all(_same(builder, x, y, depth - 1) for x, y in pairs)
