"""ternary: the weights of a row are -m, 0 and m; two bits for each, and a byte for m.

For each unit, for each segment: the codes of four columns of a row in a byte, the first column in
the lowest bits, rows side by side; then m of each row.  Missing columns have code 0.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import dense8

COLUMNS = 4
"""Of a byte."""

ADDED, SUBTRACTED = 1, 2
"""Codes; 0: neither."""


def fits(matrices: tuple[IntArray, ...], vectors: tuple[tuple[int, int], ...]) -> bool:
    """Whether every row has one magnitude, of a byte, and its sum over a vector, whose elements are
    within these limits, has 32 bits.
    """
    reaches = [max(-lo, hi) for lo, hi in vectors]
    return all(
        is_ternary(m) and int(np.abs(m).sum(axis=2).max(initial=0)) * reach < 2**31
        for m, reach in zip(matrices, reaches, strict=True)
    )


def is_ternary(matrix: IntArray) -> bool:
    """Whether every row of [units, results, columns] has one magnitude, of at most a byte."""
    size = np.abs(matrix)
    m = magnitudes(matrix)[:, :, None]
    return bool(np.all((size == 0) | (size == m)) and np.all(m < 256))


def magnitudes(matrix: IntArray) -> IntArray:
    """m of every row [units, results]; 0 for one of zeros."""
    return np.asarray(np.abs(matrix).max(axis=2, initial=0), np.int64)


def codes(matrix: IntArray) -> IntArray:
    """The code of every weight."""
    return np.where(matrix > 0, ADDED, 0) + np.where(matrix < 0, SUBTRACTED, 0)


def pack(matrices: tuple[IntArray, ...]) -> IntArray:
    """[units, results, columns] per segment -> one stream of bytes."""
    return dense8.pack(tuple(_bytes(m) for m in matrices))


def _bytes(matrix: IntArray) -> IntArray:
    found = np.pad(codes(matrix), ((0, 0), (0, 0), (0, -matrix.shape[2] % COLUMNS)))
    fours = found.reshape(*matrix.shape[:2], -1, COLUMNS)
    packed = (fours << (2 * np.arange(COLUMNS))).sum(axis=3)
    return np.concatenate([packed, magnitudes(matrix)[:, :, None]], axis=2)


def unpack(stream: IntArray, shapes: tuple[tuple[int, ...], ...]) -> tuple[IntArray, ...]:
    """The inverse of pack, given the shapes of the matrices."""
    counts = tuple((units, results, -(-n // COLUMNS) + 1) for units, results, n in shapes)
    result = []
    for stored, shape in zip(dense8.unpack(stream, counts), shapes, strict=True):
        found = (stored[:, :, :-1, None] >> (2 * np.arange(COLUMNS))) & 3
        signs = (found == ADDED).astype(np.int64) - (found == SUBTRACTED)
        rows = signs.reshape(*shape[:2], -1)[:, :, : shape[2]]
        result.append(rows * stored[:, :, -1:])
    return tuple(result)
