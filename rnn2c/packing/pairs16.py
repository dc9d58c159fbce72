"""pairs16: 8-bit weights for vectors of 16 bits, whose sums need 32, on cores with SMLALD.

A halfword is 256 * high + low, as in pairs8.  A word as it stands goes into a sum of 64 bits, its
low bytes into one of 32.  The stream of a block is, for each pass: the first values of its sums,
for each of its segments a word of both pairs of rows for each two columns, and the multipliers.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Content, Unpacking, blocked, halves, signed, words
from rnn2c.packing.fours import COLUMNS, Layout, layout, of_rows

__all__ = ["COLUMNS", "fits", "layout", "pack", "unpack"]

FIRST = 6
"""Words of the first values of two pairs: the sum of 64 bits, the lower one first, and the low."""


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
    parts: list[IntArray] = []
    for p in form.passes:
        for high, low in _pairs(of_rows(first, p.rows, every)):
            both = 256 * high + low
            parts += [both, both >> 32, low]
        for s in p.span:
            rows = of_rows(blocked(of.matrices[s], form.units, COLUMNS), p.rows, of.segments[s])
            pairs = np.stack([256 * high + low for high, low in _pairs(rows)], axis=2)
            parts.append(words(pairs).reshape(len(pairs), -1))
        parts += [scales[r][:, u] for u, r in p.rows if r in scales]
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack(form: Layout, to: Unpacking) -> None:
    """The inverse of pack."""
    to.begin(to.stream)
    for p in form.passes:
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


def _pairs(rows: list[IntArray]) -> list[tuple[IntArray, IntArray]]:
    return list(zip(rows[0::2], rows[1::2], strict=True))
