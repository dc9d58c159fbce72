"""quads4: four rows of 4-bit weights in a halfword, two columns in a word, for cores with SMLAD.

A halfword is 4096 d + 256 (c + 8) + 16 (b + 8) + (a + 8).  The word as it stands, without its
highest fourths, its low bytes and its lowest fourths go into one sum each; their differences are
the rows, three of them 8 times the sum of the vector too large.  The stream of a block is, for
each pass: for each of its segments a word for each two columns; for each row a word, its
multiplier of 16 bits (0 if it has none) above its first value, which has no more either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import fours
from rnn2c.packing.blocks import (
    HIGH_SHIFT,
    Content,
    Segments,
    Unpacking,
    blocked,
    halves,
    raised_by,
    signed,
    words,
)
from rnn2c.packing.fours import COLUMNS, of_rows

__all__ = ["COLUMNS", "fits", "layout", "pack", "unpack"]

SHIFTS = (12, 8, 4, 0)
OFFSETS = (0, 8, 8, 8)
"""Of the rows of a pass."""
MOST_SEGMENTS = 4
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


def layout(results: int, segments: Segments, shifts: tuple[int, ...] = ()) -> Layout | None:
    """The passes of a dot product; segments: the results that each has."""
    form = fours.layout(results, segments)
    if form is None:
        return None
    return _raised(Layout(form.units, form.results, form.passes, (0,) * results), shifts)


def _raised(form: Layout, shifts: tuple[int, ...]) -> Layout:
    """The layout for sums that are requantized with these shifts."""
    return replace(form, shifts=shifts, up=raised_by(shifts)) if shifts else form


def fits(form: Layout, of: Content) -> bool:
    """Whether there are registers for the sums of the vectors."""
    return len(of.segments) <= MOST_SEGMENTS


def scaled(
    form: Layout, shifts: tuple[int, ...], vectors: tuple[tuple[int, int], ...], of: Content
) -> Layout | None:
    """The layout for sums that are requantized with these shifts; None unless first values have 16
    bits, and every row its bits in a difference of two sums over vectors of these ranges.
    """
    form = _raised(form, shifts)
    is_short = bool(np.all(np.abs((of.bias << form.up) + 0.5) < 2**15))
    return form if is_short and _is_apart(form, vectors, of) else None


def _is_apart(form: Layout, vectors: tuple[tuple[int, int], ...], of: Content) -> bool:
    """Whether the difference of two sums has every bit of its row, for all units."""
    for p in form.passes:
        for (_, r), shift, offset in zip(p.rows, SHIFTS, OFFSETS, strict=True):
            reach = sum(
                np.abs(of.matrices[s][:, of.segments[s].index(r)] + offset).sum(axis=1)
                * max(-vectors[s][0], vectors[s][1])
                for s in p.span
            )
            if int(np.max(reach)) << shift >= 2**31:
                return False
    return True


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of words, u32."""
    first = (of.first(form.units) << form.up) & 0xFFFF
    scales = {r: m >> form.lifted(r) for r, m in of.scales(form.units).items()}
    parts: list[IntArray] = []
    for p in form.passes:
        for s in p.span:
            there = blocked(np.ones_like(of.matrices[s]), form.units, COLUMNS)
            rows = of_rows(blocked(of.matrices[s], form.units, COLUMNS), p.rows, of.segments[s])
            full = of_rows(there, p.rows, of.segments[s])
            quads = sum(
                (row + offset * one) << shift
                for row, one, shift, offset in zip(rows, full, SHIFTS, OFFSETS, strict=True)
            )
            parts.append(words(np.asarray(quads)))
        for u, r in p.rows:
            high = scales[r][:, u] if r in scales else 0
            parts.append(first[:, u, r] | (high << 16))
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    to.begin(to.stream)
    for p in form.passes:
        for s in p.span:
            quads = halves(to.take(-(-to.sizes[s] // COLUMNS)))[:, : to.sizes[s]]
            for row, shift, offset in zip(p.rows, SHIFTS, OFFSETS, strict=True):
                fourth = (quads >> shift) & 15
                to.row(s, row)[:] = fourth - offset if offset else signed(fourth, 4)
        for u, r in p.rows:
            end = to.take(1)[:, 0]
            to.bias[:, u, r] = signed(end, 16) >> form.up
            if r in to.scales:
                to.scales[r][:, u] = (end >> 16) << form.lifted(r)
