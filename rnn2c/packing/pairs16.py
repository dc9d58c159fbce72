"""pairs16: 8-bit weights for vectors of 16 bits, whose sums need 32, on cores with SMLALD.

A halfword is 256 * high + low, as in pairs8.  A word as it stands goes into a sum of 64 bits, its
low bytes into one of 32.  Where a pass has few columns, halfwords are weights and each row has a
sum of 32 bits: to take pairs apart would cost more.  The stream of a block is, for each pass: the
first values of its sums, for each of its segments a word of both pairs or of each of the rows for
each two columns, and the multipliers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Content, Unpacking, blocked, halves, signed, words
from rnn2c.packing.fours import COLUMNS, ROWS, Layout, Pass, layout, of_rows

__all__ = ["COLUMNS", "fits", "layout", "pack", "unpack"]

FIRST = 6
"""Words of the first values of two pairs: the sum of 64 bits, the lower one first, and the low."""
PLAIN = 4
"""Columns of a pass that are few."""


def are_plain(p: Pass, sizes: Sequence[int]) -> bool:
    """Whether a pass over segments of these sizes has halfwords that are weights."""
    return sum(-(-sizes[s] // COLUMNS) * COLUMNS for s in p.span) <= PLAIN


def fits(form: Layout, of: Content) -> bool:
    """Whether every pair of weights goes into a halfword."""
    return all(
        np.abs(256 * high + low + 0.5).max(initial=0) < 2**15
        for p in form.passes
        for s in p.span
        for high, low in _pairs(
            of_rows(blocked(of.matrices[s], form.units, COLUMNS), p.rows, of.segments[s])
        )
    )


def pack(form: Layout, of: Content) -> IntArray:
    """The stream of words, u32."""
    every = tuple(range(form.results))
    first, scales = of.first(form.units), of.scales(form.units)
    sizes = tuple(m.shape[2] for m in of.matrices)
    parts: list[IntArray] = []
    for p in form.passes:
        plain = are_plain(p, sizes)
        values = of_rows(first, p.rows, every)
        for high, low in _pairs(values):
            both = 256 * high + low
            parts += [high, low] if plain else [both, both >> 32, low]
        for s in p.span:
            rows = of_rows(blocked(of.matrices[s], form.units, COLUMNS), p.rows, of.segments[s])
            stored = rows if plain else [256 * high + low for high, low in _pairs(rows)]
            parts.append(words(np.stack(stored, axis=2)).reshape(len(rows[0]), -1))
        parts += [scales[r][:, u] for u, r in p.rows if r in scales]
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    to.begin(to.stream)
    for p in form.passes:
        if are_plain(p, to.sizes):
            _unpack_plain(p, to)
            continue
        pairs = list(zip(p.rows[0::2], p.rows[1::2], strict=True))
        for (u, high), (v, low) in pairs:
            lower, upper, small = to.take(3).T
            both = lower | (signed(upper, 32) << 32)
            to.bias[:, v, low] = signed(small, 32)
            to.bias[:, u, high] = (both - signed(small, 32)) >> 8
        for s in p.span:
            part = to.take(-(-to.sizes[s] // COLUMNS) * len(pairs))
            part = halves(part.reshape(to.blocks, -1, len(pairs)))[:, : to.sizes[s]]
            for k, (of_high, of_low) in enumerate(pairs):
                low_row = to.row(s, of_low)
                low_row[:] = signed(part[:, :, k], 8)
                to.row(s, of_high)[:] = (signed(part[:, :, k], 16) - low_row) >> 8
        to.take_multipliers(p.rows)


def _unpack_plain(p: Pass, to: Unpacking) -> None:
    for u, r in p.rows:
        to.bias[:, u, r] = signed(to.take(1)[:, 0], 32)
    for s in p.span:
        part = to.take(-(-to.sizes[s] // COLUMNS) * ROWS)
        part = halves(part.reshape(to.blocks, -1, ROWS))[:, : to.sizes[s]]
        for k, row in enumerate(p.rows):
            to.row(s, row)[:] = signed(part[:, :, k], 16)
    to.take_multipliers(p.rows)


def _pairs(rows: list[IntArray]) -> list[tuple[IntArray, IntArray]]:
    return list(zip(rows[0::2], rows[1::2], strict=True))
