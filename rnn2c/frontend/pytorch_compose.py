"""The aten operators that become several layers, or parts of a pattern."""

from __future__ import annotations

import numpy as np

from rnn2c.frontend import compose, patterns, pointwise
from rnn2c.frontend.normalize import layer_norm
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.values import Constant, Value, position

ONE = np.ones(())


def selu(call: Call) -> Result:
    """A scaled elu."""
    alpha, scale = compose.SELU
    return compose.scaled_elu(call.builder, call.path, call.value(), alpha, scale, call.where)


def celu(call: Call) -> Result:
    """An elu that is smooth at zero for any alpha."""
    alpha = float(call.get("alpha", 1))
    return compose.celu(call.builder, call.path, call.value(), alpha, call.where)


def log_sigmoid(call: Call) -> Result:
    """log(sigmoid(x))"""
    return compose.log_sigmoid(call.builder, call.path, call.value(), call.where)


def soft_shrink(call: Call) -> Result:
    """x moved towards zero by lambd."""
    limit = float(call.get("lambd", 0.5))
    return compose.soft_shrink(call.builder, call.path, call.value(), limit, call.where)


def threshold(call: Call) -> Result:
    """x above the threshold, else value, which has to be the threshold or 0."""
    x, limit, value = call.value(), float(call.get("threshold")), float(call.get("value"))
    if value == limit:
        return pointwise.clip(call.builder, call.path, x, limit, np.inf, call.where)
    if value != 0:
        raise call.refuse(f"threshold {limit:g} with value {value:g}; value may be it or 0")
    name = "thresholded_relu"
    return pointwise.function_of(call.builder, call.path, x, name, call.where, limit)


def glu(call: Call) -> Result:
    """The first half of the features times the sigmoid of the second."""
    x = call.value()
    at = position(int(call.get("dim", -1)), len(x.axes), call.where)
    return compose.gated(call.builder, call.path, x, at, call.where)


def pending(function: str) -> Handler:
    """A handler for a function that only a pattern can use."""

    def handler(call: Call) -> Result:
        return call.builder.unfinished(call.path, call.value(), function, call.where)

    return handler


def logarithm(call: Call) -> Result:
    """Of a softmax, a sigmoid, 1 + e^x."""
    return patterns.logarithm(call.builder, call.path, call.value(), call.where)


def logarithm_of_more(call: Call) -> Result:
    """log1p: log(1 + x)"""
    more = pointwise.affine(call.builder, "", call.value(), ONE, ONE, call.where)
    return patterns.logarithm(call.builder, call.path, more, call.where)


def reciprocal(call: Call) -> Result:
    """Of a square root, of 1 + e^-x."""
    return patterns.reciprocal(call.builder, call.path, call.value(), call.where)


def power(call: Call) -> Result:
    """To a constant whole power."""
    exponent = call.get("exponent")
    if not isinstance(exponent, (int, float)):
        raise call.refuse("the exponent is no number")
    return compose.power(call.builder, call.path, call.value(), float(exponent), call.where)


def square(call: Call) -> Result:
    """x * x"""
    return compose.power(call.builder, call.path, call.value(), 2.0, call.where)


def extreme(largest: bool) -> Handler:
    """A handler for maximum or minimum; one of two may be a constant."""

    def handler(call: Call) -> Result:
        a, b = call.get("self"), call.get("other")
        a, b = (a, b) if isinstance(a, Value) else (b, a)
        given: Value | Constant = b if isinstance(b, Value) else np.asarray(b, np.float64)
        return compose.extreme_of(call.builder, call.path, a, given, call.where, largest=largest)

    return handler


def choose(call: Call) -> Result:
    """where with a constant condition."""
    condition = call.get("condition")
    if not isinstance(condition, np.ndarray):
        raise call.refuse("chooses by a computed condition; only a constant one is supported")
    pair = (call.get("self"), call.get("other"))
    a, b = (v if isinstance(v, Value) else np.asarray(v, np.float64) for v in pair)
    return compose.chosen(call.builder, call.path, condition, a, b, call.where)


def fill_masked(call: Call) -> Result:
    """masked_fill with a constant mask."""
    mask, x, value = call.get("mask"), call.value(), np.asarray(call.get("value"), np.float64)
    if not isinstance(mask, np.ndarray):
        raise call.refuse("is masked by computed data; only a constant mask is supported")
    return compose.chosen(call.builder, call.path, mask, value, x, call.where)


def repeat(call: Call) -> Result:
    """Features repeated; every other axis once."""
    repeats = [int(r) for r in call.get("repeats")]
    return compose.tiled(call.builder, call.value(), repeats, call.where)


def einsum(call: Call) -> Result:
    """Computed data times a constant matrix."""
    call.skip("path")
    operands = call.get("tensors")
    if len(operands) != 2 or sum(isinstance(o, Value) for o in operands) != 1:
        raise call.refuse("only computed data times a constant matrix is supported")
    swapped = isinstance(operands[1], Value)
    x, weight = (operands[1], operands[0]) if swapped else (operands[0], operands[1])
    equation = str(call.get("equation"))
    return compose.matrix_product(
        call.builder, call.path, equation, x, weight, call.where, swapped=swapped
    )


def gather(call: Call) -> Result:
    """The same step for every feature."""
    x, index = call.value(), call.get("index")
    call.skip("sparse_grad")
    if not isinstance(index, np.ndarray):
        raise call.refuse("picks by computed indices; they must be constant")
    at = call.axis("dim", len(x.axes))
    return compose.same_element(call.builder, x, index, at, call.where)


def interpolate(call: Call) -> Result:
    """lerp: self + weight * (end - self)."""
    a, b, weight = call.value(), call.value("end"), call.get("weight")
    if isinstance(weight, Value):
        raise call.refuse("the weight is computed; write a + w * (b - a)")
    away = pointwise.sum_of(call.builder, "", b, a, call.where, subtract=True)
    part = pointwise.scaled_by(call.builder, away, np.asarray(weight, np.float64), call.where)
    return pointwise.sum_of(call.builder, call.path, a, part, call.where)


def add_product(call: Call) -> Result:
    """addcmul: self + value * tensor1 * tensor2, all computed."""
    x, value = call.value(), np.array(float(call.get("value", 1)))
    pair = call.value("tensor1"), call.value("tensor2")
    product = patterns.product(call.builder, "", *pair, call.where)
    part = pointwise.scaled_by(call.builder, product, value, call.where)
    return pointwise.sum_of(call.builder, call.path, x, part, call.where)


def variance(call: Call) -> Result:
    """The mean of squares of x - mean, over the features, without Bessel's correction."""
    x, dims = call.value(), call.get("dim")
    correction = call.get("correction", 0 if call.get("unbiased") is False else 1)
    if correction != 0 or call.get("unbiased") or dims is None or len(dims) != 1:
        raise call.refuse("only variance over the features with unbiased=False is supported")
    at, keep = position(int(dims[0]), len(x.axes), call.where), bool(call.get("keepdim", False))
    builder, where = call.builder, call.where
    mean = compose.over_features(builder, "", x, at, where, mean=True, keep=True)
    away = pointwise.sum_of(builder, "", x, mean, where, subtract=True)
    square_ = pointwise.product_of(builder, "", away, away, where)
    return compose.over_features(builder, call.path, square_, at, where, mean=True, keep=keep)


def group_norm(call: Call) -> Result:
    """One group of [batch, features] is a layer normalization."""
    x = call.value("input")
    call.skip("cudnn_enabled")
    if int(call.get("num_groups")) != 1 or len(x.axes) != 2:
        raise call.refuse("only one group of [batch, features] is supported; use LayerNorm")
    gain, bias = (None if call.get(n) is None else call.weight(n) for n in ("weight", "bias"))
    epsilon = float(call.get("eps", 1e-5))
    return layer_norm(call.builder, call.path, x, -1, epsilon, call.where, gain, bias)


OPERATORS: dict[str, Handler] = {
    "addcmul": add_product,
    "celu": celu,
    "einsum": einsum,
    "exp": pending("exp"),
    "gather": gather,
    "glu": glu,
    "group_norm": group_norm,
    "lerp": interpolate,
    "log": logarithm,
    "log1p": logarithm_of_more,
    "log_sigmoid": log_sigmoid,
    "masked_fill": fill_masked,
    "maximum": extreme(True),
    "minimum": extreme(False),
    "pow": power,
    "reciprocal": reciprocal,
    "repeat": repeat,
    "rsqrt": pending("rsqrt"),
    "selu": selu,
    "softshrink": soft_shrink,
    "sqrt": pending("sqrt"),
    "square": square,
    "threshold": threshold,
    "var": variance,
    "where": choose,
}
