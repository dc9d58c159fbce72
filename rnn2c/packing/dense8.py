"""dense8: one byte per weight, in the order the loop reads them.

For each unit, for each segment, for each column: the rows of that column side by side.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir.graph import IntArray


def pack(matrices: tuple[IntArray, ...]) -> IntArray:
    """[units, results, columns] per segment -> one stream of int8 values."""
    units = matrices[0].shape[0]
    parts = [m.transpose(0, 2, 1).reshape(units, -1) for m in matrices]
    return np.concatenate(parts, axis=1).ravel()


def unpack(stream: IntArray, shapes: tuple[tuple[int, ...], ...]) -> tuple[IntArray, ...]:
    """The inverse of pack, given the shapes of the matrices."""
    units = shapes[0][0]
    ends = np.cumsum([results * columns for _, results, columns in shapes])[:-1]
    parts = np.split(stream.reshape(units, -1), ends, axis=1)
    return tuple(
        part.reshape(units, columns, results).transpose(0, 2, 1)
        for part, (_, results, columns) in zip(parts, shapes, strict=True)
    )
