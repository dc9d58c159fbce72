"""ONNX operators on constants alone: elementwise arithmetic, comparisons and shape arithmetic.

What is made is accounted for before it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.onnx_node import Node, Operator
from rnn2c.frontend.values import Constant, Operand

Fold = Callable[..., Any]

ELEMENTWISE: dict[str, Fold] = {
    "Abs": np.abs,
    "And": np.logical_and,
    "Ceil": np.ceil,
    "Equal": np.equal,
    "Exp": np.exp,
    "Floor": np.floor,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mod": np.mod,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Round": np.round,
    "Sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * x)),
    "Sign": np.sign,
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
    "Where": np.where,
}
LOGICAL = frozenset("And Equal Greater GreaterOrEqual Less LessOrEqual Not Or".split())


def folds(node: Node) -> bool:
    """Whether every input is a constant of numbers and the operator is one of these."""
    known = node.operator in ELEMENTWISE or node.operator in ("Range", "Size", "Tile")
    operands = [o for o in node.inputs if o is not None]
    plain = all(isinstance(o, np.ndarray) and o.dtype != object for o in operands)
    return known and plain and bool(operands)


def fold(builder: Builder, node: Node) -> Sequence[Constant]:
    """The constant; raises UnsupportedError over the budget and for one that is not finite."""
    operands = [node.constant(k, "operand") for k in range(len(node.inputs))]
    if node.operator == "Size":
        return [np.array(operands[0].size, np.int64)]
    if node.operator == "Range":
        return [_range(builder, node, operands)]
    if node.operator == "Tile":
        repeats = [int(r) for r in operands[1].reshape(-1)]
        total = int(np.prod(repeats, dtype=object)) * operands[0].size
        if min(repeats, default=1) < 0:
            raise node.refuse(f"repeats {repeats}")
        builder.fold(total, node.where)
        return [np.tile(operands[0], repeats)]
    shape = np.broadcast_shapes(*(o.shape for o in operands))
    builder.fold(int(np.prod(shape, dtype=object)), node.where)
    made = _elementwise(node.operator, operands)
    if np.issubdtype(made.dtype, np.floating) and not np.all(np.isfinite(made)):
        raise node.refuse("makes a constant that is not finite")
    return [made]


def _elementwise(operator: str, operands: Sequence[Constant]) -> Constant:
    """Computed in the type of the operands; comparisons give truth values."""
    function = ELEMENTWISE[operator]
    with np.errstate(all="ignore"):
        if operator in ("Max", "Min"):
            result = operands[0]
            for other in operands[1:]:
                result = function(result, other)
        else:
            result = function(*operands)
    made = np.asarray(result)
    like = operands[1 if operator == "Where" else 0]
    return made if operator in LOGICAL else made.astype(like.dtype)


def only_constants(builder: Builder, node: Node) -> Sequence[Operand]:
    """An operator that computed data cannot go through."""
    raise node.refuse("computes with data; this operator is supported for constants only")


def _range(builder: Builder, node: Node, operands: Sequence[Constant]) -> Constant:
    start, stop, step = (o.reshape(-1)[0] for o in operands)
    if step == 0:
        raise node.refuse("has a step of 0")
    count = max(float(np.ceil((float(stop) - float(start)) / float(step))), 0.0)
    if not np.isfinite(count):
        raise UnsupportedError(f"{node.where}: a range that is not finite")
    builder.fold(int(count), node.where)
    return np.asarray(start + step * np.arange(int(count)), operands[0].dtype)


OPERATORS = {name: Operator(only_constants, inputs=3) for name in (*ELEMENTWISE, "Range", "Size")}
