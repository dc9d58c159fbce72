"""What the interpreter computes on numpy arrays [N, ...], checked against the C types."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnn2c.arith_tree import LIMITS, REAL, primitive, tree
from rnn2c.ir.graph import NumberArray
from rnn2c.ir.program import Buffer, Fold, Reduce

EXACT_FLOAT = 2**53


def dtype_of(type_: str) -> type[np.float32] | type[np.int64]:
    """What holds values of a type: float32, or int64 for every integer."""
    return np.float32 if type_ == REAL else np.int64


def called(name: str, operands: list[NumberArray | np.int64], out: str) -> NumberArray:
    """The result of a primitive; operands are converted as the parameters say."""
    function = tree(name)
    converted = [
        np.asarray(operand, np.float32) if type_ == REAL else operand
        for operand, (_, type_) in zip(operands, function.parameters, strict=True)
    ]
    result: NumberArray = primitive(name)(*converted)
    return result if function.returns == REAL else fits(result, function.returns, out)


def product(matrix: NumberArray, vector: NumberArray) -> NumberArray:
    """[units, results, columns] times [N, columns]: [N, units, results], exact integers.

    float64 adds integers exactly below 2^53 and is much faster than an int64 product.
    """
    units, results, columns = matrix.shape
    flat = matrix.reshape(units * results, columns)
    largest = int(np.abs(matrix).max(initial=0)) * int(np.abs(vector).max(initial=0)) * columns
    if largest < EXACT_FLOAT:
        exact = np.asarray(vector.astype(np.float64) @ flat.T.astype(np.float64), np.int64)
    else:
        exact = vector @ flat.T
    return exact.reshape(-1, units, results)


def reduced(op: Reduce, source: NumberArray) -> NumberArray:
    """The result [N, 1] of a reduction of [N, size]."""
    if op.function == "argmax":
        return np.asarray(source.argmax(axis=1)[:, None], np.int64)
    fn: Callable[..., NumberArray] = primitive(op.function)
    if isinstance(op, Fold):
        total: NumberArray = np.full(len(source), op.start, source.dtype)
        for k in range(op.size):
            total = fn(total, source[:, k], *op.more)
        return total[:, None]
    result: NumberArray = source[:, 0]
    for k in range(1, op.size):
        result = fn(result, source[:, k])
    return result[:, None]


def fitting(value: NumberArray, buffer: Buffer) -> NumberArray:
    """The values themselves if their buffer may hold them; a real buffer holds every number."""
    if buffer.type == REAL:
        return value
    return _within(value, buffer.lo, buffer.hi, buffer.name)


def fits(value: NumberArray, width: str, what: str) -> NumberArray:
    """The values themselves if this width holds them."""
    return _within(value, *LIMITS[width], what)


def _within(value: NumberArray, lo: int, hi: int, what: str) -> NumberArray:
    if value.size and (value.min() < lo or value.max() > hi):
        raise OverflowError(f"{what} in [{value.min()}, {value.max()}] leaves [{lo}, {hi}]")
    return value
