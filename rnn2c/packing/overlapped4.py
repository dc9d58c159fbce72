"""overlapped4: eight 4-bit weights of a row in a word, each with the bits below it as its fraction.

Both halves of a word, taken as they stand, are the weights of two columns in steps of 1/4096; the
word shifted up by 4, 8 and 12 has those of six more.  The weights of a model have these fractions
(quantization/overlapped.py chooses them): two multiply-accumulates take the place of unpacking.
For each unit, for each segment, for each eight columns: the words of the rows side by side.

The stream of a kernel has the same words in the passes of `fours`, and after each pass a word for
each row: its first value, whose lower half is its multiplier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnn2c.ir.graph import IntArray, NumberArray
from rnn2c.packing import dense8, fours
from rnn2c.packing.blocks import HIGH_SHIFT, Content, Segments, Unpacking, blocked, signed
from rnn2c.packing.fours import of_rows

COLUMNS = 8
FRACTION = 12
"""Bits of a weight below its own four."""
TURN = 2
"""A loop has so many times the columns a turn of other kernels."""


def pack(matrices: tuple[NumberArray, ...]) -> NumberArray:
    """[units, results, columns] per segment -> one stream of words."""
    return dense8.pack(tuple(words(np.asarray(m, np.int64)) for m in matrices))


def unpack(stream: NumberArray, shapes: tuple[tuple[int, ...], ...]) -> tuple[NumberArray, ...]:
    """The inverse of pack, given the shapes of the matrices."""
    inwords = tuple((units, rows, -(-columns // COLUMNS)) for units, rows, columns in shapes)
    found = dense8.unpack(np.asarray(stream, np.int64), inwords)
    return tuple(
        weights(np.asarray(m))[:, :, :columns]
        for m, (_, _, columns) in zip(found, shapes, strict=True)
    )


def weights(words: IntArray) -> IntArray:
    """[..., words] -> [..., 8 columns for each], in steps of 1/4096."""
    shifted = np.stack([words << up for up in range(0, 16, 4)], axis=-1)
    both = np.stack([signed(shifted, 16), signed(shifted >> 16, 16)], axis=-1)
    return both.reshape(*words.shape[:-1], -1)


def words(matrix: IntArray) -> IntArray:
    """[..., columns] -> [..., words]: the first two of each eight columns have all the bits."""
    missing = -matrix.shape[-1] % COLUMNS
    filled = np.pad(matrix, [(0, 0)] * (matrix.ndim - 1) + [(0, missing)])
    return (filled[..., 0::COLUMNS] & 0xFFFF) | ((filled[..., 1::COLUMNS] & 0xFFFF) << 16)


@dataclass(frozen=True)
class Layout(fours.Layout):
    """The passes of a block; shifts: those of the requantizations of its sums, 0: none."""

    shifts: tuple[int, ...] = ()

    def lifted(self, result: int) -> int:
        """How far the multiplier of a result is shifted up for high_round."""
        return HIGH_SHIFT - self.shifts[result]


def layout(results: int, segments: Segments, shifts: tuple[int, ...] = ()) -> Layout | None:
    """The passes of a dot product; segments: the results that each has."""
    form = fours.layout(results, segments)
    return Layout(form.units, form.results, form.passes, shifts) if form else None


def scaled(
    form: Layout, shifts: tuple[int, ...], vectors: tuple[tuple[int, int], ...], of: Content
) -> Layout:
    """The layout for sums that are requantized with these shifts."""
    return replace(form, shifts=shifts)


def fits(form: Layout, of: Content) -> bool:
    """Whether the fractions of all weights are the bits below them."""
    return all(np.array_equal(weights(words(m))[..., : m.shape[-1]], m) for m in of.matrices)


def pack_for_kernel(form: Layout, of: Content) -> IntArray:
    """The stream of a kernel, u32.  The first value of a sum holds its multiplier."""
    first = of.first(form.units)
    for r, m in of.scales(form.units).items():
        assert np.array_equal(m >> form.lifted(r), first[:, :, r] & 0xFFFF)
    parts: list[IntArray] = []
    for p in form.passes:
        for s in p.span:
            rows = of_rows(blocked(words(of.matrices[s]), form.units), p.rows, of.segments[s])
            parts.append(np.stack(rows, axis=2).reshape(len(first), -1))
        parts += [first[:, u, r] for u, r in p.rows]
    return np.concatenate(parts, axis=1).ravel() & 0xFFFFFFFF


def unpack_from_kernel(form: Layout, to: Unpacking) -> None:
    """The inverse of pack_for_kernel."""
    to.begin(to.stream)
    for p in form.passes:
        for s in p.span:
            size = to.sizes[s]
            taken = to.take(-(-size // COLUMNS) * len(p.rows))
            of_rows_of_pass = taken.reshape(to.blocks, -1, len(p.rows)).transpose(2, 0, 1)
            for row, found in zip(p.rows, of_rows_of_pass, strict=True):
                to.row(s, row)[:] = weights(found)[:, :size]
        for u, r in p.rows:
            end = to.take(1)[:, 0]
            to.bias[:, u, r] = signed(end, 32)
            if r in to.scales:
                to.scales[r][:, u] = (end & 0xFFFF) << form.lifted(r)
