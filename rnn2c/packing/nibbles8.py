"""nibbles8: 4-bit weights, two columns in a byte, as one stream for cores that read byte by byte.

The stream of a unit is, for each segment: the first values of the sums that begin there, the lowest
byte first; for each two columns a byte of every row, w + 8 of the first column in its lower half;
an odd last column alone.  Products are unsigned on the side of the weights:

    sum of w * x = sum of (w + 8) * y - 8 * sum of y - (y - x) * sum of w

where y is x + 128 for sums of 3 bytes over vectors of 8 bits, whose products then have no sign,
else x.  The last term is in the first values; the one before is the same for all units: a total.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import bytes8
from rnn2c.packing.blocks import Content, Segments, Unpacking

HALF = 8

PAIR_WORDS, LAST_WORDS, COLUMN_WORDS = 19, 8, 6
"""Of the code of two columns and of a last one, for each row at most; beside the rows."""


@dataclass(frozen=True)
class Layout(bytes8.Layout):
    """The sums of one unit; unsigned: the segments where x + 128 is multiplied."""


def layout(results: int, segments: Segments, types: tuple[str, ...], octets: int) -> Layout | None:
    """The layout, or None where there are more sums at a time than registers.

    types: of the elements of the vectors; octets: bytes of a sum.
    """
    plain = bytes8.layout(results, segments, types, octets)
    if plain is None:
        return None
    unsigned = tuple(octets == 3 and type_ == "i8" for type_ in types)
    return Layout(octets, plain.spans, plain.slots, unsigned, plain.wide)


def code_bytes(results: int, segments: Segments, sizes: tuple[int, ...], turn: int) -> int:
    """The most that a kernel takes, with its totals."""
    rows = [len(of) for of in segments]
    words = sum(max(bytes8.TURN_WORDS[turn], COLUMN_WORDS + PAIR_WORDS * n) for n in rows)
    turns = 2 * (words + sum(COLUMN_WORDS + LAST_WORDS * n for n in rows))
    return bytes8.KERNEL_BYTES + bytes8.SEGMENT_BYTES * len(sizes) + turns


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of bytes, u8."""
    return bytes8.in_columns(form, of, lambda _, matrix: _halves(matrix))


def _halves(matrix: IntArray) -> IntArray:
    even = np.pad(matrix + HALF, ((0, 0), (0, 0), (0, matrix.shape[2] % 2)))
    both: IntArray = even[:, :, 0::2] | even[:, :, 1::2] << 4
    return both


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""

    def weights(s: int, rows: int) -> IntArray:
        size = to.sizes[s]
        both = to.take(-(-size // 2) * rows).reshape(to.blocks, -1, rows)
        halves = np.stack([both & 15, both >> 4], axis=2).reshape(to.blocks, -1, rows)
        return np.asarray(halves[:, :size] - HALF, np.int64)

    bytes8.from_columns(form, to, weights)
