"""Blocks of units whose rows a kernel computes together: in which order they are stored."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from rnn2c.ir.graph import IntArray

Row = tuple[int, int]
"""(unit within the block, result)"""


def groups(
    units: int, results: int, segments: tuple[tuple[int, ...], ...]
) -> list[tuple[list[Row], tuple[int, ...]]]:
    """Rows that are in the same segments, which have to lie together: no gaps in the numbers."""
    where = {r: tuple(s for s, rows in enumerate(segments) if r in rows) for r in range(results)}
    by_segments = sorted(range(results), key=lambda r: (where[r], r))
    together = [(list(rs), w) for w, rs in groupby(by_segments, key=lambda r: where[r])]
    return [([(u, r) for u in range(units) for r in rows], there) for rows, there in together]


def blocked(array: IntArray, units: int) -> IntArray:
    """[units, rows, columns] -> [blocks, units of a block, rows, columns], filled up with zeros."""
    filled = np.pad(array, [(0, -array.shape[0] % units), (0, 0), (0, 0)])
    return filled.reshape(-1, units, *array.shape[1:])


def signed(value: IntArray, bits: int) -> IntArray:
    """The number whose lowest bits these are."""
    half = 1 << (bits - 1)
    return (value ^ half) - half
