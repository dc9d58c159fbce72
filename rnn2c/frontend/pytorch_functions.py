"""The aten operators that apply one function to every element."""

from __future__ import annotations

import numpy as np

from rnn2c.frontend import pointwise
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.values import Value

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
    """A leaky relu with one learned slope."""
    slope = call.weight("weight")
    if slope.size != 1:
        raise call.refuse("has a slope per channel; only one slope for all is supported")
    return _function(call, call.value(), "leaky_relu", float(slope.reshape(-1)[0]))


def _limit(call: Call, name: str, default: float) -> float:
    found = call.get(name)
    found = default if found is None else found
    if isinstance(found, np.ndarray) and found.size == 1:
        return float(found.reshape(-1)[0])
    if not isinstance(found, (int, float)):
        raise call.refuse(f"argument {name} must be one number")
    return float(found)


def clip(call: Call) -> Result:
    """Limits min and max, each of which may be absent."""
    lo, hi = _limit(call, "min", -np.inf), _limit(call, "max", np.inf)
    return pointwise.clip(call.builder, call.path, call.value(), lo, hi, call.where)


def hardtanh(call: Call) -> Result:
    """Limits min_val and max_val."""
    lo, hi = _limit(call, "min_val", -1.0), _limit(call, "max_val", 1.0)
    return pointwise.clip(call.builder, call.path, call.value(), lo, hi, call.where)


def elu(call: Call) -> Result:
    """alpha (e^x - 1) below zero."""
    if (float(call.get("scale", 1)), float(call.get("input_scale", 1))) != (1.0, 1.0):
        raise call.refuse("a scaled elu (selu, celu) is not supported; use elu")
    return _function(call, call.value(), "elu", float(call.get("alpha", 1)))


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
    "prelu": prelu,
    "relu": plain("relu"),
    "relu6": plain("clip", 0.0, 6.0),
    "sigmoid": plain("sigmoid"),
    "silu": plain("silu"),
    "softplus": softplus,
    "tanh": plain("tanh"),
}
