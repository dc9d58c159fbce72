"""pairs16: 8-bit weights for vectors of 16 bits, whose sums need 32, on cores with SMLALD.

A halfword is 256 * high + low, as in pairs8.  A word as it stands goes into a sum of 64 bits, its
low bytes into one of 32.  The stream of a block is, for each pass: the first values of its sums,
for each of its segments a word of both pairs of rows for each two columns, and the multipliers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.fours import COLUMNS, Layout, blocked, halves, layout, of_rows, signed, words

__all__ = ["COLUMNS", "fits", "layout", "pack", "unpack"]

FIRST = 6
"""Words of the first values of two pairs: the sum of 64 bits, the lower one first, and the low."""


def fits(
    form: Layout,
    matrices: tuple[IntArray, ...],
    segments: tuple[tuple[int, ...], ...],
) -> bool:
    """Whether every pair of weights goes into a halfword."""
    return all(
        np.abs(256 * high + low + 0.5).max(initial=0) < 2**15
        for p in form.passes
        for s in p.span
        for high, low in _pairs(of_rows(blocked(matrices[s], form.units), p.rows, segments[s]))
    )


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
    every = tuple(range(form.results))
    first = np.repeat(bias[:, :, None], COLUMNS, axis=2)
    parts: list[IntArray] = []
    for p in form.passes:
        for high, low in _pairs(of_rows(blocked(first, form.units), p.rows, every)):
            both = 256 * high[:, :1] + low[:, :1]
            parts += [both, both >> 32, low[:, :1]]
        for s in p.span:
            rows = of_rows(blocked(matrices[s], form.units), p.rows, segments[s])
            pairs = np.stack([256 * high + low for high, low in _pairs(rows)], axis=2)
            parts.append(words(pairs).reshape(len(pairs), -1))
        parts += [
            blocked(multipliers[r][:, None, None], form.units)[:, u, 0, :1]
            for u, r in p.rows
            if r in multipliers
        ]
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
        pairs = list(zip(p.rows[0::2], p.rows[1::2], strict=True))
        for k, ((u, high), (v, low)) in enumerate(pairs):
            small = signed(rest[:, 3 * k + 2], 32)
            both = rest[:, 3 * k] | (signed(rest[:, 3 * k + 1], 32) << 32)
            bias[:, v, low], bias[:, u, high] = small, (both - small) >> 8
        rest = rest[:, FIRST:]
        for s in p.span:
            count = -(-sizes[s] // COLUMNS) * len(pairs)
            part = halves(rest[:, :count].reshape(blocks, -1, len(pairs)))[:, : sizes[s]]
            rest = rest[:, count:]
            for k, ((u, high), (v, low)) in enumerate(pairs):
                small = signed(part[:, :, k], 8)
                matrices[s][:, v, segments[s].index(low)] = small
                large = (signed(part[:, :, k], 16) - small) >> 8
                matrices[s][:, u, segments[s].index(high)] = large
        for u, r in (row for row in p.rows if row[1] in scales):
            scales[r][:, u] = rest[:, 0]
            rest = rest[:, 1:]
    return (
        tuple(m.reshape(-1, *m.shape[2:])[:units] for m in matrices),
        bias.reshape(-1, form.results)[:units],
        {r: m.ravel()[:units] for r, m in scales.items()},
    )


def _pairs(rows: list[IntArray]) -> list[tuple[IntArray, IntArray]]:
    return list(zip(rows[0::2], rows[1::2], strict=True))
