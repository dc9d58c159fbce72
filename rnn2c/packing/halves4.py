"""halves4: two rows of 4-bit weights in the halves of a word, for cores that multiply word by word:
of one product with an element of a vector each half has that of its row.

A weight w stands as w + 8, so that no half borrows from the other: the rows come out 8 times the
sum of the vector too large.  The stream of a block of units is, for each segment: the first values
of the sums that begin there; for each four columns a word of every pair of rows; the multipliers of
the sums that end there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import pairs8
from rnn2c.packing.blocks import Content, Row, Segments, Unpacking, blocked, raised_by, signed

COLUMNS = 4
OFFSET, MOST = 8, 15
"""What is added to a weight, and the largest sum of both."""
CHUNKS = (16, 8, 4, 2, 1)
HALF = 32767
MOST_SEGMENTS = 4

KERNEL_BYTES, SEGMENT_BYTES, COLUMN_BYTES = 128, 96, 64
"""Of code: with the sums of the vectors, for each segment, for each of its columns at most."""


@dataclass(frozen=True)
class Layout(pairs8.Layout):
    """chunks: columns of each segment whose sums have room in a half; up: the power of two by which
    all sums are raised, so that each shift is one of high_round.
    """

    chunks: tuple[int, ...] = ()
    up: int = 0

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]"""
        return ((self.up,) * self.results,) * self.units

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The first and last segments of the pairs, without repetitions."""
        return tuple(dict.fromkeys((p.first, p.last) for p in self.pairs))


def layout(results: int, segments: Segments) -> Layout | None:
    """How the rows of a dot product are paired; None if these do not come out even, or there are no
    registers for the sums of the vectors.

    segments: the results that each has.
    """
    form = pairs8.layout(results, segments, COLUMNS)
    if form is None or len(segments) > MOST_SEGMENTS:
        return None
    return Layout(form.units, form.results, form.pairs, COLUMNS)


def fits(form: Layout, of: Content) -> bool:
    """Every matrix of 4-bit weights can be stored."""
    return True


def scaled(
    form: Layout,
    shifts: tuple[int, ...],
    vectors: tuple[tuple[int, int], ...],
    of: Content,
    raises: bool = True,
) -> Layout | None:
    """The layout for sums that are requantized with these shifts, over vectors of these ranges;
    None if not even one column has room in a half.

    raises: whether a kernel requantizes.
    """
    chunks = tuple(
        next((c for c in CHUNKS if c * MOST * max(-lo, hi) <= HALF), 0) for lo, hi in vectors
    )
    if not all(chunks):
        return None
    return replace(form, chunks=chunks, up=raised_by(shifts) if raises else 0)


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of words, u32."""
    first, scales = of.first(form.units), of.scales(form.units)
    parts: list[IntArray] = []
    for s, matrix in enumerate(of.matrices):
        parts += [first[:, u, r] for p in form.of(s) if p.first == s for u, r in (p.high, p.low)]
        there = blocked(matrix + OFFSET, form.units, COLUMNS)

        def fours(row: Row, there: IntArray = there, s: int = s) -> IntArray:
            """[blocks, four columns each] in a half."""
            columns = there[:, row[0], of.segments[s].index(row[1])]
            return columns.reshape(len(columns), -1, COLUMNS) @ (1 << 4 * np.arange(COLUMNS))

        pairs = [(fours(p.high) << 16) | fours(p.low) for p in form.of(s)]
        parts.append(np.stack(pairs, axis=2).reshape(len(there), -1))
        parts += [scales[r][:, u] for u, r in form.ending(s) if r in scales]
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    to.begin(to.stream)
    for s, size in enumerate(to.sizes):
        for p in (p for p in form.of(s) if p.first == s):
            for u, r in (p.high, p.low):
                to.bias[:, u, r] = signed(to.take(1)[:, 0], 32)
        pairs = form.of(s)
        part = to.take(-(-size // COLUMNS) * len(pairs)).reshape(to.blocks, -1, len(pairs))
        for k, p in enumerate(pairs):
            for row, shift in ((p.high, 16), (p.low, 0)):
                apart = (part[:, :, k, None] >> (shift + 4 * np.arange(COLUMNS))) & MOST
                to.row(s, row)[:] = apart.reshape(to.blocks, -1)[:, :size] - OFFSET
        to.take_multipliers(form.ending(s))
