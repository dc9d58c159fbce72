"""ONNX operators that work element by element: arithmetic and batch normalization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnn2c.frontend import patterns, pointwise
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.onnx_node import Handler, Node, Operator
from rnn2c.frontend.values import Constant, Operand, Value

ZERO, ONE = np.zeros(()), np.ones(())


def _quotient(a: Constant, b: Constant) -> Constant:
    """a / b; of integers towards zero, as ONNX says."""
    if np.issubdtype(np.result_type(a, b), np.integer):
        return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)))
    return np.asarray(a / b)


FOLDED: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _quotient,
}


def _constants(builder: Builder, node: Node, a: Constant, b: Constant) -> Constant:
    if object in (a.dtype, b.dtype):
        raise node.refuse("computes with a dynamic size; export with fixed shapes")
    if a.dtype != b.dtype:
        raise node.refuse(f"computes with {a.dtype} and {b.dtype}; both must have one type")
    shape = np.broadcast_shapes(a.shape, b.shape)
    builder.fold(int(np.prod(shape, dtype=object)), node.where)
    if node.operator == "Div" and not np.all(b):
        raise node.refuse("divides by zero")
    with np.errstate(over="ignore"):
        result: Constant = np.asarray(FOLDED[node.operator](a, b)).astype(a.dtype)
    if not np.all(np.isfinite(result)):
        raise node.refuse("makes a constant that is not finite")
    return result


def arithmetic(builder: Builder, node: Node) -> Sequence[Operand]:
    """Add, Sub, Mul, Div of computed data and constants, in either order."""
    a, b = node.operand(0), node.operand(1)
    if not isinstance(a, Value) and not isinstance(b, Value):
        return [_constants(builder, node, a, b)]
    if isinstance(a, Value) and isinstance(b, Value):
        return [_of_two(builder, node, a, b)]
    if isinstance(a, Value):
        return [_by_constant(builder, node, a, node.weights(1, "constant"))]
    assert isinstance(b, Value)
    return [_of_constant(builder, node, node.weights(0, "constant"), b)]


def _of_two(builder: Builder, node: Node, a: Value, b: Value) -> Value:
    match node.operator:
        case "Mul":
            return patterns.product(builder, node.stem, a, b, node.where)
        case "Div":
            return patterns.quotient(builder, node.stem, a, b, node.where)
    subtract = node.operator == "Sub"
    return pointwise.sum_of(builder, node.stem, a, b, node.where, subtract=subtract)


def _by_constant(builder: Builder, node: Node, x: Value, constant: Constant) -> Value:
    """x + c, x - c, x * c, x / c"""
    scale, offset = ONE, ZERO
    match node.operator:
        case "Add":
            offset = constant
        case "Sub":
            offset = -constant
        case "Mul":
            scale = constant
        case _:
            scale = pointwise.reciprocal(constant, node.where)
    return pointwise.affine(builder, node.stem, x, scale, offset, node.where)


def _of_constant(builder: Builder, node: Node, constant: Constant, x: Value) -> Value:
    """c + x, c - x, c * x"""
    match node.operator:
        case "Add":
            return pointwise.affine(builder, node.stem, x, ONE, constant, node.where)
        case "Sub":
            return pointwise.affine(builder, node.stem, x, -ONE, constant, node.where)
        case "Mul":
            return pointwise.affine(builder, node.stem, x, constant, ZERO, node.where)
    inverse = patterns.reciprocal(builder, node.stem, x, node.where)
    return pointwise.scaled_by(builder, inverse, constant, node.where)


def negative(builder: Builder, node: Node) -> Sequence[Operand]:
    """-x"""
    found = node.operand(0)
    if not isinstance(found, Value):
        if found.dtype == object:
            raise node.refuse("computes with a dynamic size; export with fixed shapes")
        return [-found]
    return [pointwise.negated(builder, node.stem, found, node.where)]


def batch_normalization(builder: Builder, node: Node) -> Sequence[Operand]:
    """With the statistics of training; features are axis 1."""
    if node.integer("training_mode", 0) != 0:
        raise node.refuse("training_mode is on; export the model in eval mode")
    if node.integer("spatial", 1) != 1:
        raise node.refuse("spatial=0 is not supported; use spatial=1")
    node.real("momentum", 0.9)  # of training only
    names = ("scale", "bias", "mean", "variance")
    scale, bias, mean, var = (
        node.weights(k + 1, n).astype(np.float64) for k, n in enumerate(names)
    )
    spread = var + node.real("epsilon", 1e-5)
    if not np.all(spread > 0):
        raise node.refuse("a variance is not positive")
    factor = scale / np.sqrt(spread)
    x = node.value(0)
    return [pointwise.batch_norm(builder, node.stem, x, factor, mean, node.where, bias)]


ARITHMETIC: Handler = arithmetic
OPERATORS = {
    **{name: Operator(ARITHMETIC, inputs=2) for name in FOLDED},
    "BatchNormalization": Operator(
        batch_normalization, ("epsilon", "momentum", "spatial", "training_mode"), inputs=5
    ),
    "Neg": Operator(negative),
}
