"""quads4: four rows of 4-bit weights in a halfword, two columns in a word, for cores with SMLAD.

A halfword is 4096 d + 256 (c + 8) + 16 (b + 8) + (a + 8).  The word as it stands, without its
highest fourths, its low bytes and its lowest fourths go into one sum each; their differences are
the rows, three of them 8 times the sum of the vector too large.  The stream of a block is, for
each pass: for each of its segments a word for each two columns; for each row a word, its
multiplier of 16 bits (0 if it has none) above its first value, which has no more either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import fours
from rnn2c.packing.blocks import HIGH_SHIFT, LEAST_SHIFT, Unpacking, blocked, halves, signed, words
from rnn2c.packing.fours import COLUMNS, of_rows

__all__ = ["COLUMNS", "fits", "layout", "pack", "unpack"]

SHIFTS = (12, 8, 4, 0)
OFFSETS = (0, 8, 8, 8)
"""Of the rows of a pass."""
MOST_SEGMENTS = 4
MOST_UP = 4
TURN = 2
"""A loop has so many times the columns a turn of other kernels."""


@dataclass(frozen=True)
class Layout(fours.Layout):
    """The passes of a block; shifts: those of the requantizations of its sums, 0: none.

    up: the power of two by which all sums are raised, so that each shift is one of high_round.
    """

    shifts: tuple[int, ...] = ()
    up: int = 0

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]"""
        return ((self.up,) * self.results,) * self.units

    def lifted(self, result: int) -> int:
        """How far the multiplier of a result is shifted up for high_round."""
        return HIGH_SHIFT - self.shifts[result] - self.up


def layout(
    results: int, segments: tuple[tuple[int, ...], ...], shifts: tuple[int, ...] = ()
) -> Layout | None:
    """The passes of a dot product; segments: the results that each has."""
    form = fours.layout(results, segments)
    if form is None:
        return None
    return _raised(Layout(form.units, form.results, form.passes, (0,) * results), shifts)


def _raised(form: Layout, shifts: tuple[int, ...]) -> Layout:
    """The layout for sums that are requantized with these shifts."""
    if not shifts:
        return form
    up = max(LEAST_SHIFT - min(shifts), 0)
    if up > MOST_UP or max(shifts) + up > HIGH_SHIFT:
        up = 0
    return replace(form, shifts=shifts, up=up)


def fits(
    form: Layout, matrices: tuple[IntArray, ...], segments: tuple[tuple[int, ...], ...]
) -> bool:
    """Whether there are registers for the sums of the vectors."""
    return len(segments) <= MOST_SEGMENTS


def scaled(
    form: Layout,
    shifts: tuple[int, ...],
    matrices: tuple[IntArray, ...],
    vectors: tuple[tuple[int, int], ...],
    bias: IntArray,
    segments: tuple[tuple[int, ...], ...],
) -> Layout | None:
    """The layout for sums that are requantized with these shifts; None unless first values have 16
    bits, and every row its bits in a difference of two sums over vectors of these ranges.
    """
    form = _raised(form, shifts)
    is_short = bool(np.all(np.abs((bias << form.up) + 0.5) < 2**15))
    return form if is_short and _is_apart(form, matrices, vectors, segments) else None


def _is_apart(
    form: Layout,
    matrices: tuple[IntArray, ...],
    vectors: tuple[tuple[int, int], ...],
    segments: tuple[tuple[int, ...], ...],
) -> bool:
    """Whether the difference of two sums has every bit of its row, for all units."""
    for p in form.passes:
        for (_, r), shift, offset in zip(p.rows, SHIFTS, OFFSETS, strict=True):
            reach = sum(
                np.abs(matrices[s][:, segments[s].index(r)] + offset).sum(axis=1)
                * max(-vectors[s][0], vectors[s][1])
                for s in p.span
            )
            if int(np.max(reach)) << shift >= 2**31:
                return False
    return True


def pack(
    form: Layout,
    matrices: tuple[IntArray, ...],
    segments: tuple[tuple[int, ...], ...],
    bias: IntArray,
    multipliers: Mapping[int, IntArray],
) -> IntArray:
    """[units, results, columns] per segment and bias [units, results] -> a stream of words, u32.

    multipliers: [units] of results that have them.
    """
    first = blocked((bias << form.up)[:, :, None] & 0xFFFF, form.units)
    scales = {
        r: blocked((m >> form.lifted(r))[:, None, None], form.units) for r, m in multipliers.items()
    }
    parts: list[IntArray] = []
    for p in form.passes:
        for s in p.span:
            there = blocked(np.ones_like(matrices[s]), form.units, COLUMNS)
            rows = of_rows(blocked(matrices[s], form.units, COLUMNS), p.rows, segments[s])
            full = of_rows(there, p.rows, segments[s])
            quads = sum(
                (row + offset * one) << shift
                for row, one, shift, offset in zip(rows, full, SHIFTS, OFFSETS, strict=True)
            )
            parts.append(words(np.asarray(quads)))
        for u, r in p.rows:
            high = scales[r][:, u, 0] if r in scales else 0
            parts.append(first[:, u, r] | (high << 16))
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack(
    form: Layout, stream: IntArray, sizes: tuple[int, ...], segments: tuple[tuple[int, ...], ...],
    units: int, scaled: tuple[int, ...],
) -> tuple[tuple[IntArray, ...], IntArray, dict[int, IntArray]]:  # fmt: skip
    """The inverse of pack: matrices, bias and the multipliers of the results `scaled`."""
    to = Unpacking(stream, form.units, units, form.results, sizes, segments, scaled)
    for p in form.passes:
        for s in p.span:
            quads = halves(to.take(-(-sizes[s] // COLUMNS)))[:, : sizes[s]]
            for row, shift, offset in zip(p.rows, SHIFTS, OFFSETS, strict=True):
                fourth = (quads >> shift) & 15
                to.row(s, row)[:] = fourth - offset if offset else signed(fourth, 4)
        for u, r in p.rows:
            end = to.take(1)[:, 0]
            to.bias[:, u, r] = signed(end, 16) >> form.up
            if r in to.scales:
                to.scales[r][:, u] = (end >> 16) << form.lifted(r)
    return to.done()
