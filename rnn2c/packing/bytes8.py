"""bytes8: 8-bit weights as one stream of bytes, for cores that read a byte at a time.

The stream of a unit is: the first values of its sums, the lowest byte first; then, for each
segment, column by column, the weights of its rows.

Sums of 3 bytes over vectors of 8 bits are of unsigned products, with weights stored as w + 128:

    sum of w * x = sum of (w + 128) * (x + 128) - 128 * sum of (x + 128) - 128 * sum of w

The last term is in the first values; the one before is the same for all units: a total.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Content, Segments, Unpacking, signed

MOST_RESULTS = 4
"""So many sums stay in registers."""

LEAST_ROWS = 3
"""Of a segment whose products are unsigned: each row saves what an element costs."""

HALF = 128

SHIFTS = range(1, 8)
"""By so much a kernel can shift its sums."""

TURN_WORDS = {4: 40, 16: 160, 64: 640, 0: 640}
"""Columns of a turn of other kernels -> instructions that the loop of a segment may have."""

KERNEL_BYTES, SEGMENT_BYTES = 2 * (4 * 47 + 24), 2 * 36
"""The most that a kernel takes, and each segment, beside the turns of its loop."""


@dataclass(frozen=True)
class Layout:
    """The sums of one unit, each of so many bytes; unsigned: the segments with such products."""

    results: int
    octets: int
    unsigned: tuple[bool, ...]

    @property
    def units(self) -> int:
        """Of a block."""
        return 1

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: no sum is raised."""
        return ((0,) * self.results,)

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: where a sum goes."""
        return (tuple(range(self.results)),)


def layout(results: int, segments: Segments, types: tuple[str, ...], octets: int) -> Layout | None:
    """The layout, or None where there are more sums than registers.

    types: of the elements of the vectors; octets: bytes of a sum.
    """
    unsigned = tuple(
        octets == 3 and type_ == "i8" and len(rows) >= LEAST_ROWS
        for rows, type_ in zip(segments, types, strict=True)
    )
    return Layout(results, octets, unsigned) if results <= MOST_RESULTS else None


def fits(form: Layout, of: Content) -> bool:
    """Every matrix of 8-bit weights can be stored."""
    return True


def code_bytes(results: int, segments: Segments, sizes: tuple[int, ...], turn: int) -> int:
    """The most that a kernel takes, with its totals."""
    return KERNEL_BYTES + sum(SEGMENT_BYTES + 2 * TURN_WORDS[turn] for _ in sizes)


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of bytes, u8."""
    units, first, rows = len(of.bias), _less(form, of), []
    for matrix, unsigned in zip(of.matrices, form.unsigned, strict=True):
        stored = matrix + HALF if unsigned else matrix
        rows.append(stored.transpose(0, 2, 1).reshape(units, -1))
    apart = (first[:, :, None] >> (8 * np.arange(form.octets))).reshape(units, -1)
    stream: IntArray = np.concatenate([apart, *rows], axis=1).ravel() & 0xFF
    return stream


def _less(form: Layout, of: Content) -> IntArray:
    """The first values of the sums, less what unsigned weights add."""
    first = of.bias.copy()
    for matrix, rows, unsigned in zip(of.matrices, of.segments, form.unsigned, strict=True):
        if unsigned:
            first[:, list(rows)] -= HALF * matrix.sum(axis=2)
    return first


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    to.begin(to.stream)
    parts = to.take(form.results * form.octets).reshape(to.blocks, form.results, form.octets)
    first = (parts << (8 * np.arange(form.octets))).sum(axis=2)
    for s, size in enumerate(to.sizes):
        rows = to.segments[s]
        octets = to.take(size * len(rows)).reshape(to.blocks, size, len(rows))
        weights = octets - HALF if form.unsigned[s] else signed(octets, 8)
        for k, r in enumerate(rows):
            to.row(s, (0, r))[:] = weights[:, :, k]
            if form.unsigned[s]:
                first[:, r] += HALF * weights[:, :, k].sum(axis=1)
    to.bias[:, 0] = signed(first, 8 * form.octets)
