"""dense8: one byte per weight, in the order the loop reads them.

For each unit, for each segment, for each column: the rows of that column side by side.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir.graph import NumberArray


def pack(matrices: tuple[NumberArray, ...]) -> NumberArray:
    """[units, results, columns] per segment -> one stream of values."""
    units = matrices[0].shape[0]
    parts = [m.transpose(0, 2, 1).reshape(units, -1) for m in matrices]
    return np.concatenate(parts, axis=1).ravel()


def unpack(stream: NumberArray, shapes: tuple[tuple[int, ...], ...]) -> tuple[NumberArray, ...]:
    """The inverse of pack, given the shapes of the matrices."""
    units = shapes[0][0]
    ends = np.cumsum([results * columns for _, results, columns in shapes])[:-1]
    parts = np.split(stream.reshape(units, -1), ends, axis=1)
    return tuple(
        part.reshape(units, columns, results).transpose(0, 2, 1)
        for part, (_, results, columns) in zip(parts, shapes, strict=True)
    )
