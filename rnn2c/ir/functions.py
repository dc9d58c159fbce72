"""The elementwise functions of an Activation, in float: what each of them means.

`alpha` and `beta` are parameters; a function without parameters ignores them.  The look-up tables
of `lower` are made from the same definitions, so float and integer mean one thing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rnn2c.ir.graph import FloatArray

Function = Callable[[FloatArray, float, float], FloatArray]


def sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + e^-x), without an overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def relu(x: FloatArray) -> FloatArray:
    """max(x, 0)"""
    return np.maximum(x, 0.0)


def erf(x: FloatArray) -> FloatArray:
    """The error function."""
    flat = np.asarray(x, np.float64)
    return np.array([math.erf(v) for v in flat.ravel()], np.float64).reshape(flat.shape)


def _elu(x: FloatArray, alpha: float) -> FloatArray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _gelu_tanh(x: FloatArray) -> FloatArray:
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)
    return np.asarray(0.5 * x * (1.0 + np.tanh(inner)))


FUNCTIONS: dict[str, Function] = {
    "": lambda x, alpha, beta: x,
    "relu": lambda x, alpha, beta: relu(x),
    "sigmoid": lambda x, alpha, beta: sigmoid(x),
    "tanh": lambda x, alpha, beta: np.asarray(np.tanh(x)),
    # piecewise linear
    "clip": lambda x, alpha, beta: np.clip(x, alpha, beta),
    "leaky_relu": lambda x, alpha, beta: np.where(x > 0, x, alpha * x),
    "hard_sigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0.0, 1.0),
    "linear": lambda x, alpha, beta: alpha * x + beta,
    "thresholded_relu": lambda x, alpha, beta: np.where(x > alpha, x, 0.0),
    # through a table
    "elu": lambda x, alpha, beta: _elu(x, alpha),
    "erf": lambda x, alpha, beta: erf(x),
    "gelu": lambda x, alpha, beta: np.asarray(0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))),
    "gelu_tanh": lambda x, alpha, beta: _gelu_tanh(x),
    "hard_swish": lambda x, alpha, beta: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "mish": lambda x, alpha, beta: np.asarray(x * np.tanh(np.logaddexp(0.0, x))),
    "scaled_tanh": lambda x, alpha, beta: np.asarray(alpha * np.tanh(beta * x)),
    "silu": lambda x, alpha, beta: x * sigmoid(x),
    "softplus": lambda x, alpha, beta: np.asarray(np.logaddexp(0.0, alpha * x) / alpha),
    "softsign": lambda x, alpha, beta: x / (1.0 + np.abs(x)),
}
"""clip: alpha is the least, beta the largest value (either may be infinite); leaky_relu and elu:
alpha is the slope or the depth below zero; hard_sigmoid: clip(alpha x + beta, 0, 1);
linear: alpha x + beta;
thresholded_relu: x above alpha, else 0; scaled_tanh: alpha tanh(beta x); softplus:
log(1 + e^(alpha x)) / alpha."""

TABULATED = (
    *("elu", "erf", "gelu", "gelu_tanh", "hard_swish", "mish", "scaled_tanh", "silu", "softplus"),
    "softsign",
)
"""Functions that the integer program looks up in a table of their own."""

PIECEWISE = ("clip", "leaky_relu", "hard_sigmoid", "linear", "thresholded_relu")
"""Functions that the integer program computes with multiplications and limits."""


def settled(function: str, beta: float = 0.0) -> float:
    """The magnitude beyond which a function is constant to 16 bits; infinite if there is none."""
    if function == "scaled_tanh" and beta:
        return 5.7 / abs(beta)
    return 4.0 if function == "erf" else math.inf


def apply(function: str, x: FloatArray, alpha: float = 0.0, beta: float = 0.0) -> FloatArray:
    """function(x), element by element; KeyError for an unknown one (a checked Model has none)."""
    return FUNCTIONS[function](x, alpha, beta)
