"""Layouts of kernels that compute four rows at a time: pass after pass, each over all its columns.

The rows of a pass are in the same segments.  A block has as many units as make its rows come out
in fours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Row, Segments

ROWS = 4
COLUMNS = 2
"""Segments are filled up with a column of zeros to a multiple of these."""

KERNEL_BYTES, FINISH_BYTES, SEGMENT_BYTES, WORD_BYTES = 128, 136, 32, 36
"""Of code: around the passes, after each, around each segment, for each word of columns."""


@dataclass(frozen=True)
class Pass:
    """Four rows over the segments of `span`."""

    rows: tuple[Row, ...]
    span: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """The passes of a block of `units` units, in the order of the stream and of the sums."""

    units: int
    results: int
    passes: tuple[Pass, ...]

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: where a sum goes."""
        at = {row: k for k, row in enumerate(row for p in self.passes for row in p.rows)}
        return tuple(tuple(at[u, r] for r in range(self.results)) for u in range(self.units))

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: 0, sums leave the kernel as they are."""
        return ((0,) * self.results,) * self.units

    def other(self, place: int) -> int:
        """The pass that lies before the pass `place` by as many as there are of its span."""
        return place - sum(p.span == self.passes[place].span for p in self.passes)

    def joins(self, result: int, earlier: int) -> bool:
        """Whether every sum of a result has its place in a pass as that of the earlier result has
        it in the other pass.
        """
        return all(
            other >= 0 and self.passes[other].rows[k] == (unit, earlier)
            for place, p in enumerate(self.passes)
            for other in [self.other(place)]
            for k, (unit, r) in enumerate(p.rows)
            if r == result
        )

    @property
    def spans(self) -> tuple[tuple[int, ...], ...]:
        """The segments of each pass, without repetitions."""
        return tuple(dict.fromkeys(p.span for p in self.passes))


def layout(results: int, segments: Segments) -> Layout | None:
    """The passes of a dot product; segments: the results that each has.

    None where a result is in no segment.
    """
    spans = {r: tuple(s for s, rows in enumerate(segments) if r in rows) for r in range(results)}
    if not all(spans.values()):
        return None
    order = sorted(range(results), key=lambda r: (spans[r], r))
    groups = [(span, list(rows)) for span, rows in groupby(order, key=spans.__getitem__)]
    units = next(u for u in (1, 2, 4) if all(u * len(rows) % ROWS == 0 for _, rows in groups))
    passes = []
    for span, group in groups:
        rows = [(u, r) for u in range(units) for r in group]
        passes += [Pass(tuple(rows[k : k + ROWS]), span) for k in range(0, len(rows), ROWS)]
    return Layout(units, results, tuple(passes))


def code_bytes(form: Layout, sizes: tuple[int, ...], turn: int) -> int:
    """A bound on the code of a kernel, whose loops have `turn` columns a turn (0: all), and of
    what it needs beside: sizes are the columns of the segments.
    """
    columns = [size if not turn or size < 2 * turn else turn + size % turn for size in sizes]
    passes = sum(
        FINISH_BYTES + sum(SEGMENT_BYTES + WORD_BYTES * -(-columns[k] // COLUMNS) for k in p.span)
        for p in form.passes
    )
    return KERNEL_BYTES + passes + SEGMENT_BYTES * 4 * len(sizes)


def of_rows(array: IntArray, rows: tuple[Row, ...], results: tuple[int, ...]) -> list[IntArray]:
    """[blocks, columns] of each of these rows of a blocked array that has the results."""
    return [array[:, u, results.index(r)] for u, r in rows]
