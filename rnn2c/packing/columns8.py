"""columns8: of 8-bit weights those of the columns that are not all zero, as one stream of bytes,
for cores that read a byte at a time.

The stream of a unit is, for each segment: the first values of the sums that begin there, the lowest
byte first; how many columns are stored, at least one; for each of them the bytes between it and the
one before in the vector, and the weights of its rows.  With rows apart every row has columns of its
own, as if it were the only one of a segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import bytes8
from rnn2c.packing.blocks import Content, Segments, Unpacking, signed

MOST = 255
"""What a byte holds."""

MOST_BYTES = 32_767
"""Of a stream: units of different lengths are in one array."""

COLUMN_CYCLES, SEGMENT_CYCLES = 7, 9
"""Of a stored column beyond one that is not looked for; of a segment."""

COLUMN_WORDS, ROW_WORDS = 8, 9
"""Of code, at most: a column, and each row of it."""


@dataclass(frozen=True)
class Layout(bytes8.Layout):
    """The sums of one unit; groups: the segment and the rows of it, counted within it, that have
    their columns together.  Spans are of these groups.
    """

    groups: tuple[tuple[int, tuple[int, ...]], ...] = ()


def layout(
    results: int, segments: Segments, types: tuple[str, ...], octets: int, apart: bool
) -> Layout | None:
    """The layout, or None where there are more sums at a time than registers.

    types: of the elements of the vectors; octets: bytes of a sum; apart: rows have their own
    columns.
    """
    groups = tuple(
        (s, rows)
        for s, of in enumerate(segments)
        for rows in ([(k,) for k in range(len(of))] if apart else [tuple(range(len(of)))])
    )
    split = tuple(tuple(segments[s][k] for k in rows) for s, rows in groups)
    plain = bytes8.layout(results, split, tuple(types[s] for s, _ in groups), octets)
    if plain is None:
        return None
    unsigned = (False,) * len(groups)
    return Layout(octets, plain.spans, plain.slots, unsigned, plain.wide, groups)


def fits(form: Layout, of: Content) -> bool:
    """Whether the stream is not too long; no row has more columns than are counted in a byte."""
    few = all(m.shape[2] < MOST for m in of.matrices)
    return few and len(pack(form, of)) <= MOST_BYTES


def cost(form: Layout, of: Content) -> int:
    """About the cycles that the columns of all units take; compare bytes8.cost."""
    total = 0
    for k, (s, rows) in enumerate(form.groups):
        one = COLUMN_CYCLES + bytes8.column_cycles(form, k, len(rows))
        stored = [_places(unit, form.wide[k]) for unit in of.matrices[s][:, rows]]
        total += SEGMENT_CYCLES * len(stored) + one * sum(map(len, stored))
    return total


def turn_columns(turn: int) -> int:
    """Columns of a turn of the loop; turn: those of other kernels, 0 for all."""
    return 1 if turn == min(t for t in bytes8.TURN_WORDS if t) else 2


def code_bytes(segments: Segments, turn: int) -> int:
    """The most that a kernel takes, rows apart or together."""
    rows = sum(map(len, segments))
    words = turn_columns(turn) * rows * (COLUMN_WORDS + ROW_WORDS)
    return bytes8.KERNEL_BYTES + rows * bytes8.SEGMENT_BYTES + 2 * words


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of bytes, u8."""
    apart = of.bias[:, :, None] >> (8 * np.arange(form.octets))
    stream: list[int] = []
    for unit, first in enumerate(apart):
        for k, (s, rows) in enumerate(form.groups):
            stream += first[form.beginning(k)].ravel().tolist()
            matrix = of.matrices[s][unit, rows]
            places = _places(matrix, form.wide[k])
            stream.append(len(places))
            behind = 0
            for place in places:
                stream += [(1 + form.wide[k]) * (place - behind), *matrix[:, place].tolist()]
                behind = place + 1
    return np.array(stream, np.int64) & 0xFF


def _places(matrix: IntArray, is_wide: bool) -> list[int]:
    """The columns [rows, columns] that are stored: some of zeros where a gap is too long."""
    farthest = MOST // (1 + is_wide)
    found: list[int] = []
    behind = 0
    for place in map(int, np.flatnonzero(np.any(matrix, axis=0))):
        while place - behind > farthest:
            found.append(behind + farthest)
            behind += farthest + 1
        found.append(place)
        behind = place + 1
    return found or [0]


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    data, at = to.stream, 0
    for unit in range(to.blocks):
        for k, (s, rows) in enumerate(form.groups):
            for r in form.beginning(k):
                octets = data[at : at + form.octets] << (8 * np.arange(form.octets))
                to.bias[unit, 0, r] = signed(octets.sum(), 8 * form.octets)
                at += form.octets
            count, at, place = int(data[at]), at + 1, 0
            for _ in range(count):
                place += int(data[at]) // (1 + form.wide[k])
                weights = signed(data[at + 1 : at + 1 + len(rows)], 8)
                to.matrices[s][unit, 0, list(rows), place] = weights
                at, place = at + 1 + len(rows), place + 1
