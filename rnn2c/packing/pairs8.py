"""pairs8: two rows of 8-bit weights in a halfword, two columns in a word, for cores with SMLAD.

A halfword is 256 * high + low, a signed sum, so one multiply-accumulate of the word as it stands
gives 256 * (high row) + (low row), and one of its low bytes gives the low row: exact and lossless
for weights of -127 .. 127.  For cores that multiply row by row the bytes are the rows themselves,
any weights.  The stream of a block of units is, for each segment: the first values
of the sums that begin there; for each two columns a word of every pair of rows; the multipliers of
the sums that end there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import blocks
from rnn2c.packing.blocks import (
    Content,
    Row,
    Segments,
    Unpacking,
    blocked,
    groups,
    halves,
    signed,
)

COLUMNS = 4
"""Segments are filled up with zeros to a multiple of these, where a layout names no other."""

MOST_PAIRS = 3
BLOCKS = {1: 4, 2: 2, 3: 2, 4: 1, 6: 1}
"""Rows of a unit in one segment -> units of a block, so that a block has 4 or 6 rows."""

NARROW = {1: 2}
"""The same for blocks of 2 rows, where those of 4 would be filled up."""


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

    columns: segments are filled up with zeros to a multiple of these; apart: the bytes of a
    halfword are its rows, none borrows from the other.
    """

    units: int
    results: int
    pairs: tuple[Pair, ...]
    columns: int
    apart: bool = False

    def of(self, segment: int) -> tuple[Pair, ...]:
        """The pairs of a segment, by slot: the order of their words."""
        there = (p for p in self.pairs if p.first <= segment <= p.last)
        return tuple(sorted(there, key=lambda p: p.slot))

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: 8 for the high rows where a sum has them 2^8 times."""
        highs = set() if self.apart else {p.high for p in self.pairs}
        return tuple(
            tuple(8 if (u, r) in highs else 0 for r in range(self.results))
            for u in range(self.units)
        )

    def first(self, p: Pair, values: IntArray) -> tuple[IntArray, IntArray]:
        """What the accumulators of a pair begin with, of the first values [..., unit, result]."""
        high, low = values[..., p.high[0], p.high[1]], values[..., p.low[0], p.low[1]]
        return (high if self.apart else 256 * high + low), low

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
    segments: Segments,
    columns: int = COLUMNS,
    block_units: Mapping[int, int] = BLOCKS,
    most_pairs: int = MOST_PAIRS,
    apart: bool = False,
) -> Layout | None:
    """How the rows of a dot product are paired; None if these do not come out even.

    segments: the results that each segment has; block_units: as in BLOCKS.
    """
    units = block_units.get(max(map(len, segments)), 0)
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
    return Layout(units, results, pairs, columns, apart)


def fits(form: Layout, of: Content) -> bool:
    """Whether every pair of weights goes into a halfword."""
    return all(
        np.abs(_both(form, high, low) + 0.5).max(initial=0) < 2**15
        for s, matrix in enumerate(of.matrices)
        for high, low in _rows(form, matrix, of.segments[s], s)
    )


def cost(form: Layout, of: Content, two_words: int) -> int:
    """About the instructions that the columns of all blocks take.

    two_words: for so many words of weights, with their share of loads and of the loop.
    """
    words_of_block = sum(
        len(form.of(s)) * -(-m.shape[2] // form.columns) * form.columns // 2
        for s, m in enumerate(of.matrices)
    )
    count = -(-len(of.bias) // form.units)
    return int(count * words_of_block * two_words // 2)


def cost_of_narrow(form: Layout, of: Content, two_words: int, call: int) -> int:
    """The same for blocks of 2 rows, with the calls that blocks of 4 would not take.

    call: what a kernel takes beside its columns.
    """
    units = len(of.bias)
    more = -(-units // form.units) - -(-units // BLOCKS[1])
    return cost(form, of, two_words) + call * more


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of words, u32."""
    first, scales = of.first(form.units)[..., 0], of.scales(form.units)
    parts: list[IntArray] = []
    for s, matrix in enumerate(of.matrices):
        beginning = (p for p in form.of(s) if p.first == s)
        parts += [value[:, None] for p in beginning for value in form.first(p, first)]
        parts.append(words(form, matrix, of.segments[s], s).reshape(len(first), -1))
        parts += [scales[r][:, u] for u, r in form.ending(s) if r in scales]
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    to.begin(to.stream)
    for s, size in enumerate(to.sizes):
        for p in (p for p in form.of(s) if p.first == s):
            both, low = (signed(word, 32) for word in to.take(2).T)
            to.bias[:, p.low[0], p.low[1]] = low
            to.bias[:, p.high[0], p.high[1]] = both if form.apart else signed(both - low, 32) >> 8
        pairs, columns = form.of(s), -(-size // form.columns) * form.columns
        part = to.take(columns // 2 * len(pairs)).reshape(to.blocks, -1, len(pairs))
        both = halves(part)[:, :size]
        for k, p in enumerate(pairs):
            low_row = to.row(s, p.low)
            low_row[:] = signed(both[:, :, k], 8)
            borrow = 0 if form.apart else low_row
            to.row(s, p.high)[:] = (signed(both[:, :, k], 16) - borrow) >> 8
        to.take_multipliers(form.ending(s))


def words(form: Layout, matrix: IntArray, results: tuple[int, ...], segment: int) -> IntArray:
    """The words of a segment: [blocks, two columns each, pairs]."""
    rows = _rows(form, matrix, results, segment)
    return blocks.words(np.stack([_both(form, high, low) for high, low in rows], axis=2))


def _both(form: Layout, high: IntArray, low: IntArray) -> IntArray:
    """Halfwords of two rows."""
    return 256 * high + (low & 255 if form.apart else low)


def _rows(
    form: Layout, matrix: IntArray, results: tuple[int, ...], segment: int
) -> list[tuple[IntArray, IntArray]]:
    """High and low rows [blocks, columns] of every pair of a segment, columns filled up."""
    filled = blocked(matrix, form.units, form.columns)
    return [
        tuple(filled[:, u, results.index(r)] for u, r in (p.high, p.low))  # type: ignore[misc]
        for p in form.of(segment)
    ]
