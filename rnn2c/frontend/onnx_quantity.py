"""Tensors of an ONNX graph that hold integers in place of reals, until they are turned back.

    Quantity = Given          a constant: integers with their scale and zero point
             | Codes          a computed value, rounded as its QuantizeLinear says
             | Dynamic        a computed value in 8 bits, whose scale is found while it runs
             | DynamicScale   that scale, times a constant;  DynamicZero: its zero point
             | DynamicSum     its product with integer weights, before the scales

An operator that knows nothing of them sees a Given as the reals it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnn2c.frontend.given import Array, Given
from rnn2c.frontend.values import Operand, Value
from rnn2c.ir.graph import Format


@dataclass(frozen=True)
class Codes:
    """`value` is already rounded and limited; the integers of the source are offset + ours."""

    value: Value
    form: Format
    offset: int


@dataclass(frozen=True, eq=False)
class Dynamic:
    """8-bit integers of `source`."""

    source: Value


@dataclass(frozen=True, eq=False)
class DynamicScale:
    """The scale of those integers, times `factor`."""

    dynamic: Dynamic
    factor: Array


@dataclass(frozen=True, eq=False)
class DynamicZero:
    """The zero point of those integers."""

    dynamic: Dynamic


@dataclass(frozen=True, eq=False)
class DynamicSum:
    """(codes - zero point) times the integers of `weight`.

    kernel: how a convolution does that, with its weight [out, features, kernel]; None: a matrix
    [in, out].
    """

    dynamic: Dynamic
    weight: Given
    kernel: Callable[[Given], Value] | None = None


DynamicNumber = Dynamic | DynamicScale | DynamicZero | DynamicSum
Quantity = Given | Codes | DynamicNumber


def shown(quantity: Quantity) -> Operand:
    """What an operator sees that knows nothing of quantities."""
    match quantity:
        case Given():
            return np.asarray(quantity.real(), np.float32)
        case Codes(value=value) | Dynamic(source=value):
            return value
        case DynamicScale(dynamic=dynamic) | DynamicZero(dynamic=dynamic):
            return dynamic.source
        case DynamicSum(dynamic=dynamic):
            return dynamic.source
