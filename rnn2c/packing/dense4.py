"""dense4: two weights per byte; the low half is an even column, the high half the next one.

The order is that of dense8 over pairs of columns; an odd last column has 0 beside it.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import dense8


def pack(matrices: tuple[IntArray, ...]) -> IntArray:
    """[units, results, columns] per segment, values -8..7 -> one stream of bytes."""
    return dense8.pack(tuple(_pairs(m) for m in matrices))


def _pairs(matrix: IntArray) -> IntArray:
    even = np.pad(matrix, ((0, 0), (0, 0), (0, matrix.shape[2] % 2)))
    return (even[:, :, 0::2] & 15) | ((even[:, :, 1::2] & 15) << 4)


def unpack(stream: IntArray, shapes: tuple[tuple[int, ...], ...]) -> tuple[IntArray, ...]:
    """The inverse of pack, given the shapes of the matrices."""
    paired = tuple((units, results, (columns + 1) // 2) for units, results, columns in shapes)
    result = []
    for packed, (units, results, columns) in zip(
        dense8.unpack(stream, paired), shapes, strict=True
    ):
        halves = np.stack([packed & 15, packed >> 4], axis=3).reshape(units, results, -1)
        result.append(((halves ^ 8) - 8)[:, :, :columns])
    return tuple(result)
