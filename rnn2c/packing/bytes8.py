"""bytes8: 8-bit weights as one stream of bytes, for cores that read a byte at a time.

The stream of a unit is, for each segment: the first values of the sums that begin there, the
lowest byte first; column by column the weights of its rows.

Sums of 3 bytes over vectors of 8 bits are of unsigned products, with weights stored as w + 128:

    sum of w * x = sum of (w + 128) * (x + 128) - 128 * sum of (x + 128) - 128 * sum of w

The last term is in the first values; the one before is the same for all units: a total.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Content, Segments, Unpacking, signed

MOST_SUMS = 4
"""So many at a time are in registers."""

LEAST_ROWS = 3
"""Of a segment whose products are unsigned: each row saves what an element costs."""

HALF = 128

SHIFTS = range(8)
"""By so much a kernel can shift its sums."""

TURN_WORDS = {4: 40, 16: 120, 64: 640, 0: 640}
"""Columns of a turn of other kernels -> instructions that the loop of a segment may have."""

KERNEL_BYTES, SEGMENT_BYTES = 2 * (4 * 47 + 24), 2 * 38
"""The most that a kernel takes, and each segment, beside the turns of its loop."""


@dataclass(frozen=True)
class Layout:
    """The sums of one unit, each of so many bytes.

    spans: [result] the first and the last segment that it is summed in; slots: [result] where it
    is held until then; unsigned: the segments with such products; wide: those over vectors of
    16 bits.
    """

    octets: int
    spans: tuple[tuple[int, int], ...]
    slots: tuple[int, ...]
    unsigned: tuple[bool, ...]
    wide: tuple[bool, ...]

    @property
    def units(self) -> int:
        """Of a block."""
        return 1

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: no sum is raised."""
        return ((0,) * len(self.spans),)

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: where a sum goes, in the order in which they end."""
        order = [r for k in range(len(self.unsigned)) for r in self.ending(k)]
        return (tuple(order.index(r) for r in range(len(self.spans))),)

    def beginning(self, segment: int) -> list[int]:
        return [r for r, (first, _) in enumerate(self.spans) if first == segment]

    def ending(self, segment: int) -> list[int]:
        return [r for r, (_, last) in enumerate(self.spans) if last == segment]


def layout(results: int, segments: Segments, types: tuple[str, ...], octets: int) -> Layout | None:
    """The layout, or None where there are more sums at a time than registers.

    types: of the elements of the vectors; octets: bytes of a sum.
    """
    unsigned = tuple(
        octets == 3 and type_ == "i8" and len(rows) >= LEAST_ROWS
        for rows, type_ in zip(segments, types, strict=True)
    )
    there = [[k for k, rows in enumerate(segments) if r in rows] or [0] for r in range(results)]
    spans = tuple((min(found), max(found)) for found in there)
    slots = [0] * results
    free_after: dict[int, int] = {}
    for r in sorted(range(results), key=lambda r: spans[r]):
        slots[r] = next(s for s in range(results) if free_after.get(s, -1) < spans[r][0])
        free_after[slots[r]] = spans[r][1]
    if len(free_after) > MOST_SUMS:
        return None
    return Layout(octets, spans, tuple(slots), unsigned, tuple(t == "i16" for t in types))


def fits(form: Layout, of: Content) -> bool:
    """Every matrix of 8-bit weights can be stored."""
    return True


def code_bytes(results: int, segments: Segments, sizes: tuple[int, ...], turn: int) -> int:
    """The most that a kernel takes, with its totals."""
    return KERNEL_BYTES + sum(SEGMENT_BYTES + 2 * TURN_WORDS[turn] for _ in sizes)


def column_cycles(form: Layout, segment: int, rows: int) -> int:
    """Of a column of a segment with so many rows, whose element is loaded once."""
    unsigned, wide = form.unsigned[segment], form.wide[segment]
    of_row = 3 + 2 + form.octets + (form.octets == 3 and not unsigned)
    return (2 + unsigned + 2 * wide) + rows * (of_row + wide * (1 + form.octets))


def cost(form: Layout, of: Content) -> int:
    """About the cycles that the columns of all units take."""
    return sum(
        m.shape[0] * m.shape[2] * column_cycles(form, s, m.shape[1])
        for s, m in enumerate(of.matrices)
    )


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of bytes, u8."""
    return in_columns(form, of, lambda s, m: m + HALF if form.unsigned[s] else m)


def in_columns(form: Layout, of: Content, stored: Callable[[int, IntArray], IntArray]) -> IntArray:
    """The first values and then what is stored of each segment, column by column; stored(segment,
    matrix): bytes [units, rows, columns].
    """
    units, first = len(of.bias), less(form, of)
    apart = first[:, :, None] >> (8 * np.arange(form.octets))
    parts: list[IntArray] = []
    for s, matrix in enumerate(of.matrices):
        parts.append(apart[:, form.beginning(s)].reshape(units, -1))
        parts.append(stored(s, matrix).transpose(0, 2, 1).reshape(units, -1))
    stream: IntArray = np.concatenate(parts, axis=1).ravel() & 0xFF
    return stream


def less(form: Layout, of: Content) -> IntArray:
    """The first values of the sums, less what unsigned weights add."""
    first = of.bias.copy()
    for matrix, rows, unsigned in zip(of.matrices, of.segments, form.unsigned, strict=True):
        if unsigned:
            first[:, list(rows)] -= HALF * matrix.sum(axis=2)
    return first


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""

    def weights(s: int, rows: int) -> IntArray:
        stored = to.take(to.sizes[s] * rows).reshape(to.blocks, -1, rows)
        return stored - HALF if form.unsigned[s] else signed(stored, 8)

    from_columns(form, to, weights)


def from_columns(form: Layout, to: Unpacking, weights: Callable[[int, int], IntArray]) -> None:
    """The inverse of in_columns; weights(segment, rows): the next ones [blocks, columns, rows]."""
    to.begin(to.stream)
    for s in range(len(to.sizes)):
        beginning, rows = form.beginning(s), to.segments[s]
        octets = to.take(len(beginning) * form.octets).reshape(to.blocks, -1, form.octets)
        to.bias[:, 0, beginning] = (octets << (8 * np.arange(form.octets))).sum(axis=2)
        found = weights(s, len(rows))
        for k, r in enumerate(rows):
            to.row(s, (0, r))[:] = found[:, :, k]
            to.bias[:, 0, r] += form.unsigned[s] * HALF * found[:, :, k].sum(axis=1)
    to.bias[:] = signed(to.bias, 8 * form.octets)
