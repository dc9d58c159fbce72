"""How operators that compute with reals meet tensors that hold integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.given import Array, Given
from rnn2c.frontend.onnx_dynamic import DYNAMIC
from rnn2c.frontend.onnx_node import Node, Operator, Result
from rnn2c.frontend.onnx_quantity import Codes, DynamicNumber
from rnn2c.frontend.values import Value, quoted

MOVES = frozenset("Flatten Identity Reshape Squeeze Transpose Unsqueeze".split())
"""Operators whose first input only changes its shape."""
PICKS = frozenset(["MaxPool"])
"""Operators whose result is made of numbers that they read."""
KEEPERS = frozenset("Conv GRU Gather Gemm LSTM MatMul RNN".split())
"""Operators whose layers keep the integers of their weights."""


def through(operator: Operator, builder: Builder, node: Node) -> Sequence[Result]:
    """Run an operator that reads quantities; raises UnsupportedError where it cannot."""
    if operator.quantities:
        return operator.handler(builder, node)
    if node.operator in DYNAMIC and any(isinstance(q, DynamicNumber) for q in node.quantities):
        return DYNAMIC[node.operator](builder, node)
    first = node.quantity(0)
    moves = node.operator in MOVES and not any(node.quantities[1:])
    if isinstance(first, Given) and moves:

        def move(array: Array) -> Array:
            moved = operator.handler(builder, node.reading(array))[0]
            assert isinstance(moved, np.ndarray)
            return moved

        return [first.moved(move)]
    if isinstance(first, Codes) and (moves or node.operator in PICKS):
        (value,) = operator.handler(builder, node)
        assert isinstance(value, Value)
        return [replace(first, value=value)]
    if all(q is None or isinstance(q, Given) for q in node.quantities):
        _refuse_changed(node)
        return operator.handler(builder, node)
    at = next(k for k, q in enumerate(node.quantities) if q and not isinstance(q, Given))
    raise node.refuse(
        f"reads the integers of {quoted(node.input_names[at])}; dequantize them first"
    )


def _refuse_changed(node: Node) -> None:
    """Raise UnsupportedError where integers of a matrix would become reals, and be rounded anew."""
    for given, name in zip(node.quantities, node.input_names, strict=True):
        if isinstance(given, Given) and len(given.shape) > 1 and node.operator not in KEEPERS:
            raise node.refuse(
                f"changes the integer weights {quoted(name)}; integers are kept by"
                f" {', '.join(sorted(KEEPERS))}, give this layer's weights as float32"
            )


def refuse_integer_output(name: str, quantity: object) -> None:
    """Raise UnsupportedError where a model's output holds integers."""
    if quantity is not None:
        raise UnsupportedError(
            f"output {quoted(name)} holds quantized integers; end the model with DequantizeLinear"
        )
