"""The aten operators that work element by element: arithmetic and batch normalization."""

from __future__ import annotations

import numpy as np

from rnn2c.frontend import patterns, pointwise
from rnn2c.frontend.pytorch_call import Call, Result
from rnn2c.frontend.values import Value
from rnn2c.ir.graph import FloatArray

ZERO, ONE = np.zeros(()), np.ones(())


def _operand(call: Call, name: str) -> Value | FloatArray:
    """A computed tensor, or a constant tensor or number as an array."""
    found = call.get(name)
    if isinstance(found, Value):
        return found
    if isinstance(found, (bool, complex)) or not isinstance(found, (int, float, np.ndarray)):
        raise call.refuse(f"argument {name} is no tensor and no number")
    return np.asarray(found, np.float64)


def add(call: Call) -> Result:
    """self + alpha * other."""
    return _sum(call, _operand(call, "self"), _operand(call, "other"), 1.0)


def subtract(call: Call) -> Result:
    """self - alpha * other."""
    return _sum(call, _operand(call, "self"), _operand(call, "other"), -1.0)


def reverse_subtract(call: Call) -> Result:
    """other - alpha * self."""
    return _sum(call, _operand(call, "other"), _operand(call, "self"), -1.0)


def _sum(call: Call, a: Value | FloatArray, b: Value | FloatArray, sign: float) -> Result:
    """a + sign * alpha * b"""
    factor = sign * float(call.get("alpha", 1))
    builder = call.builder
    if isinstance(a, Value) and isinstance(b, Value):
        if abs(factor) != 1:
            b = pointwise.affine(builder, "", b, np.array(abs(factor)), ZERO, call.where)
        minus = factor < 0
        return pointwise.sum_of(builder, call.path, a, b, call.where, subtract=minus)
    if isinstance(a, Value):
        assert isinstance(b, np.ndarray)
        return pointwise.affine(builder, call.path, a, ONE, b * factor, call.where)
    if isinstance(b, Value):
        return pointwise.affine(builder, call.path, b, np.array(factor), a, call.where)
    return np.asarray(a + factor * b)


def multiply(call: Call) -> Result:
    """self * other."""
    a, b = _operand(call, "self"), _operand(call, "other")
    if isinstance(a, Value) and isinstance(b, Value):
        return patterns.product(call.builder, call.path, a, b, call.where)
    if isinstance(a, Value):
        assert isinstance(b, np.ndarray)
        return pointwise.affine(call.builder, call.path, a, b, ZERO, call.where)
    if isinstance(b, Value):
        return pointwise.affine(call.builder, call.path, b, a, ZERO, call.where)
    return np.asarray(a * b)


def divide(call: Call) -> Result:
    """self / other for a constant other."""
    a, b = _operand(call, "self"), _operand(call, "other")
    if isinstance(a, Value) and isinstance(b, Value):
        return patterns.quotient(call.builder, call.path, a, b, call.where)
    if isinstance(b, Value):
        assert isinstance(a, np.ndarray)
        one_over = patterns.reciprocal(call.builder, call.path, b, call.where)
        return pointwise.scaled_by(call.builder, one_over, a, call.where)
    inverse = pointwise.reciprocal(b, call.where)
    if isinstance(a, Value):
        return pointwise.affine(call.builder, call.path, a, inverse, ZERO, call.where)
    return np.asarray(a * inverse)


def negative(call: Call) -> Result:
    """-self"""
    return pointwise.negated(call.builder, call.path, call.value(), call.where)


def batch_norm(call: Call) -> Result:
    """With the statistics of training; features are axis 1."""
    call.skip("momentum", "cudnn_enabled")
    if call.get("training"):
        raise call.refuse("batch normalization is in training mode; call eval()")
    if call.get("running_mean") is None or call.get("running_var") is None:
        raise call.refuse("has no running statistics; train with track_running_stats=True")
    mean, var = call.weight("running_mean"), call.weight("running_var")
    spread = var + float(call.get("eps"))
    if not np.all(spread > 0):
        raise call.refuse("a variance is not positive")
    weight = np.ones_like(mean) if call.get("weight") is None else call.weight("weight")
    bias = np.zeros_like(mean) if call.get("bias") is None else call.weight("bias")
    scale, x = weight / np.sqrt(spread), call.value("input")
    return pointwise.batch_norm(call.builder, call.path, x, scale, mean, call.where, bias)


OPERATORS = {
    "add": add,
    "batch_norm": batch_norm,
    "div": divide,
    "mul": multiply,
    "neg": negative,
    "rsub": reverse_subtract,
    "sub": subtract,
}
