"""Keras layers that make one tensor of several, element by element or side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rnn2c.frontend.builder import Builder
from rnn2c.frontend.compose import extreme_of
from rnn2c.frontend.keras_call import Call, Handler
from rnn2c.frontend.pointwise import product_of, scaled_by, sum_of
from rnn2c.frontend.values import Value, quoted

Pair = Callable[[Builder, str, Value, Value, str], Value]


def merged(pair: Pair, *, only_two: bool = False) -> Handler:
    """A handler that combines all operands, two at a time."""

    def handler(call: Call) -> Sequence[Value]:
        if len(call.operands) < 2 or (only_two and len(call.operands) > 2):
            wanted = "2" if only_two else "2 or more"
            raise call.refuse(f"reads {len(call.operands)} tensors, expected {wanted}")
        first, *others = call.operands
        for k, other in enumerate(others, 1):
            name = call.spec.name if k == len(others) else ""
            first = pair(call.builder, name, first, other, call.where)
        _pass_mask(call)
        return [first]

    return handler


def _pass_mask(call: Call) -> None:
    """A layer passes the one mask of its operands on; an operator, which has no settings, none."""
    if "trainable" in call.spec.config:
        call.passes, call.uses_mask = call.mask, True


def _difference(builder: Builder, name: str, a: Value, b: Value, where: str) -> Value:
    return sum_of(builder, name, a, b, where, subtract=True)


def _largest(builder: Builder, name: str, a: Value, b: Value, where: str) -> Value:
    return extreme_of(builder, name, a, b, where, largest=True)


def _smallest(builder: Builder, name: str, a: Value, b: Value, where: str) -> Value:
    return extreme_of(builder, name, a, b, where, largest=False)


def average(call: Call) -> Sequence[Value]:
    """The sum of all operands by their number."""
    (total,) = merged(sum_of)(call)
    return [scaled_by(call.builder, total, np.array(1 / len(call.operands)), call.where)]


def concatenate(call: Call) -> Sequence[Value]:
    """The features of all operands one after the other."""
    axis, rank = call.settings.take("axis"), len(call.operand.axes)
    if axis not in (-1, rank - 1):
        raise call.refuse(f"axis={quoted(axis)} is not supported; use axis=-1, the features")
    return [call.builder.layout.concat(call.operands, rank - 1, call.where)]


def logical_or(call: Call) -> Sequence[Value]:
    """The mask behind a layer that merges: of operands with one mask it is that mask."""
    if not call.mask or len(call.operands) != 2 or len({o.parts for o in call.operands}) != 1:
        raise call.refuse("is supported as part of a mask only, of data that has one mask")
    call.passes, call.uses_mask = call.mask, True
    return [call.operand]


HANDLERS: dict[str, Handler] = {
    "Add": merged(sum_of),
    "Average": average,
    "Concatenate": concatenate,
    "LogicalOr": logical_or,
    "Maximum": merged(_largest),
    "Minimum": merged(_smallest),
    "Multiply": merged(product_of),
    "Subtract": merged(_difference, only_two=True),
}
