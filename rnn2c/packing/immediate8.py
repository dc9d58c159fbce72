"""immediate8: 8-bit weights in the instructions themselves, for cores that read a byte at a time.

Nothing is stored.  The code of a unit is straight: column by column the element of the vector, one
product for every magnitude that the weights of the column have, and an addition or subtraction for
every row with it.  A magnitude stays in its register as long as it is of more use than another.

Sums of 3 bytes are of unsigned products, of magnitudes and x + 128 (of elements of 16 bits the
upper byte + 128); what they are too large by is taken off their first values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Content, Segments

KEPT = 6
"""Registers for magnitudes."""

MOST_SUMS = 4
"""So many are in registers."""

HALF, WIDE = 128, 3
"""What makes an element unsigned; the bytes of sums that need it."""

FRAME_BYTES, SEGMENT_BYTES, UNIT_BYTES = 2 * (4 * 26 + 40), 2 * 6, 2 * 9
"""Of a kernel, each segment of a unit, and each unit, beside its columns and first values."""


@dataclass(frozen=True)
class Layout:
    """The sums of one unit, each of so many bytes; wide: the segments with elements of 16 bits."""

    octets: int
    results: int
    wide: tuple[bool, ...]

    @property
    def units(self) -> int:
        """Of a block."""
        return 1

    @property
    def raised(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: no sum is raised."""
        return ((0,) * self.results,)

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """[unit][result]: where a sum goes."""
        return (tuple(range(self.results)),)


@dataclass(frozen=True)
class Product:
    """|weight| * element, added to or subtracted from the sums of results.

    register: which of those KEPT has the magnitude; loaded: whether it has to be put there.
    """

    magnitude: int
    register: int
    loaded: bool
    added: tuple[int, ...]
    subtracted: tuple[int, ...]


Column = tuple[Product, ...]
"""Nothing where all its weights are zero: its element is passed over."""


def layout(results: int, segments: Segments, types: tuple[str, ...], octets: int) -> Layout | None:
    """The layout, or None where there are more sums than registers.

    types: of the elements of the vectors; octets: bytes of a sum.
    """
    wide = tuple(type_ == "i16" for type_ in types)
    return Layout(octets, results, wide) if results <= MOST_SUMS else None


def pack(form: Layout, of: Content) -> IntArray:
    """No stream."""
    return np.zeros(0, np.int64)


def first(form: Layout, of: Content) -> IntArray:
    """The first values [unit, result] of the sums, modulo their width."""
    values = of.bias.copy()
    for k, (matrix, rows) in enumerate(zip(of.matrices, of.segments, strict=True)):
        if form.octets == WIDE:
            values[:, list(rows)] -= (HALF << (8 * form.wide[k])) * matrix.sum(axis=2)
    modulo: IntArray = values & ((1 << (8 * form.octets)) - 1)
    return modulo


def columns(of: Content, unit: int) -> list[list[Column]]:
    """[segment][column]: the products of a unit."""
    found = [
        [_magnitudes(rows, matrix[unit, :, k].tolist()) for k in range(matrix.shape[2])]
        for matrix, rows in zip(of.matrices, of.segments, strict=True)
    ]
    uses = [set(column) for segment in found for column in segment]
    kept: list[int] = [0] * KEPT
    place = iter(range(len(uses)))
    return [
        [tuple(_kept(column, kept, uses, next(place))) for column in segment] for segment in found
    ]


def code_bytes(form: Layout, of: Content) -> int:
    """The most that a kernel takes."""
    units = len(of.bias)
    words = units * form.results * 2 * form.octets
    for unit in range(units):
        for segment, wide in zip(columns(of, unit), form.wide, strict=True):
            words += sum(_words(column, form.octets, wide) for column in segment)
    each = SEGMENT_BYTES * len(of.segments) + UNIT_BYTES
    return FRAME_BYTES + units * each + 2 * words


def _words(column: Column, octets: int, wide: bool) -> int:
    element = 1 + wide + (octets == WIDE)
    each = (2 * octets - 1) if wide else octets
    return element + sum(p.loaded + 1 + wide + each * len(p.added + p.subtracted) for p in column)


def _magnitudes(rows: tuple[int, ...], weights: list[int]) -> dict[int, list[tuple[int, int]]]:
    """Magnitude -> the results that have it, with the weight; not of zeros."""
    found: dict[int, list[tuple[int, int]]] = {}
    for result, weight in zip(rows, weights, strict=True):
        if weight:
            found.setdefault(abs(weight), []).append((result, weight))
    return found


def _kept(
    column: dict[int, list[tuple[int, int]]], kept: list[int], uses: list[set[int]], place: int
) -> Iterator[Product]:
    """The products of a column, those first whose magnitudes are in registers; another takes the
    place of the one that is needed last.
    """

    def next_use(magnitude: int) -> int:
        later = (n for n in range(place + 1, len(uses)) if magnitude in uses[n])
        return next(later, len(uses))

    for magnitude in sorted(column, key=lambda m: (m not in kept, m)):
        loaded = magnitude not in kept
        if loaded:
            kept[max(range(KEPT), key=lambda n: next_use(kept[n]))] = magnitude
        signs = column[magnitude]
        yield Product(
            magnitude,
            kept.index(magnitude),
            loaded,
            tuple(r for r, weight in signs if weight > 0),
            tuple(r for r, weight in signs if weight < 0),
        )
