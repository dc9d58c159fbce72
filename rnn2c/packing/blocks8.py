"""blocks8: the blocks of weights that are not all zero, for matrices with zeros in blocks: the rows
of a block of units, two or four columns.

The rows are paired as in pairs8.  The stream of a block of units is a head of bytes, filled up to
words: how many more there are; for each segment the places of its stored blocks, counted from 1,
and END.  Then, for each segment: the first values of the sums that begin there; the stored blocks,
for each two columns a word of every pair of rows; the multipliers of the sums that end there, those
of the pairs of `halved` as 16-bit numbers, that of the low row in the upper half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import pairs8
from rnn2c.packing.blocks import Content, Row, Segments, Unpacking
from rnn2c.packing.pairs8 import Layout, Pair

END = 0
MOST = 255
"""What a byte holds."""

MOST_PAIRS = 4

TWO_UNITS = {1: 8, 2: 4, 4: 2}
"""Rows of a unit in one segment -> units of a block, so that a block has 8 rows."""


@dataclass(frozen=True)
class Effort:
    """What a kind of core takes for stored blocks.

    place: instructions to find one; word: those for a word of weights that is loaded, word_bytes:
    their bytes; longest: columns of a turn of a loop where the level sets no limit, 0: a block.
    """

    place: int
    word: int
    word_bytes: int
    longest: int

    def copies(self, turn: int, columns: int) -> int:
        """How many stored blocks a turn has, where other loops have `turn` columns (0: all).

        Two columns are counted for each that is stored: the loop may end in the middle of a turn.
        """
        return max((turn or self.longest) // (2 * columns), 1) if self.longest else 1


DSP = Effort(place=5, word=3, word_bytes=16, longest=32)
ARMV7M = Effort(place=5, word=8, word_bytes=36, longest=16)
ARMV6M = Effort(place=7, word=12, word_bytes=26, longest=0)
ARMV6M_APART = Effort(place=7, word=14, word_bytes=30, longest=0)

OVERHEAD = 8
"""Instructions, about, beside the stored blocks for every segment."""

KERNEL_BYTES, SEGMENT_BYTES, BLOCK_BYTES = 100, 90, 24
"""Of code: a kernel; every segment; every copy of the loop in it, beside the words."""

Blocks = list[tuple[IntArray, IntArray]]
"""For each segment words [block of units, place, words of a stored block] and which are stored."""


def layout_of_eight(results: int, segments: Segments, apart: bool = False) -> Layout | None:
    """The layout for blocks of 8 rows."""
    return pairs8.layout(
        results, segments, block_units=TWO_UNITS, most_pairs=MOST_PAIRS, apart=apart
    )


def halved(form: Layout, segment: int, lifted: Mapping[int, int]) -> dict[Pair, tuple[int, int]]:
    """The pairs that end with a segment and have both multipliers in one word, which saves bytes
    but takes some instructions: where rows are apart and one mask takes both out, else where many
    bytes are not weights.  With the powers of two of both; lifted: as in Content.
    """
    ending = [p for p in form.of(segment) if p.last == segment]
    if not form.apart:
        is_large = max(p.slot for p in form.pairs) == pairs8.MOST_PAIRS - 1
        ending = [p for p in ending if is_large and p.first < p.last]
    most: list[int] = [max(powers) for powers in zip(*form.raised, strict=True)]

    def power(row: Row) -> int:
        unit, result = row
        return lifted[result] + most[result] - form.raised[unit][result]

    scaled = [p for p in ending if {p.high[1], p.low[1]} <= lifted.keys()]
    return {p: (power(p.high), power(p.low)) for p in scaled}


def fits(form: Layout, of: Content, columns: int) -> bool:
    """Whether every pair of weights goes into a halfword, and every place and head into bytes."""
    places = sum(-(-m.shape[2] // columns) + 1 for m in of.matrices)
    most = max(-(-m.shape[2] // columns) for m in of.matrices)
    is_short = most <= MOST and _head_bytes(places) - 1 <= MOST
    return is_short and pairs8.fits(form, of)


def cost(form: Layout, of: Content, columns: int, effort: Effort) -> int:
    """About the instructions that the columns of all blocks take; compare pairs8.cost."""
    total = 0
    for s, (_, stored) in enumerate(_blocks(form, of, columns)):
        loads = 2 if len(form.of(s)) == MOST_PAIRS else 1
        one = effort.place + columns // 2 * (effort.word * len(form.of(s)) + loads)
        total += one * int(stored.sum()) + OVERHEAD * len(stored)
    return total


def code_bytes(form: Layout, segments: int, turn: int, columns: int, effort: Effort) -> int:
    """A bound on the code of a kernel with so many segments."""
    words = sum(len(form.of(s)) * columns // 2 for s in range(segments))
    of_blocks = effort.copies(turn, columns) * (segments * BLOCK_BYTES + words * effort.word_bytes)
    return KERNEL_BYTES + segments * SEGMENT_BYTES + of_blocks


def pack(form: Layout, of: Content, columns: int) -> IntArray:
    """The stream of words, u32."""
    first, scales = of.first(form.units)[..., 0], of.scales(form.units)
    blocks = _blocks(form, of, columns)
    parts: list[IntArray] = []
    for k in range(len(first)):
        parts.append(_head([np.flatnonzero(stored[k]) for _, stored in blocks]))
        for s, (words, stored) in enumerate(blocks):
            parts += [np.asarray(form.first(p, first[k])) for p in form.of(s) if p.first == s]
            parts.append(words[k, stored[k]].ravel())
            ending = {(u, r): scales[r][k, u] for u, r in form.ending(s) if r in scales}
            for p, (high, low) in halved(form, s, of.lifted).items():
                both = np.stack([ending.pop(p.high) >> high, ending.pop(p.low) >> low])
                assert both.max() < 2**16
                parts.append(both[0] | both[1] << 16)
            parts += ending.values()
    return np.concatenate(parts) & 0xFFFFFFFF


def unpack(form: Layout, to: Unpacking, columns: int) -> None:
    """The inverse of pack."""
    dense: list[IntArray] = []
    at = 0
    for _ in range(to.blocks):
        data = (to.stream[at : at + 256, None] >> np.arange(0, 32, 8) & 0xFF).ravel()
        ends = [0, *np.flatnonzero(data[1:] == END)[: len(to.sizes)] + 1]
        places = [data[a + 1 : b] - 1 for a, b in pairwise(ends)]
        at += (int(data[0]) + 1) // 4
        for s, size in enumerate(to.sizes):
            begun = 2 * sum(p.first == s for p in form.of(s))
            width = len(form.of(s)) * columns // 2
            words = np.zeros((-(-size // columns), width), np.int64)
            dense.append(to.stream[at : at + begun])
            at += begun
            end = at + width * len(places[s])
            words[places[s]] = to.stream[at:end].reshape(-1, width)
            filled = -(-size // form.columns) * form.columns // 2 * len(form.of(s))
            dense.append(np.pad(words.ravel(), (0, filled))[:filled])
            ending = dict.fromkeys((u, r) for u, r in form.ending(s) if r in to.scales)
            shared = halved(form, s, to.lifted)
            at = end + len(ending) - len(shared)
            multipliers = iter(to.stream[end:at])
            for p, (high, low) in shared.items():
                both = next(multipliers)
                ending |= {p.high: (both & 0xFFFF) << high, p.low: (both >> 16) << low}
            ending = {row: next(multipliers) if m is None else m for row, m in ending.items()}
            dense.append(np.asarray(list(ending.values()), np.int64))
    to.stream = np.concatenate(dense)
    pairs8.unpack(form, to)


def _blocks(form: Layout, of: Content, columns: int) -> Blocks:
    found: Blocks = []
    for s, matrix in enumerate(of.matrices):
        words = pairs8.words(form, matrix, of.segments[s], s)
        count = -(-matrix.shape[2] // columns)
        grouped = words.reshape(len(words), -1, columns // 2 * words.shape[2])[:, :count]
        found.append((grouped, np.any(grouped, axis=2)))
    return found


def _head_bytes(places: int) -> int:
    """Bytes of a head with so many places, ENDs among them."""
    return -(-(1 + places) // 4) * 4


def _head(places: list[IntArray]) -> IntArray:
    listed = [n for of_segment in places for n in (*(of_segment + 1), END)]
    data = np.zeros(_head_bytes(len(listed)), np.int64)
    data[: 1 + len(listed)] = [len(data) - 1, *listed]
    return np.asarray(data.reshape(-1, 4) @ (1 << np.arange(0, 32, 8)), np.int64)
