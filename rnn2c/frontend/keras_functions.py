"""Keras layers that are one function of each feature: rectifiers and scalings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import compose
from rnn2c.frontend.keras_call import Call, Handler
from rnn2c.frontend.pointwise import affine, clip, function_of
from rnn2c.frontend.values import MAX_WEIGHT, Value, quoted
from rnn2c.ir.graph import FloatArray

SMALLEST = 1e-7
"""keras.backend.epsilon()"""

STATISTICS = ("mean", "variance")
PRELU = frozenset({"alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes"})


def relu(call: Call) -> Sequence[Value]:
    """x from threshold to max_value, negative_slope * x below zero."""
    settings, name, x, where = call.settings, call.spec.name, call.operand, call.where
    most = np.inf
    if settings.take("max_value", None) is not None:
        most = settings.number("max_value")
    slope, threshold = settings.number("negative_slope", 0.0), settings.number("threshold", 0.0)
    if slope and threshold:
        raise call.refuse("negative_slope and threshold together; use one of them")
    if most < 0 or threshold < 0:
        raise Rnn2cError(f"{where}: max_value and threshold must not be negative")
    if not slope and not threshold:
        return [clip(call.builder, name, x, 0.0, most, where)]
    function, alpha = ("leaky_relu", slope) if slope else ("thresholded_relu", threshold)
    made = function_of(call.builder, name, x, function, where, alpha)
    return [clip(call.builder, name, made, -np.inf, most, where)]


def leaky_relu(call: Call) -> Sequence[Value]:
    """x above zero, negative_slope (in Keras 2 alpha) times x below."""
    key = "alpha" if call.settings.take("negative_slope", None) is None else "negative_slope"
    slope, name = call.settings.number(key), call.spec.name
    return [function_of(call.builder, name, call.operand, "leaky_relu", call.where, slope)]


def elu(call: Call) -> Sequence[Value]:
    """x above zero, alpha (e^x - 1) below."""
    alpha, name = call.settings.number("alpha"), call.spec.name
    return [function_of(call.builder, name, call.operand, "elu", call.where, alpha)]


def prelu(call: Call) -> Sequence[Value]:
    """x above zero, alpha x below: a weight for each feature, the same at all steps."""
    call.settings.ignore(PRELU)
    (slope,) = call.weights(["alpha"])
    return [compose.prelu(call.builder, call.spec.name, call.operand, slope, call.where)]


def rescaling(call: Call) -> Sequence[Value]:
    """x * scale + offset: numbers, or one for each feature."""
    scale, offset = (_numbers(call, key, call.settings.take(key)) for key in ("scale", "offset"))
    return [affine(call.builder, call.spec.name, call.operand, scale, offset, call.where)]


def normalization(call: Call) -> Sequence[Value]:
    """(x - mean) / sqrt(variance), given as settings or adapted to data."""
    settings, size = call.settings, call.features()
    settings.must_be("invert", False, "use a Rescaling")
    axis = settings.take("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if call.axis(axis) != len(call.operand.axes) - 1:
        raise call.refuse(f"axis={quoted(axis)} is not supported; use axis=-1, the features")
    given = [settings.take(key, None) for key in STATISTICS]
    if None in given:
        found = call.weights(STATISTICS, beside=("count",))
        mean, variance = (
            call.shaped(role, array, (size,)) for role, array in zip(STATISTICS, found, strict=True)
        )
    else:
        mean, variance = (
            _numbers(call, key, value).ravel() for key, value in zip(STATISTICS, given, strict=True)
        )
    if {mean.size, variance.size} - {1, size}:
        raise Rnn2cError(f"{call.where}: mean and variance are not one number or {size} of them")
    if np.any(variance < 0):
        raise Rnn2cError(f"{call.where}: a variance is negative")
    scale = 1 / np.maximum(np.sqrt(variance), SMALLEST)
    name, offset = call.spec.name, -mean * scale
    return [affine(call.builder, name, call.operand, scale, offset, call.where)]


def _numbers(call: Call, key: str, found: object) -> FloatArray:
    """A setting that is a number or a list of numbers."""
    try:
        values = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if not np.all(np.abs(values) <= MAX_WEIGHT):
        raise Rnn2cError(f"{call.where}: {key} is {quoted(found)}, expected numbers")
    return values


HANDLERS: dict[str, Handler] = {
    "ELU": elu,
    "LeakyReLU": leaky_relu,
    "Normalization": normalization,
    "PReLU": prelu,
    "ReLU": relu,
    "Rescaling": rescaling,
}
