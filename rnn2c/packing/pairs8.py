"""pairs8: two rows of 8-bit weights in a halfword, two columns in a word, for cores with SMLAD.

A halfword is 256 * high + low, a signed sum, so one multiply-accumulate of the word as it stands
gives 256 * (high row) + (low row), and one of its low bytes gives the low row: exact and lossless
for weights of -127 .. 127.  The stream of a block of units is, for each segment: the first values
of the sums that begin there; for each two columns a word of every pair of rows; the multipliers of
the sums that end there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Row, blocked, groups, signed

COLUMNS = 4
"""Segments are filled up with zeros to a multiple of these, where a layout names no other."""

MOST_PAIRS = 3
BLOCKS = {1: 4, 2: 2, 3: 2, 4: 1, 6: 1}
"""Rows of a unit in one segment -> units of a block, so that a block has 4 or 6 rows."""


@dataclass(frozen=True)
class Pair:
    """Two rows that share a word, from segment `first` to segment `last`.

    slot: which accumulators hold it in the meantime; place: where the high sum goes, before the
    low one.
    """

    high: Row
    low: Row
    first: int
    last: int
    slot: int
    place: int


@dataclass(frozen=True)
class Layout:
    """The pairs of a block of `units` units, in the order in which they begin.

    columns: segments are filled up with zeros to a multiple of these.
    """

    units: int
    results: int
    pairs: tuple[Pair, ...]
    columns: int

    def of(self, segment: int) -> tuple[Pair, ...]:
        """The pairs of a segment, by slot: the order of their words."""
        there = (p for p in self.pairs if p.first <= segment <= p.last)
        return tuple(sorted(there, key=lambda p: p.slot))

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: 8 for the high rows, since a halfword has them 2^8 times."""
        highs = {p.high for p in self.pairs}
        return tuple(
            tuple(8 if (u, r) in highs else 0 for r in range(self.results))
            for u in range(self.units)
        )

    def ending(self, segment: int) -> tuple[Row, ...]:
        """The rows whose sums are complete after a segment, in the order of the accumulators."""
        return tuple(row for p in self.of(segment) if p.last == segment for row in (p.high, p.low))

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: where a sum goes."""
        at = {p.high: p.place for p in self.pairs} | {p.low: p.place + 1 for p in self.pairs}
        return tuple(tuple(at[u, r] for r in range(self.results)) for u in range(self.units))


def layout(
    results: int,
    segments: tuple[tuple[int, ...], ...],
    columns: int = COLUMNS,
    blocks: Mapping[int, int] = BLOCKS,
    most_pairs: int = MOST_PAIRS,
) -> Layout | None:
    """How the rows of a dot product are paired; None if these do not come out even.

    segments: the results that each segment has; blocks: units of a block, as in BLOCKS.
    """
    units = blocks.get(max(map(len, segments)), 0)
    together = groups(units, results, segments)
    if not units or any(len(rows) % 2 for rows, _ in together):
        return None
    taken: dict[int, int] = {}  # slot -> the last segment that needs it
    begun: list[tuple[Row, Row, int, int, int]] = []
    for rows, there in sorted(together, key=lambda g: (g[1][0], -g[1][-1])):
        for k in range(0, len(rows), 2):
            slot = next(s for s in range(len(rows) + len(taken)) if taken.get(s, -1) < there[0])
            taken[slot] = there[-1]
            begun.append((rows[k], rows[k + 1], there[0], there[-1], slot))
    if max(taken) >= most_pairs:
        return None
    order = sorted(range(len(begun)), key=lambda k: (-begun[k][3], begun[k][4]))
    pairs = tuple(
        Pair(high, low, first, last, slot, 2 * order.index(k))
        for k, (high, low, first, last, slot) in enumerate(begun)
    )
    return Layout(units, results, pairs, columns)


def fits(
    form: Layout, matrices: tuple[IntArray, ...], segments: tuple[tuple[int, ...], ...]
) -> bool:
    """Whether every pair of weights goes into a halfword."""
    return all(
        np.abs(256 * high + low + 0.5).max(initial=0) < 2**15
        for s, matrix in enumerate(matrices)
        for high, low in _rows(form, matrix, segments[s], s)
    )


def cost(
    form: Layout, matrices: tuple[IntArray, ...], segments: tuple[tuple[int, ...], ...]
) -> int:
    """About the instructions that the columns of all blocks take: 3 for a word, loads, the loop."""
    words_of_block = sum(
        len(form.of(s)) * 2 * -(-m.shape[2] // COLUMNS) for s, m in enumerate(matrices)
    )
    blocks = -(-matrices[0].shape[0] // form.units)
    return int(blocks * words_of_block * 7 // 2)


def pack(
    form: Layout,
    matrices: tuple[IntArray, ...],
    segments: tuple[tuple[int, ...], ...],
    bias: IntArray,
    multipliers: Mapping[int, IntArray],
) -> IntArray:
    """[units, results, columns] per segment and bias [units, results] -> a stream of words, u32.

    multipliers: [units] of results that have them.
    """
    blocks = -(-matrices[0].shape[0] // form.units)
    first = blocked(bias[:, :, None], form.units)
    scales = {r: blocked(m[:, None, None], form.units) for r, m in multipliers.items()}
    parts: list[IntArray] = []
    for s, matrix in enumerate(matrices):
        for p in (p for p in form.of(s) if p.first == s):
            low = first[:, p.low[0], p.low[1]]
            parts += [256 * first[:, p.high[0], p.high[1]] + low, low]
        parts.append(words(form, matrix, segments[s], s).reshape(blocks, -1))
        parts += [scales[r][:, u, 0] for u, r in form.ending(s) if r in scales]
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack(
    form: Layout, stream: IntArray, sizes: tuple[int, ...], segments: tuple[tuple[int, ...], ...],
    units: int, scaled: tuple[int, ...],
) -> tuple[tuple[IntArray, ...], IntArray, dict[int, IntArray]]:  # fmt: skip
    """The inverse of pack: matrices, bias and the multipliers of the results `scaled`."""
    blocks = -(-units // form.units)
    rows = stream.reshape(blocks, -1)
    bias = np.zeros((blocks, form.units, form.results), np.int64)
    scales = {r: np.zeros((blocks, form.units), np.int64) for r in scaled}
    matrices, at = [], 0
    for s, size in enumerate(sizes):
        for p in (p for p in form.of(s) if p.first == s):
            both, low = signed(rows[:, at], 32), signed(rows[:, at + 1], 32)
            bias[:, p.low[0], p.low[1]] = low
            bias[:, p.high[0], p.high[1]] = signed((both - low) & 0xFFFFFFFF, 32) >> 8
            at += 2
        pairs, columns = form.of(s), -(-size // form.columns) * form.columns
        part = rows[:, at : at + columns // 2 * len(pairs)].reshape(blocks, -1, len(pairs))
        at += columns // 2 * len(pairs)
        halves = np.stack([part & 0xFFFF, part >> 16], axis=2).reshape(blocks, columns, -1)
        matrix = np.zeros((blocks, form.units, len(segments[s]), size), np.int64)
        for k, p in enumerate(pairs):
            low = signed(halves[:, :size, k] & 0xFF, 8)
            high = (signed(halves[:, :size, k], 16) - low) >> 8
            matrix[:, p.low[0], segments[s].index(p.low[1])] = low
            matrix[:, p.high[0], segments[s].index(p.high[1])] = high
        matrices.append(matrix.reshape(-1, len(segments[s]), size)[:units])
        for u, r in (row for row in form.ending(s) if row[1] in scales):
            scales[r][:, u] = rows[:, at]
            at += 1
    multipliers = {r: m.ravel()[:units] for r, m in scales.items()}
    return tuple(matrices), bias.reshape(-1, form.results)[:units], multipliers


def words(form: Layout, matrix: IntArray, results: tuple[int, ...], segment: int) -> IntArray:
    """The words of a segment: [blocks, two columns each, pairs]."""
    halves = np.stack([256 * a + b for a, b in _rows(form, matrix, results, segment)], axis=2)
    return (halves[:, 0::2] & 0xFFFF) | ((halves[:, 1::2] & 0xFFFF) << 16)


def _rows(
    form: Layout, matrix: IntArray, results: tuple[int, ...], segment: int
) -> list[tuple[IntArray, IntArray]]:
    """High and low rows [blocks, columns] of every pair of a segment, columns filled up."""
    by_block = blocked(matrix, form.units)
    filled = np.pad(by_block, [(0, 0)] * 3 + [(0, -matrix.shape[2] % form.columns)])
    return [
        tuple(filled[:, u, results.index(r)] for u, r in (p.high, p.low))  # type: ignore[misc]
        for p in form.of(segment)
    ]
