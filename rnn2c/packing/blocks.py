"""Blocks of units whose rows a kernel computes together: in which order they are stored."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import numpy as np

from rnn2c.ir.graph import IntArray

LEAST_SHIFT, HIGH_SHIFT = 17, 32
"""Shifts with which a multiplier of 16 bits is one of high_round."""

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


def blocked(array: IntArray, units: int, columns: int = 1) -> IntArray:
    """[units, rows, columns] -> [blocks, units of a block, rows, columns], filled up with zeros to
    whole blocks and to a multiple of `columns`.
    """
    filled = np.pad(array, [(0, -array.shape[0] % units), (0, 0), (0, -array.shape[2] % columns)])
    return filled.reshape(-1, units, *filled.shape[1:])


def words(halves: IntArray) -> IntArray:
    """[blocks, columns, ...] of halfwords -> [blocks, columns / 2, ...] of words."""
    return (halves[:, 0::2] & 0xFFFF) | ((halves[:, 1::2] & 0xFFFF) << 16)


def halves(stream: IntArray) -> IntArray:
    """The inverse of words, halfwords as unsigned numbers."""
    both = np.stack([stream & 0xFFFF, stream >> 16], axis=2)
    return both.reshape(stream.shape[0], 2 * stream.shape[1], *stream.shape[2:])


def signed(value: IntArray, bits: int) -> IntArray:
    """The lowest bits as a signed number."""
    half = 1 << (bits - 1)
    return ((value & (2 * half - 1)) ^ half) - half


class Unpacking:
    """A stream, read block by block at once, and the arrays that it is unpacked into."""

    def __init__(
        self,
        stream: IntArray,
        in_block: int,
        units: int,
        results: int,
        sizes: tuple[int, ...],
        segments: tuple[tuple[int, ...], ...],
        scaled: tuple[int, ...],
    ) -> None:
        """in_block: units of a block; sizes: columns of the segments; scaled: results with
        multipliers.
        """
        self.units, self.segments = units, segments
        self.blocks = -(-units // in_block)
        self.rest = stream.reshape(self.blocks, -1)
        self.bias = np.zeros((self.blocks, in_block, results), np.int64)
        self.scales = {r: np.zeros((self.blocks, in_block), np.int64) for r in scaled}
        self.matrices = [
            np.zeros((self.blocks, in_block, len(rows), size), np.int64)
            for rows, size in zip(segments, sizes, strict=False)
        ]

    def take(self, count: int) -> IntArray:
        """The next words [blocks, count]."""
        taken, self.rest = self.rest[:, :count], self.rest[:, count:]
        return taken

    def row(self, segment: int, row: Row) -> IntArray:
        """The weights [blocks, columns] of a row, to be filled."""
        unit, result = row
        return self.matrices[segment][:, unit, self.segments[segment].index(result)]

    def take_multipliers(self, rows: Iterable[Row]) -> None:
        """The next words are those of these rows that have them."""
        for unit, result in rows:
            if result in self.scales:
                self.scales[result][:, unit] = self.take(1)[:, 0]

    def done(self) -> tuple[tuple[IntArray, ...], IntArray, dict[int, IntArray]]:
        """Matrices, first values, multipliers of the units that there are."""
        return (
            tuple(m.reshape(-1, *m.shape[2:])[: self.units] for m in self.matrices),
            self.bias.reshape(-1, self.bias.shape[2])[: self.units],
            {r: m.ravel()[: self.units] for r, m in self.scales.items()},
        )
