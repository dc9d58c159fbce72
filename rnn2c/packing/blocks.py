"""Blocks of units whose rows a kernel computes together: in which order they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.ir.program import Dot, Program

LEAST_SHIFT, HIGH_SHIFT = 17, 32
"""Shifts with which a multiplier of 16 bits is one of high_round."""

MOST_UP = 4
"""The power of two by which sums are raised at most so that a smaller shift is one of these."""

Row = tuple[int, int]
"""(unit within the block, result)"""

Segments = tuple[tuple[int, ...], ...]
"""The results that each segment of a dot product has."""


@dataclass(frozen=True, eq=False)
class Content:
    """What a stream is made of.

    matrices: [units, results of the segment, columns] for each segment; bias: [units, results],
    the first values of the sums; multipliers: [units], of results that have them; lifted: the power
    of two that these are multiples of where the sum is raised most.
    """

    matrices: tuple[IntArray, ...]
    segments: Segments
    bias: IntArray
    multipliers: Mapping[int, IntArray] = field(default_factory=dict)
    lifted: Mapping[int, int] = field(default_factory=dict)

    def first(self, units: int) -> IntArray:
        """The first values [blocks, units of a block, results, 1]."""
        return blocked(self.bias[:, :, None], units)

    def scales(self, units: int) -> dict[int, IntArray]:
        """The multipliers [blocks, units of a block, 1]."""
        return {r: blocked(m[:, None], units) for r, m in self.multipliers.items()}


def raised_by(shifts: tuple[int, ...]) -> int:
    """The power of two by which sums are raised so that all these shifts of their requantizations
    are some of high_round; 0 where there is none.
    """
    up = max(LEAST_SHIFT - min(shifts), 0)
    return up if up <= MOST_UP and max(shifts) + up <= HIGH_SHIFT else 0


def groups(units: int, results: int, segments: Segments) -> list[tuple[list[Row], tuple[int, ...]]]:
    """Rows that are in the same segments, which have to lie together: no gaps in the numbers."""
    where = {r: tuple(s for s, rows in enumerate(segments) if r in rows) for r in range(results)}
    by_segments = sorted(range(results), key=lambda r: (where[r], r))
    together = [(list(rs), w) for w, rs in groupby(by_segments, key=lambda r: where[r])]
    return [([(u, r) for u in range(units) for r in rows], there) for rows, there in together]


def blocked(array: IntArray, units: int, columns: int = 1) -> IntArray:
    """[units, ..., columns] -> [blocks, units of a block, ..., columns], filled up with zeros to
    whole blocks and to a multiple of `columns`.
    """
    inner = [(0, 0)] * (array.ndim - 2)
    last = (0, -array.shape[-1] % columns)
    filled = np.pad(array, [(0, -array.shape[0] % units), *inner, last])
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


def content_of(program: Program, dot: Dot) -> Content:
    """What the stream of a dot product is made of, without multipliers."""
    matrices = tuple(np.asarray(m) for m in program.weight[dot.weight].matrices)
    bias = np.asarray(program.const[dot.bias].data).reshape(len(matrices[0]), len(dot.outs))
    return Content(matrices, tuple(s.results for s in dot.segments), bias)


class Unpacking:
    """A stream and the arrays that it is unpacked into."""

    def __init__(
        self,
        stream: IntArray,
        in_block: int,
        units: int,
        results: int,
        sizes: tuple[int, ...],
        segments: Segments,
        scaled: tuple[int, ...],
        lifted: Mapping[int, int],
    ) -> None:
        """in_block: units of a block; sizes: columns of the segments; scaled: results with
        multipliers; lifted: as in Content.
        """
        self.lifted = lifted
        self.stream = self.rest = stream
        self.units, self.sizes, self.segments = units, sizes[: len(segments)], segments
        self.blocks = -(-units // in_block)
        self.bias = np.zeros((self.blocks, in_block, results), np.int64)
        self.scales = {r: np.zeros((self.blocks, in_block), np.int64) for r in scaled}
        self.matrices = [
            np.zeros((self.blocks, in_block, len(rows), size), np.int64)
            for rows, size in zip(segments, self.sizes, strict=True)
        ]

    def begin(self, stream: IntArray) -> None:
        """From here on all blocks, which are alike, are read at once."""
        self.rest = stream.reshape(self.blocks, -1)

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

    def done(self) -> Content:
        """All that was read, of the units that there are."""
        return Content(
            tuple(m.reshape(-1, *m.shape[2:])[: self.units] for m in self.matrices),
            self.segments,
            self.bias.reshape(-1, self.bias.shape[2])[: self.units],
            {r: m.ravel()[: self.units] for r, m in self.scales.items()},
            self.lifted,
        )
