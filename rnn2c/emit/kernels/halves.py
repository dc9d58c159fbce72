"""What kernels of 4-bit weights in halves of words (packing halves4) have in common.

The partial sums of a chunk of columns stand in the halves of one register for each pair of rows;
the sums themselves are in memory, where the results go, and take them from chunk to chunk.  Behind
them stand, for every different span of the pairs, what their high and their low rows are too large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnn2c.ir.program import Dot, Kernel
from rnn2c.packing.halves4 import COLUMNS, OFFSET, Layout, layout
from rnn2c.packing.pairs8 import Pair

BEGIN = 0x8000
"""What a partial sum begins with: its lower half stays above zero, so the upper one is exact."""

TURNS = 2
"""A loop has so many times the columns a turn of other kernels, if they are in one chunk."""


@dataclass(frozen=True)
class Group:
    """Columns that are computed one after the other; flushes: behind which the sums take them."""

    columns: int
    flushes: tuple[int, ...]


def form_of(dot: Dot) -> tuple[Kernel, Layout]:
    """A kernel, and how its rows are paired."""
    form = layout(len(dot.outs), tuple(s.results for s in dot.segments))
    assert dot.kernel is not None
    assert form is not None
    return dot.kernel, form


def groups(size: int, turn: int, chunk: int) -> tuple[int, list[Group], list[Group]]:
    """The turns of a loop, the groups of a turn, those behind the loop.

    turn: columns of a turn, 0: all are written out.
    """
    of_turn = max(min(turn, chunk), COLUMNS)
    turns = size // of_turn if turn else 0
    turns = turns if turns >= 2 else 0
    looped = _groups(of_turn, chunk) if turns else []
    return turns, looped, _groups(size - turns * of_turn, chunk)


def _groups(size: int, chunk: int) -> list[Group]:
    """Of columns straight on."""
    found = []
    for begin in range(0, size, COLUMNS):
        end = min(begin + COLUMNS, size)
        flushes = (k for k in range(begin + 1, end + 1) if k % chunk == 0 or k == size)
        found.append(Group(end - begin, tuple(k - begin for k in flushes)))
    return found


def flushed(size: int, turn: int, chunk: int) -> int:
    """How often the sums of a segment take partial ones."""
    turns, looped, rest = groups(size, turn, chunk)
    return turns * sum(len(g.flushes) for g in looped) + sum(len(g.flushes) for g in rest)


def too_large(dot: Dot) -> list[tuple[tuple[int, ...], int, int]]:
    """For each span its segments; the power of two that their sums are multiplied by; what is added
    for the low rows.
    """
    kernel, form = form_of(dot)
    found = []
    for first, last in form.spans:
        span = tuple(range(first, last + 1))
        turn, up = TURNS * kernel.turn, up_of(kernel)
        begun = sum(flushed(dot.segments[k].size, turn, kernel.chunks[k]) for k in span)
        found.append((span, OFFSET.bit_length() - 1 + up, begun * BEGIN << up))
    return found


def up_of(kernel: Kernel) -> int:
    """By which power of two all sums are raised."""
    return kernel.raised[0][0]


def behind(dot: Dot, p: Pair) -> int:
    """Bytes from the sums to what a pair is too large."""
    kernel, form = form_of(dot)
    return 4 * (kernel.units * form.results + 2 * form.spans.index((p.first, p.last)))


def columns(
    group: Group,
    at_once: int,
    load: Callable[[int], list[str]],
    product: Callable[[int, int], list[str]],
    flush: list[str],
) -> list[str]:
    """The lines of a group.

    load(n): n columns of the vector, at most `at_once`; product(k, x): column k of the group, which
    is the one loaded as number x; flush: behind columns that end a chunk.
    """
    ends = sorted({*group.flushes, group.columns})
    lines: list[str] = []
    begin = 0
    for end in ends:
        for k in range(begin, end, at_once):
            count = min(at_once, end - k)
            lines += load(count)
            lines += [line for x in range(count) for line in product(k + x, x)]
        lines += flush if end in group.flushes else []
        begin = end
    return lines
