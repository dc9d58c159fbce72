"""rows16: rows of 8-bit weights in chunks of columns, for cores with MVE and for kernels in C.

With MVE a chunk has the columns that one instruction multiplies: 16 of a vector of 8-bit elements,
8 of one of 16-bit elements; in C it has 4.  The last chunk of a segment has those that are left.
The stream of a block of units is, for each segment: the first values of the sums that begin there;
for each chunk the weights of every row, filled up to a word; the multipliers of the sums that end
there.  With MVE there is room after the last block to read a whole chunk wherever one begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Content, Row, Segments, Unpacking, blocked, groups, signed

CHUNK = {"i8": 16, "i16": 8}
"""Type of a vector's elements -> columns of a chunk."""

COLUMNS_IN_C = {"i8": 4, "i16": 4}
"""The same for kernels in C."""

BLOCKS = {1: 4, 2: 2, 3: 2, 4: 1, 5: 1, 6: 1}
"""Rows of a unit in one segment -> units of a block, which has at most 6 rows there."""

OTHER_BLOCKS = (1, 2, 3, 5, 6)
"""Units of a block, of one row each, where that is less work than blocks of 4."""

ROWS_IN_C = 8
"""Of a block, at most, in one segment."""

CALL, PARTIAL = 25, 10
"""About the instructions of a kernel beside its chunks; more for each if the last is partial."""

WORD = 4


@dataclass(frozen=True)
class Sum:
    """A row that is summed from segment `first` to segment `last`, in accumulator `slot`."""

    row: Row
    first: int
    last: int
    slot: int


@dataclass(frozen=True)
class Layout:
    """The sums of a block of `units` units; chunk: columns of a chunk of each segment; room: words
    after the last block.
    """

    units: int
    results: int
    sums: tuple[Sum, ...]
    chunk: tuple[int, ...]
    room: int = max(CHUNK.values()) // WORD

    def of(self, segment: int) -> tuple[Sum, ...]:
        """The sums of a segment, by slot: the order of their weights."""
        there = (s for s in self.sums if s.first <= segment <= s.last)
        return tuple(sorted(there, key=lambda s: s.slot))

    def beginning(self, segment: int) -> tuple[Sum, ...]:
        return tuple(s for s in self.of(segment) if s.first == segment)

    def ending(self, segment: int) -> tuple[Sum, ...]:
        return tuple(s for s in self.of(segment) if s.last == segment)

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: no sum is raised."""
        return ((0,) * self.results,) * self.units

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: where a sum goes, those first that end last."""
        order = sorted(self.sums, key=lambda s: (-s.last, s.slot))
        at = {s.row: k for k, s in enumerate(order)}
        return tuple(tuple(at[u, r] for r in range(self.results)) for u in range(self.units))


def layout(
    results: int,
    segments: Segments,
    types: tuple[str, ...],
    block_units: Mapping[int, int] = BLOCKS,
) -> Layout | None:
    """Which rows are summed together; None if a kernel has too few registers for them, or one is
    in segments that do not follow each other.

    segments: the results that each segment has; types: the type of its vector's elements;
    block_units: as in BLOCKS.
    """
    units = block_units.get(max(map(len, segments)), 0)
    together = sorted(groups(units, results, segments), key=lambda g: (g[1][0], -g[1][-1]))
    has_gap = any(there[-1] - there[0] >= len(there) for _, there in together)
    if not units or has_gap or any(t not in CHUNK for t in types):
        return None
    taken: dict[int, int] = {}  # slot -> the last segment that needs it
    sums: list[Sum] = []
    for rows, there in together:
        for row in rows:
            slot = next(s for s in range(len(taken) + 1) if taken.get(s, -1) < there[0])
            taken[slot] = there[-1]
            sums.append(Sum(row, there[0], there[-1], slot))
    return Layout(units, results, tuple(sums), tuple(CHUNK[t] for t in types))


def layout_in_c(
    results: int, segments: Segments, types: tuple[str, ...], units: int
) -> Layout | None:
    """The same for a kernel in C with blocks of so many units."""
    rows = max(map(len, segments))
    form = layout(results, segments, types, {rows: units} if rows * units <= ROWS_IN_C else {})
    chunk = tuple(COLUMNS_IN_C[t] for t in types)
    return replace(form, chunk=chunk, room=0) if form is not None else None


def fits(form: Layout, of: Content) -> bool:
    """Every matrix of 8-bit weights can be stored."""
    return True


def cost(form: Layout, of: Content) -> int:
    """About the instructions that all blocks take: a load for a chunk, two for each of its rows."""
    of_block = sum(
        -(-m.shape[2] // form.chunk[s]) * (1 + 2 * len(form.of(s)))
        for s, m in enumerate(of.matrices)
    )
    units = len(of.bias)
    blocks, missing = -(-units // form.units), -units % form.units
    return int(blocks * (of_block + CALL + (PARTIAL if missing else 0)))


def cost_in_c(form: Layout, of: Content) -> int:
    """The same in C: three for a weight, one for an element, and what sums take in memory."""
    of_block = sum(
        m.shape[2] * (1 + 3 * len(form.of(s))) + 3 * -(-m.shape[2] // form.chunk[s])
        for s, m in enumerate(of.matrices)
    )
    blocks = -(-len(of.bias) // form.units)
    return int(blocks * (of_block + CALL + 4 * len(form.sums)))


def chunks_in_c(turn: int) -> int:
    """Of one turn of a loop in C; turn: of the loops of other kernels, in columns."""
    return 1 if 0 < turn <= 16 else 2


def code_in_c(
    results: int, segments: Segments, sizes: tuple[int, ...], turn: int, units: int
) -> int:
    """A bound on the bytes of code of a kernel in C."""
    columns = max(COLUMNS_IN_C.values()) * chunks_in_c(turn)
    written = [columns + n % columns if n >= 2 * columns else n for n in sizes]
    rows = [units * len(there) for there in segments]
    weights = sum(n * count for n, count in zip(rows, written, strict=True))
    return 80 + 10 * weights + 40 * len(segments) + 36 * units * results


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of words, u32."""
    first, scales = of.first(form.units), of.scales(form.units)
    parts: list[IntArray] = []
    for s, matrix in enumerate(of.matrices):
        parts += [first[:, b.row[0], b.row[1]] for b in form.beginning(s)]
        rows = rows_of(form, matrix, of.segments[s], s)
        parts += chunks(rows, form.chunk[s])
        ending = [b.row for b in form.ending(s)]
        parts += [scales[r][:, u] for u, r in ending if r in scales]
    room = np.zeros(form.room, np.int64)
    return np.concatenate([np.concatenate(parts, axis=1).ravel(), room]) & 0xFFFFFFFF


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    to.begin(to.stream[: to.stream.size - form.room])
    for s, size in enumerate(to.sizes):
        for b in form.beginning(s):
            to.bias[:, b.row[0], b.row[1]] = signed(to.take(1)[:, 0], 32)
        there = form.of(s)
        for begin in range(0, size, form.chunk[s]):
            columns = min(form.chunk[s], size - begin)
            part = to.take(-(-columns * len(there) // WORD))
            apart = (part[:, :, None] >> np.arange(0, 32, 8)).reshape(to.blocks, -1)
            for k, b in enumerate(there):
                octets = apart[:, k * columns : (k + 1) * columns]
                to.row(s, b.row)[:, begin : begin + columns] = signed(octets, 8)
        to.take_multipliers(b.row for b in form.ending(s))


def rows_of(
    form: Layout, matrix: IntArray, results: tuple[int, ...], segment: int
) -> list[IntArray]:
    """The rows [blocks, columns] of a segment, in the order of their weights."""
    of_unit = blocked(matrix, form.units)
    return [of_unit[:, b.row[0], results.index(b.row[1])] for b in form.of(segment)]


def chunks(rows: list[IntArray], columns: int) -> list[IntArray]:
    """The words [blocks, words] of rows in chunks of so many columns."""
    begins = range(0, rows[0].shape[1], columns)
    return [words(np.concatenate([r[:, k : k + columns] for r in rows], axis=1)) for k in begins]


def words(octets: IntArray) -> IntArray:
    """[blocks, bytes] -> [blocks, words], the lowest byte first, filled up with zeros."""
    filled = np.pad(octets & 0xFF, [(0, 0), (0, -octets.shape[1] % WORD)])
    made: IntArray = (filled.reshape(len(octets), -1, WORD) << np.arange(0, 32, 8)).sum(axis=2)
    return made
