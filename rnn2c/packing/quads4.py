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
from rnn2c.packing.fours import COLUMNS, blocked, halves, of_rows, signed, words

__all__ = ["COLUMNS", "fits", "layout", "pack", "unpack"]

SHIFTS = (12, 8, 4, 0)
OFFSETS = (0, 8, 8, 8)
"""Of the rows of a pass."""
MOST_SEGMENTS = 4
LEAST_SHIFT, HIGH_SHIFT = 17, 32
"""Shifts with which a multiplier of 16 bits is one of high_round."""
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
) -> Layout | None:
    """The layout for sums that are requantized with these shifts; None unless first values have 16
    bits, and every row its bits in a difference of two sums over vectors of these ranges.
    """
    form = _raised(form, shifts)
    reach = sum(
        m.shape[2] * max(-lo, hi) for m, (lo, hi) in zip(matrices, vectors, strict=True)
    )  # of a sum whose weights are 1
    largest = max(
        reach * (8 + offset) << shift for shift, offset in zip(SHIFTS, OFFSETS, strict=True)
    )
    is_short = bool(np.all(np.abs((bias << form.up) + 0.5) < 2**15))
    return form if is_short and largest < 2**31 else None


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
            there = blocked(np.ones_like(matrices[s]), form.units)
            rows = of_rows(blocked(matrices[s], form.units), p.rows, segments[s])
            full = of_rows(there, p.rows, segments[s])
            quads = sum(
                (row + offset * one) << shift
                for row, one, shift, offset in zip(rows, full, SHIFTS, OFFSETS, strict=True)
            )
            parts.append(words(np.asarray(quads)))
        for u, r in p.rows:
            high = scales[r][:, u, 0] if r in scales else 0
            parts.append((first[:, u, r] | (high << 16))[:, :1])
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack(
    form: Layout, stream: IntArray, sizes: tuple[int, ...], segments: tuple[tuple[int, ...], ...],
    units: int, scaled: tuple[int, ...],
) -> tuple[tuple[IntArray, ...], IntArray, dict[int, IntArray]]:  # fmt: skip
    """The inverse of pack: matrices, bias and the multipliers of the results `scaled`."""
    blocks = -(-units // form.units)
    rest = stream.reshape(blocks, -1)
    bias = np.zeros((blocks, form.units, form.results), np.int64)
    scales = {r: np.zeros((blocks, form.units), np.int64) for r in scaled}
    matrices = [
        np.zeros((blocks, form.units, len(results), size), np.int64)
        for results, size in zip(segments, sizes, strict=True)
    ]
    for p in form.passes:
        for s in p.span:
            count = -(-sizes[s] // COLUMNS)
            quads = halves(rest[:, :count])[:, : sizes[s]]
            rest = rest[:, count:]
            for (u, r), shift, offset in zip(p.rows, SHIFTS, OFFSETS, strict=True):
                fourth = (quads >> shift) & 15
                weight = fourth - offset if offset else signed(fourth, 4)
                matrices[s][:, u, segments[s].index(r)] = weight
        for u, r in p.rows:
            bias[:, u, r] = signed(rest[:, 0], 16) >> form.up
            if r in scales:
                scales[r][:, u] = (rest[:, 0] >> 16) << form.lifted(r)
            rest = rest[:, 1:]
    return (
        tuple(m.reshape(-1, *m.shape[2:])[:units] for m in matrices),
        bias.reshape(-1, form.results)[:units],
        {r: m.ravel()[:units] for r, m in scales.items()},
    )
