"""The aten operators that apply one function to every element."""

from __future__ import annotations

import numpy as np

from rnn2c.frontend import compose, pointwise
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.values import Value
from rnn2c.ir.graph import FloatArray

LEAST_THRESHOLD = 15.0
"""softplus(x) and x differ by less than 4e-7 beyond."""


def _function(call: Call, x: Value, name: str, alpha: float = 0.0, beta: float = 0.0) -> Result:
    return pointwise.function_of(call.builder, call.path, x, name, call.where, alpha, beta)


def plain(name: str, alpha: float = 0.0, beta: float = 0.0) -> Handler:
    """A handler for a function without arguments; alpha and beta are ours."""

    def handler(call: Call) -> Result:
        return _function(call, call.value(), name, alpha, beta)

    return handler


def leaky_relu(call: Call) -> Result:
    """x, below zero times negative_slope."""
    return _function(call, call.value(), "leaky_relu", float(call.get("negative_slope", 0.01)))


def prelu(call: Call) -> Result:
    """A leaky relu with one learned slope, or one for each feature, which are axis 1."""
    slope, x = call.weight("weight").reshape(-1), call.value()
    if slope.size > 1:
        slope = slope.reshape(-1, *[1] * (len(x.axes) - 2))
    return compose.prelu(call.builder, call.path, x, slope, call.where)


def _limit(call: Call, name: str, default: float) -> FloatArray:
    found = call.get(name)
    found = default if found is None else found
    if isinstance(found, bool) or not isinstance(found, (int, float, np.ndarray)):
        raise call.refuse(f"argument {name} must be a number or a constant")
    return np.asarray(found, np.float64)


def clip(call: Call) -> Result:
    """Limits min and max, each of which may be absent, or one for each feature."""
    limits = _limit(call, "min", -np.inf), _limit(call, "max", np.inf)
    if all(limit.size == 1 for limit in limits):
        lo, hi = (float(limit.reshape(-1)[0]) for limit in limits)
        return pointwise.clip(call.builder, call.path, call.value(), lo, hi, call.where)
    x = call.value()
    for limit, largest in zip(limits, (True, False), strict=True):
        if np.all(np.isfinite(limit)):
            x = compose.extreme_of(call.builder, call.path, x, limit, call.where, largest=largest)
    return x


def hardtanh(call: Call) -> Result:
    """Limits min_val and max_val."""
    lo, hi = float(_limit(call, "min_val", -1.0)), float(_limit(call, "max_val", 1.0))
    return pointwise.clip(call.builder, call.path, call.value(), lo, hi, call.where)


def elu(call: Call) -> Result:
    """scale * alpha (e^(input_scale x) - 1) below zero."""
    alpha, scale = float(call.get("alpha", 1)), float(call.get("scale", 1))
    if float(call.get("input_scale", 1)) != 1:
        raise call.refuse("input_scale is not supported; use elu, selu or celu")
    return compose.scaled_elu(call.builder, call.path, call.value(), alpha, scale, call.where)


def softplus(call: Call) -> Result:
    """log(1 + e^(beta x)) / beta; the threshold only guards torch against an overflow."""
    beta, threshold = float(call.get("beta", 1)), float(call.get("threshold", 20))
    if beta <= 0 or threshold < LEAST_THRESHOLD:
        raise call.refuse(
            f"beta={beta:g}, threshold={threshold:g}; beta must be positive, threshold at least"
            f" {LEAST_THRESHOLD:g}"
        )
    return _function(call, call.value(), "softplus", beta)


def gelu(call: Call) -> Result:
    """With the error function or with tanh."""
    kinds = {"none": "gelu", "tanh": "gelu_tanh"}
    return _function(call, call.value(), kinds[str(call.get("approximate", "none"))])


OPERATORS: dict[str, Handler] = {
    "abs": plain("leaky_relu", -1.0),
    "clamp": clip,
    "clamp_max": clip,
    "clamp_min": clip,
    "elu": elu,
    "erf": plain("erf"),
    "gelu": gelu,
    "hardsigmoid": plain("hard_sigmoid", 1 / 6, 0.5),
    "hardswish": plain("hard_swish"),
    "hardtanh": hardtanh,
    "leaky_relu": leaky_relu,
    "mish": plain("mish"),
    "prelu": prelu,
    "relu": plain("relu"),
    "relu6": plain("clip", 0.0, 6.0),
    "sigmoid": plain("sigmoid"),
    "silu": plain("silu"),
    "softplus": softplus,
    "tanh": plain("tanh"),
}
