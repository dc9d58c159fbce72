"""ONNX operators that become several layers, or parts of a pattern."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.frontend import compose, patterns
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.onnx_node import Handler, Node, Operator
from rnn2c.frontend.pointwise import function_of
from rnn2c.frontend.values import Operand, Value, position


def selu(builder: Builder, node: Node) -> Sequence[Operand]:
    """gamma * elu(x)."""
    alpha, gamma = (node.real(n, d) for n, d in zip(("alpha", "gamma"), compose.SELU, strict=True))
    x = node.value(0)
    return [compose.scaled_elu(builder, node.stem, x, alpha, gamma, node.where)]


def celu(builder: Builder, node: Node) -> Sequence[Operand]:
    """An elu that is smooth at zero for any alpha."""
    return [compose.celu(builder, node.stem, node.value(0), node.real("alpha", 1.0), node.where)]


def pending(function: str) -> Handler:
    """A handler for a function that only a pattern can use."""

    def handler(builder: Builder, node: Node) -> Sequence[Operand]:
        return [builder.unfinished(node.stem, node.value(0), function, node.where)]

    return handler


def logarithm(builder: Builder, node: Node) -> Sequence[Operand]:
    """Of a softmax, a sigmoid, 1 + e^x."""
    return [patterns.logarithm(builder, node.stem, node.value(0), node.where)]


def reciprocal(builder: Builder, node: Node) -> Sequence[Operand]:
    """Of a square root, of 1 + e^-x."""
    return [patterns.reciprocal(builder, node.stem, node.value(0), node.where)]


def power(builder: Builder, node: Node) -> Sequence[Operand]:
    """To a constant whole power."""
    exponent = node.constant(1, "exponent")
    if exponent.size != 1 or exponent.dtype == object:
        raise node.refuse(f"has {exponent.size} exponents; one number is supported")
    number = float(exponent.reshape(-1)[0])
    return [compose.power(builder, node.stem, node.value(0), number, node.where)]


def extreme(largest: bool) -> Handler:
    """A handler for Max or Min of two or more, all but one of which may be constants."""

    def handler(builder: Builder, node: Node) -> Sequence[Operand]:
        operands = [node.operand(k) for k in range(len(node.inputs))]
        result, *rest = sorted(operands, key=lambda o: not isinstance(o, Value))
        assert isinstance(result, Value)
        for other in rest:
            given = other if isinstance(other, Value) else other.astype(np.float64)
            result = compose.extreme_of(
                builder, node.stem, result, given, node.where, largest=largest
            )
        return [result]

    return handler


def where(builder: Builder, node: Node) -> Sequence[Operand]:
    """A choice by a constant condition, or the guard that exporters put around softplus."""
    condition, a, b = node.operand(0), node.operand(1), node.operand(2)
    if isinstance(condition, Value):
        found = patterns.guarded(builder, node.stem, condition, a, b, node.where)
        if found is None:
            raise node.refuse("chooses by a computed condition; only a constant one is supported")
        return [found]
    return [compose.chosen(builder, node.stem, condition, a, b, node.where)]


def compared(function: str) -> Handler:
    """A handler for the comparison with a number that comes before a Where."""

    def handler(builder: Builder, node: Node) -> Sequence[Operand]:
        limit = node.constant(1, "limit")
        if limit.size != 1 or limit.dtype == object:
            raise node.refuse("compares with more than one number")
        number = float(limit.reshape(-1)[0])
        return [builder.unfinished(node.stem, node.value(0), function, node.where, number)]

    return handler


def tile(builder: Builder, node: Node) -> Sequence[Operand]:
    """Features repeated; every other axis once."""
    repeats = node.integers(1, "repeats") or []
    return [compose.tiled(builder, node.value(0), repeats, node.where)]


def einsum(builder: Builder, node: Node) -> Sequence[Operand]:
    """Computed data times a constant matrix."""
    equation, swapped = node.string("equation", ""), isinstance(node.operand(1), Value)
    x = node.value(1 if swapped else 0)
    weight = node.weights(0 if swapped else 1, "matrix")
    return [
        compose.matrix_product(builder, node.stem, equation, x, weight, node.where, swapped=swapped)
    ]


def gather_nd(builder: Builder, node: Node) -> Sequence[Operand]:
    """One element of leading axes: a constant index of a batch of 1 and a step."""
    x, index = node.value(0), node.constant(1, "indices")
    node.integer("batch_dims", 0)
    if index.dtype == object or index.ndim < 1 or index.size != index.shape[-1]:
        raise node.refuse("picks several elements; one constant index is supported")
    for k in index.reshape(-1).tolist():
        x = builder.layout.select(x, 0, int(k), node.where)
    return [builder.layout.unsqueeze(x, range(index.ndim - 1), node.where)]


def gather_elements(builder: Builder, node: Node) -> Sequence[Operand]:
    """The same step for every feature."""
    x, index = node.value(0), node.constant(1, "indices")
    at = position(node.integer("axis", 0), len(x.axes), node.where)
    return [compose.same_element(builder, x, index, at, node.where)]


OPERATORS = {
    "Celu": Operator(celu, ("alpha",)),
    "Einsum": Operator(einsum, ("equation",), inputs=2),
    "Exp": Operator(pending("exp")),
    "GatherElements": Operator(gather_elements, ("axis",), inputs=2),
    "GatherND": Operator(gather_nd, ("batch_dims",), inputs=2),
    "Greater": Operator(compared("greater"), inputs=2),
    "LessOrEqual": Operator(compared("less or equal"), inputs=2),
    "Log": Operator(logarithm),
    "Max": Operator(extreme(True), inputs=64),
    "Min": Operator(extreme(False), inputs=64),
    "Mish": Operator(lambda b, n: [function_of(b, n.stem, n.value(0), "mish", n.where)]),
    "Pow": Operator(power, inputs=2),
    "Reciprocal": Operator(reciprocal),
    "Selu": Operator(selu, ("alpha", "gamma")),
    "Sqrt": Operator(pending("sqrt")),
    "Tile": Operator(tile, inputs=2),
    "Where": Operator(where, inputs=3),
}
