"""ONNX operators that compute: linear layers, activations, softmax and argmax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.frontend.builder import Builder
from rnn2c.frontend.onnx_node import Node, Operator
from rnn2c.frontend.values import Operand
from rnn2c.ir.graph import FloatArray, Tensor


def matmul(builder: Builder, node: Node) -> Sequence[Operand]:
    """A linear layer without bias: computed data times a constant matrix."""
    weight = node.weights(1, "weight")
    if weight.ndim != 2:
        raise node.refuse(f"the weight has {weight.ndim} dimensions, expected 2")
    given = node.given(1)
    rows = given.moved(np.transpose).tensor(node.where) if given else weight.T
    return [builder.linear(node.stem, node.value(0), rows, None, node.where)]


def gemm(builder: Builder, node: Node) -> Sequence[Operand]:
    """alpha A B + beta C with A computed, B and C constant."""
    if node.integer("transA", 0) != 0:
        raise node.refuse("transA=1 is not supported; use transA=0")
    x, weight = node.value(0), node.weights(1, "weight").astype(np.float64)
    if weight.ndim != 2 or len(x.axes) != 2:
        raise node.refuse(f"multiplies {len(x.axes)} by {weight.ndim} dimensions; both must have 2")
    bias = None
    if node.optional(2) is not None:
        bias = node.reals(2, "bias") * node.real("beta", 1.0)
    alpha, straight = node.real("alpha", 1.0), bool(node.integer("transB", 0))
    rows: FloatArray | Tensor = (weight if straight else weight.T) * alpha
    given = node.given(1)
    if given:
        if alpha <= 0:
            raise node.refuse(f"alpha={alpha:g} with integer weights; a positive one is supported")
        given = given if straight else given.moved(np.transpose)
        rows = given.scaled(alpha).tensor(node.where)
    return [builder.linear(node.stem, x, rows, bias, node.where)]


def softmax(builder: Builder, node: Node) -> Sequence[Operand]:
    """Softmax over the features."""
    axis = node.integer("axis", -1 if node.opset >= 13 else 1)
    return [builder.softmax(node.stem, node.value(0), axis, node.where)]


def argmax(builder: Builder, node: Node) -> Sequence[Operand]:
    """Index of the largest feature, the first one on ties."""
    if node.integer("select_last_index", 0) != 0:
        raise node.refuse("select_last_index=1 is not supported; the first of equal ones is taken")
    keepdims = bool(node.integer("keepdims", 1))
    axis = node.integer("axis", 0)
    return [builder.argmax(node.stem, node.value(0), axis, keepdims, node.where)]


OPERATORS = {
    "ArgMax": Operator(argmax, ("axis", "keepdims", "select_last_index")),
    "Gemm": Operator(gemm, ("alpha", "beta", "transA", "transB"), inputs=3),
    "MatMul": Operator(matmul, inputs=2),
    "Softmax": Operator(softmax, ("axis",)),
}
