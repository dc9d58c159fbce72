"""codes8: ternary weights in two bits each, as one stream for cores that read byte by byte.

The stream of a unit is, for each segment: column by column the codes of its rows, four in a byte,
the first one lowest; then of each row its magnitude and, where its sum begins, the first value of
that, the lowest byte first.  Rows with code 1 add x + H, those with code 2 H - 1 - x, where H is
128, or 2^15 for elements of 16 bits: so sums only grow.  What they become too large by is taken off
the first values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import bytes8
from rnn2c.packing.blocks import Content, Segments, Unpacking, signed
from rnn2c.packing.ternary import ADDED, SUBTRACTED, codes, is_ternary, magnitudes

IN_BYTE = 4
"""Codes."""

MOST_SIGNS = 256
"""Weights of a row that are not zero: the sum of so many elements has one byte more than they."""

STACK_BYTES = 12
"""Of sums that go on in a second segment, at most."""

ROW_CYCLES = 26
"""Of a row behind its columns."""

ROW_WORDS, GROUP_WORDS = 40, 110
"""Of the code behind a segment for a row; of the columns whose codes are whole bytes, at most."""


@dataclass(frozen=True)
class Layout(bytes8.Layout):
    """The sums of one unit."""

    def beginning(self, segment: int) -> list[int]:
        """No first value stands in front of a segment."""
        return []

    def begins(self, segment: int, result: int) -> bool:
        """Whether the sum of a row begins in a segment."""
        return self.spans[result][0] == segment

    def goes_on(self, segment: int, result: int) -> bool:
        """Whether it has more segments."""
        return self.spans[result][1] > segment

    def order(self, segment: int, rows: Iterable[int]) -> list[int]:
        """The rows of a segment as they stand behind it: first those that go on here, the last one
        first, as they come off a stack.
        """
        return sorted(rows, key=lambda r: (1, r) if self.begins(segment, r) else (0, -r))

    def half(self, segment: int) -> int:
        return 2**15 if self.wide[segment] else 2**7


def layout(results: int, segments: Segments, types: tuple[str, ...], octets: int) -> Layout | None:
    """The layout, or None where there are more sums than registers, or where some would have to be
    kept twice.

    types: of the elements of the vectors; octets: bytes of a sum.
    """
    plain = bytes8.layout(results, segments, types, octets)
    if plain is None or results > bytes8.MOST_SUMS or (len(segments) > 2 and results > 1):
        return None
    unsigned = (False,) * len(segments)
    return Layout(octets, plain.spans, tuple(range(results)), unsigned, plain.wide)


def fits(form: Layout, of: Content) -> bool:
    """Whether every row has one magnitude, of a byte, and not too many weights."""
    return all(
        is_ternary(matrix) and np.count_nonzero(matrix, axis=2).max(initial=0) <= MOST_SIGNS
        for matrix in of.matrices
    )


def group(rows: int) -> int:
    """Columns of so many rows whose codes are whole bytes."""
    return IN_BYTE // gcd(IN_BYTE, rows)


def code_bytes(results: int, segments: Segments, sizes: tuple[int, ...], turn: int) -> int:
    """The most that a kernel takes."""
    turns = sum(2 * (max(bytes8.TURN_WORDS[turn], GROUP_WORDS) + GROUP_WORDS) for _ in sizes)
    rows = sum(2 * ROW_WORDS * len(rows) for rows in segments)
    return bytes8.KERNEL_BYTES + bytes8.SEGMENT_BYTES * len(sizes) + turns + rows


def cost(form: Layout, of: Content) -> int:
    """About the cycles that the columns of all units take, and the rows behind them."""
    cycles = 0
    for matrix, wide in zip(of.matrices, form.wide, strict=True):
        units, rows, columns = matrix.shape
        of_row, of_column = (9, 9) if wide else (5, 5)
        cycles += units * (columns * (of_column + rows * of_row) + rows * ROW_CYCLES)
        cycles += 3 * units * -(-columns * rows // IN_BYTE)
    return cycles


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of bytes, u8."""
    units, first = len(of.bias), of.bias.copy()
    for k, (matrix, rows) in enumerate(zip(of.matrices, of.segments, strict=True)):
        first[:, list(rows)] -= _too_large(form, k, matrix)
    parts: list[IntArray] = []
    for k, (matrix, rows) in enumerate(zip(of.matrices, of.segments, strict=True)):
        found = codes(matrix).transpose(0, 2, 1).reshape(units, -1)
        fours = np.pad(found, ((0, 0), (0, -found.shape[1] % IN_BYTE))).reshape(units, -1, IN_BYTE)
        parts.append((fours << (2 * np.arange(IN_BYTE))).sum(axis=2))
        sizes = magnitudes(matrix)
        for r in form.order(k, rows):
            parts.append(sizes[:, [rows.index(r)]])
            if form.begins(k, r):
                parts.append(first[:, [r]] >> (8 * np.arange(form.octets)))
    stream: IntArray = np.concatenate(parts, axis=1).ravel() & 0xFF
    return stream


def _too_large(form: Layout, segment: int, matrix: IntArray) -> IntArray:
    """What elements that only grow add to the rows of a segment [units, rows]."""
    half, added, subtracted = form.half(segment), matrix > 0, matrix < 0
    more = half * added.sum(axis=2) + (half - 1) * subtracted.sum(axis=2)
    return np.asarray(magnitudes(matrix) * more, np.int64)


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    to.begin(to.stream)
    for k, size in enumerate(to.sizes):
        rows = to.segments[k]
        fours = to.take(-(-size * len(rows) // IN_BYTE))
        found = (fours[:, :, None] >> (2 * np.arange(IN_BYTE))) & 3
        signs = (found == ADDED).astype(np.int64) - (found == SUBTRACTED)
        columns = signs.reshape(to.blocks, -1)[:, : size * len(rows)].reshape(to.blocks, size, -1)
        for r in form.order(k, rows):
            to.row(k, (0, r))[:] = columns[:, :, rows.index(r)] * to.take(1)
            if form.begins(k, r):
                octets = to.take(form.octets) << (8 * np.arange(form.octets))
                to.bias[:, 0, r] += octets.sum(axis=1)
        to.bias[:, 0, list(rows)] += _too_large(form, k, to.matrices[k][:, 0])
    to.bias[:] = signed(to.bias, 8 * form.octets)
