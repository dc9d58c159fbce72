"""Operators of ONNX and onnxruntime on integers (the QOperator form of quantize_static).

Each is the operator on reals, whose result is rounded to the scale and zero point that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rnn2c.frontend import onnx_temporal, pointwise
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.given import Given
from rnn2c.frontend.onnx_node import Node, Operator, Result
from rnn2c.frontend.onnx_quantity import Codes
from rnn2c.frontend.onnx_quantized import (
    codes_value,
    given_constant,
    rounded,
    scale_at,
    value_format,
    zero_at,
)
from rnn2c.frontend.values import Value


def _reals(node: Node, index: int, axis: int = 0) -> Value | Given:
    """Input `index` with its scale and zero point behind it: a value, or a constant."""
    scale, codes = scale_at(node, index + 1), node.quantity(index)
    if isinstance(codes, Codes):
        return codes_value(node, codes, scale, index + 2)
    held = node.constant(index, "integers")
    return given_constant(node, held, scale, zero_at(node, index + 2, held.dtype.name, scale), axis)


def _data(node: Node, index: int) -> Value:
    found = _reals(node, index)
    if not isinstance(found, Value):
        raise node.refuse(f"input {index} is a constant; expected what QuantizeLinear made")
    return found


def _result(builder: Builder, node: Node, y: Value, index: int) -> Codes:
    """y, rounded to scale `index` and the zero point behind it."""
    scale = scale_at(node, index)
    kind = node.constant(index + 1, "zero point").dtype.name
    zero = zero_at(node, index + 1, kind, scale)
    return rounded(builder, node, y, *value_format(node, scale, zero, kind))


def matmul(builder: Builder, node: Node) -> Sequence[Result]:
    """QLinearMatMul: computed integers times constant ones."""
    x, weight = _data(node, 0), _reals(node, 3, axis=1)
    if not isinstance(weight, Given) or len(weight.shape) != 2:
        raise node.refuse("the weight is no constant matrix")
    rows = weight.moved(np.transpose).tensor(node.where, zeros=True)
    y = builder.linear(node.stem, x, rows, None, node.where)
    return [_result(builder, node, y, 6)]


def gemm(builder: Builder, node: Node) -> Sequence[Result]:
    """QGemm: alpha A B + C with C as int32 in steps of both scales; floats without y's scale."""
    if node.integer("transA", 0) != 0:
        raise node.refuse("transA=1 is not supported; use transA=0")
    straight = bool(node.integer("transB", 0))
    x, weight = _data(node, 0), _reals(node, 3, axis=0 if straight else 1)
    if not isinstance(weight, Given) or len(weight.shape) != 2:
        raise node.refuse("the weight is no constant matrix")
    alpha = node.real("alpha", 1.0)
    if alpha <= 0:
        raise node.refuse(f"alpha={alpha:g} with integer weights; a positive one is supported")
    weight = (weight if straight else weight.moved(np.transpose)).scaled(alpha)
    bias = None
    if node.optional(6) is not None:
        steps = node.constant(6, "bias").astype(np.int64)
        bias = steps * scale_at(node, 1).astype(np.float64) * np.asarray(weight.scale)[:, 0]
    rows = weight.tensor(node.where, zeros=True)
    y = builder.linear(node.stem, x, rows, bias, node.where)
    return [y if node.optional(7) is None else _result(builder, node, y, 7)]


def conv(builder: Builder, node: Node) -> Sequence[Result]:
    """QLinearConv: a Conv whose bias is int32 in steps of both scales."""
    x, weight = _data(node, 0), _reals(node, 3, axis=0)
    if not isinstance(weight, Given):
        raise node.refuse("the weight is computed; make it an initializer")
    bias = None
    if node.optional(8) is not None:
        rows = np.asarray(weight.scale, np.float64).reshape(weight.shape[0], -1)[:, 0]
        scale = float(scale_at(node, 1).reshape(-1)[0]) * rows
        steps = node.constant(8, "bias").astype(np.int64)
        bias = Given(steps, np.zeros_like(steps), np.broadcast_to(scale, steps.shape), 32)
    return [_result(builder, node, onnx_temporal.convolved(builder, node, x, weight, bias), 6)]


def average(kind: str) -> Callable[[Builder, Node], Sequence[Result]]:
    """QLinearAveragePool and QLinearGlobalAveragePool, between two roundings."""
    pool = onnx_temporal.OPERATORS[kind].handler

    def handler(builder: Builder, node: Node) -> Sequence[Result]:
        if node.integer("channels_last", 0) != 0:
            raise node.refuse("channels_last=1 is not supported; use channels_last=0")
        (y,) = pool(builder, node.reading(_data(node, 0)))
        assert isinstance(y, Value)
        return [_result(builder, node, y, 3)]

    return handler


def add(builder: Builder, node: Node) -> Sequence[Result]:
    """QLinearAdd of two values, or of a value and a constant."""
    a, b = _reals(node, 0), _reals(node, 3)
    if isinstance(a, Value) and isinstance(b, Value):
        y = pointwise.sum_of(builder, node.stem, a, b, node.where)
    else:
        x, constant = _value_and_constant(node, a, b)
        y = pointwise.affine(builder, node.stem, x, np.ones(()), constant.real(), node.where)
    return [_result(builder, node, y, 6)]


def multiply(builder: Builder, node: Node) -> Sequence[Result]:
    """QLinearMul, likewise."""
    a, b = _reals(node, 0), _reals(node, 3)
    if isinstance(a, Value) and isinstance(b, Value):
        y = pointwise.product_of(builder, node.stem, a, b, node.where)
    else:
        x, constant = _value_and_constant(node, a, b)
        y = pointwise.affine(builder, node.stem, x, constant.real(), np.zeros(()), node.where)
    return [_result(builder, node, y, 6)]


def _value_and_constant(node: Node, a: Value | Given, b: Value | Given) -> tuple[Value, Given]:
    if isinstance(a, Value) and isinstance(b, Given):
        return a, b
    if isinstance(a, Given) and isinstance(b, Value):
        return b, a
    raise node.refuse("computes with two constants; fold them into one")


def function(name: str) -> Callable[[Builder, Node], Sequence[Result]]:
    """QLinearSigmoid and QLinearLeakyRelu: a function between two roundings."""

    def handler(builder: Builder, node: Node) -> Sequence[Result]:
        alpha = node.real("alpha", 0.01) if name == "leaky_relu" else 0.0
        y = pointwise.function_of(builder, node.stem, _data(node, 0), name, node.where, alpha)
        return [_result(builder, node, y, 3)]

    return handler


OPERATORS = {
    "QLinearConv": Operator(
        conv, onnx_temporal.OPERATORS["Conv"].attributes, inputs=9, quantities=True
    ),
    "QLinearMatMul": Operator(matmul, inputs=8, quantities=True),
}
MICROSOFT = {
    "QGemm": Operator(gemm, ("alpha", "transA", "transB"), inputs=9, quantities=True),
    "QLinearAdd": Operator(add, inputs=8, quantities=True),
    **{
        f"QLinear{kind}": Operator(
            average(kind),
            (*onnx_temporal.OPERATORS[kind].attributes, "channels_last"),
            inputs=5,
            quantities=True,
        )
        for kind in ("AveragePool", "GlobalAveragePool")
    },
    "QLinearLeakyRelu": Operator(function("leaky_relu"), ("alpha",), inputs=5, quantities=True),
    "QLinearMul": Operator(multiply, inputs=8, quantities=True),
    "QLinearSigmoid": Operator(function("sigmoid"), inputs=5, quantities=True),
}
