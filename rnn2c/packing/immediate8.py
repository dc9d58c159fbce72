"""immediate8: 8-bit weights in the instructions themselves, for cores that read a byte at a time.

Nothing is stored.  The code of a unit is straight: column by column the element of the vector, one
product for every magnitude that the weights of the column have, and an addition or subtraction for
every row with it.  A magnitude stays in its register as long as it is of more use than another.

Sums of 3 bytes take their products in the two lower ones, as those of 2 bytes do, as long as what
is added stays between LEAST and MOST: the row is open.  2^15 is added to it when it is opened, so
that it only grows, and an upper byte below that of then tells, when it is closed, that the third
one has to be counted up.  Products of elements of 16 bits go to all bytes; they are unsigned there,
and what they are too large by is taken off the first values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Content, Segments

KEPT = {2: 6, 3: 4}
"""Bytes of a sum -> registers for magnitudes."""

MOST_SUMS = 4
"""So many are in registers."""

WIDE = 3
"""Bytes of sums that are opened and closed."""

HALF = 128
LEAST, MOST = -(2**15), 2**15 - 2**8
OPENED = 2**15

FRAME_BYTES, SEGMENT_BYTES, UNIT_BYTES = 2 * (4 * 28 + 40), 2 * 6, 2 * 9
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


@dataclass(frozen=True)
class Column:
    """The products of one element; none: it is passed over.  Before them rows are closed, then
    opened.
    """

    products: tuple[Product, ...]
    closed: tuple[int, ...]
    opened: tuple[int, ...]


@dataclass(frozen=True)
class Unit:
    """The code of a unit.  first: values of the sums, modulo their width; closed: at the end."""

    first: tuple[int, ...]
    segments: tuple[tuple[Column, ...], ...]
    closed: tuple[int, ...]


def layout(results: int, segments: Segments, types: tuple[str, ...], octets: int) -> Layout | None:
    """The layout, or None where there are more sums than registers.

    types: of the elements of the vectors; octets: bytes of a sum.
    """
    wide = tuple(type_ == "i16" for type_ in types)
    return Layout(octets, results, wide) if results <= MOST_SUMS else None


def fits(form: Layout, of: Content) -> bool:
    """Whether every magnitude is a byte."""
    return all(np.abs(matrix).max(initial=0) <= HALF for matrix in of.matrices)


def pack(form: Layout, of: Content) -> IntArray:
    """No stream."""
    return np.zeros(0, np.int64)


def units(form: Layout, of: Content) -> Iterator[Unit]:
    """The code of every unit."""
    for unit, bias in enumerate(of.bias.tolist()):
        rows = _Rows(form, bias)
        weights = [
            [dict(zip(there, column, strict=True)) for column in matrix[unit].T.tolist()]
            for matrix, there in zip(of.matrices, of.segments, strict=True)
        ]
        all_ = [column for segment in weights for column in segment]
        products = _products(all_, KEPT[form.octets])
        segments = tuple(
            tuple(Column(next(products), *rows.take(column, wide)) for column in segment)
            for segment, wide in zip(weights, form.wide, strict=True)
        )
        modulo = 1 << (8 * form.octets)
        yield Unit(tuple(v % modulo for v in rows.first), segments, tuple(sorted(rows.open)))


def code_bytes(form: Layout, of: Content) -> int:
    """The most that a kernel takes."""
    bytes_ = FRAME_BYTES
    for unit in units(form, of):
        words = 2 * form.octets * form.results + 2 * len(unit.closed)
        for segment, wide in zip(unit.segments, form.wide, strict=True):
            words += sum(_words(form, column, wide) for column in segment)
        bytes_ += UNIT_BYTES + SEGMENT_BYTES * len(unit.segments) + 2 * words
    return bytes_


def _words(form: Layout, column: Column, wide: bool) -> int:
    """Of a column; wide: its elements have 16 bits."""
    words = 1 + 2 * wide + 2 * len(column.closed + column.opened)
    of_row = 2 * form.octets - 1 if wide else 2
    for product in column.products:
        words += product.loaded + 1 + wide + of_row * len(product.added + product.subtracted)
    return words


class _Rows:
    """Which rows of a unit are open, and what has been added to them since."""

    def __init__(self, form: Layout, bias: list[int]) -> None:
        self.form = form
        self.first = list(bias)
        self.open: dict[int, tuple[int, int]] = {}

    def take(self, column: dict[int, int], wide: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The rows to be closed and to be opened for a column."""
        closed: list[int] = []
        opened: list[int] = []
        if self.form.octets < WIDE:
            return (), ()
        for row, weight in column.items():
            if wide:
                self.first[row] -= HALF * 256 * weight
                if weight and row in self.open:
                    del self.open[row]
                    closed.append(row)
            elif weight:
                self._add(row, weight, closed, opened)
        return tuple(closed), tuple(opened)

    def _add(self, row: int, weight: int, closed: list[int], opened: list[int]) -> None:
        low, high = sorted((-HALF * weight, (HALF - 1) * weight))
        if row in self.open:
            before = self.open[row]
            if before[0] + low >= LEAST and before[1] + high <= MOST:
                self.open[row] = before[0] + low, before[1] + high
                return
            closed.append(row)
        opened.append(row)
        self.first[row] -= OPENED
        self.open[row] = low, high


def _products(columns: list[dict[int, int]], registers: int) -> Iterator[tuple[Product, ...]]:
    """The products of each column, those first whose magnitudes are in registers; another takes
    the place of the one that is needed last.
    """
    uses = [{abs(weight) for weight in column.values()} - {0} for column in columns]
    kept = [0] * registers
    for place, column in enumerate(columns):
        found = []
        for magnitude in sorted(uses[place], key=lambda m: (m not in kept, m)):
            loaded = magnitude not in kept
            if loaded:
                later = [_next_use(m, uses, place) for m in kept]
                kept[later.index(max(later))] = magnitude
            added, subtracted = (
                tuple(r for r, weight in column.items() if weight == sign * magnitude)
                for sign in (1, -1)
            )
            found.append(Product(magnitude, kept.index(magnitude), loaded, added, subtracted))
        yield tuple(found)


def _next_use(magnitude: int, uses: list[set[int]], place: int) -> int:
    """The next column behind a place that has it."""
    later: Iterable[int] = (n for n in range(place + 1, len(uses)) if magnitude in uses[n])
    return next(iter(later), len(uses))
