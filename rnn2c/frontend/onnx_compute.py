"""ONNX operators that compute: linear layers, activations, softmax and argmax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.frontend.builder import Builder
from rnn2c.frontend.normalize import layer_norm
from rnn2c.frontend.onnx_node import Node, Operator
from rnn2c.frontend.values import Operand, Value
from rnn2c.ir.graph import FloatArray, Tensor


def matmul(builder: Builder, node: Node) -> Sequence[Operand]:
    """A linear layer without bias: computed data times a constant matrix."""
    weight = node.weights(1, "weight")
    if weight.ndim != 2:
        raise node.refuse(f"the weight has {weight.ndim} dimensions, expected 2")
    given = node.given(1)
    rows = given.moved(np.transpose).tensor(node.where, zeros=True) if given else weight.T
    return [builder.linear(node.stem, node.vector(0, builder), rows, None, node.where)]


def gemm(builder: Builder, node: Node) -> Sequence[Operand]:
    """alpha A B + beta C with A computed, B and C constant."""
    if node.integer("transA", 0) != 0:
        raise node.refuse("transA=1 is not supported; use transA=0")
    x, weight = node.vector(0, builder), node.weights(1, "weight").astype(np.float64)
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
        rows = given.scaled(alpha).tensor(node.where, zeros=True)
    return [builder.linear(node.stem, x, rows, bias, node.where)]


def softmax(builder: Builder, node: Node) -> Sequence[Operand]:
    """Softmax over the features."""
    axis = node.integer("axis", -1 if node.opset >= 13 else 1)
    return [builder.softmax(node.stem, node.value(0), axis, node.where)]


def log_softmax(builder: Builder, node: Node) -> Sequence[Operand]:
    """The logarithm of a softmax over the features."""
    axis = node.integer("axis", -1 if node.opset >= 13 else 1)
    return [builder.softmax(node.stem, node.value(0), axis, node.where, log=True)]


def layer_normalization(builder: Builder, node: Node) -> Sequence[Operand]:
    """Over the features; mean and inverse deviation are no outputs."""
    node.integer("stash_type", 1)  # the precision of a runtime
    return [_normalized(builder, node, centred=True)]


def rms_normalization(builder: Builder, node: Node) -> Sequence[Operand]:
    """The same without the mean."""
    node.integer("stash_type", 1)
    return [_normalized(builder, node, centred=False)]


def _normalized(builder: Builder, node: Node, *, centred: bool) -> Value:
    x, axis = node.value(0), node.integer("axis", -1)
    if axis not in (-1, len(x.axes) - 1):
        raise node.refuse(f"normalizes from axis {axis} on; only the last axis is supported")
    gain = node.weights(1, "scale")
    bias = None if node.optional(2) is None else node.weights(2, "bias")
    epsilon = node.real("epsilon", 1e-5)
    return layer_norm(builder, node.stem, x, -1, epsilon, node.where, gain, bias, centred=centred)


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
    "LayerNormalization": Operator(
        layer_normalization, ("axis", "epsilon", "stash_type"), inputs=3
    ),
    "LogSoftmax": Operator(log_softmax, ("axis",)),
    "RMSNormalization": Operator(rms_normalization, ("axis", "epsilon", "stash_type"), inputs=2),
    "MatMul": Operator(matmul, inputs=2),
    "Softmax": Operator(softmax, ("axis",)),
}
