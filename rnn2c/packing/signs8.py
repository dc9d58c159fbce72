"""signs8: ternary weights in the instructions themselves, for cores that read a byte at a time.

Nothing is stored.  The code of a unit is straight: column by column the element of the vector is
added to the rows that have +m there and subtracted from those with -m.  At the end of a segment
what a row has become is multiplied by its m, and added to what it had become before.

Elements of 8 bits are raised by 128, so that their sign has not to be found, and so are those of 16
bits, by 2^15, for sums of 3 bytes.  As much less is in the first values, or in what elements are
added to where that would leave its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import immediate8
from rnn2c.packing.blocks import Content, Segments
from rnn2c.packing.immediate8 import FRAME_BYTES, MOST_SUMS, SEGMENT_BYTES, UNIT_BYTES, WIDE
from rnn2c.packing.ternary import is_ternary

MOST_SIGNS = 255
"""Weights of a row that are not zero: the sum of so many elements has their bytes and one more."""

MOST_RAISED = 128
"""Of one sign: so many raised elements of 8 bits, less others, are within 16 bits."""

LARGEST = 255
"""A magnitude is a byte."""

HALF, WIDE_HALF = 128, 2**15
"""By so much elements of 8 and of 16 bits are raised."""

ROW_WORDS = {2: 12, 3: 16}
"""Bytes of a sum -> what a row takes beside its columns, of elements of 8 bits."""


@dataclass(frozen=True)
class Layout(immediate8.Layout):
    """The sums of one unit, each of so many bytes; wide: the segments with elements of 16 bits,
    one at most.
    """

    @property
    def order(self) -> list[int]:
        """Of the segments: the wide one first."""
        return sorted(range(len(self.wide)), key=lambda k: not self.wide[k])

    def half(self, segment: int) -> int:
        """By how much its elements are raised."""
        if self.wide[segment]:
            return WIDE_HALF if self.octets == WIDE else 0
        return HALF


@dataclass(frozen=True)
class Row:
    """A row of a segment.  start: the first value of its signed elements, modulo its bytes; before:
    whether it was in a segment before; after: whether it will be in another one.
    """

    result: int
    magnitude: int
    start: int
    before: bool
    after: bool


@dataclass(frozen=True)
class Segment:
    """A segment with this number.  columns: the results that each element is added to, and those it
    is subtracted from.
    """

    number: int
    rows: tuple[Row, ...]
    columns: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


@dataclass(frozen=True)
class Unit:
    """The code of a unit.  first: values of the sums, modulo their width; alone: the results that
    are in no segment.
    """

    first: tuple[int, ...]
    segments: tuple[Segment, ...]
    alone: tuple[int, ...]


def layout(results: int, segments: Segments, types: tuple[str, ...], octets: int) -> Layout | None:
    """The layout, or None where there are more sums than registers, or more than one vector of
    elements of 16 bits.

    types: of the elements of the vectors; octets: bytes of a sum.
    """
    wide = tuple(type_ == "i16" for type_ in types)
    return Layout(octets, results, wide) if results <= MOST_SUMS and sum(wide) <= 1 else None


def fits(form: Layout, of: Content) -> bool:
    """Whether every row has one magnitude, of a byte, and not too many weights."""
    return all(
        is_ternary(matrix)
        and np.abs(matrix).max(initial=0) <= LARGEST
        and np.count_nonzero(matrix, axis=2).max(initial=0) <= MOST_SIGNS
        for matrix in of.matrices
    )


def units(form: Layout, of: Content) -> Iterator[Unit]:
    """The code of every unit."""
    modulo = 1 << (8 * form.octets)
    for unit, first in enumerate(of.bias.tolist()):
        there = {
            k: {
                r: row
                for r, row in zip(of.segments[k], of.matrices[k][unit], strict=True)
                if any(row)
            }
            for k in form.order
        }
        order = [k for k in form.order if there[k]]
        found = []
        for place, k in enumerate(order):
            before = {r for other in order[:place] for r in there[other]}
            after = {r for other in order[place + 1 :] for r in there[other]}
            rows = []
            for r, weights in there[k].items():
                magnitude, start = int(np.abs(weights).max()), -form.half(k) * _balance(weights)
                if form.octets < WIDE or (not form.wide[k] and _may_stay(weights)):
                    first[r] += magnitude * start
                    start = 0
                rows.append(Row(r, magnitude, start % modulo, r in before, r in after))
            found.append(Segment(k, tuple(rows), _columns(there[k])))
        alone = set(range(form.results)) - {r for k in order for r in there[k]}
        yield Unit(tuple(v % modulo for v in first), tuple(found), tuple(sorted(alone)))


def _balance(weights: IntArray) -> int:
    """How many more weights are positive than negative."""
    return int(np.sign(weights).sum())


def _may_stay(weights: IntArray) -> bool:
    """Whether the sum of raised elements of 8 bits is within 16 bits, whatever they are."""
    return bool(max(np.count_nonzero(weights > 0), np.count_nonzero(weights < 0)) <= MOST_RAISED)


def _columns(rows: dict[int, IntArray]) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    matrix = np.stack(list(rows.values())).T
    return tuple(
        (
            tuple(r for r, weight in zip(rows, column, strict=True) if weight > 0),
            tuple(r for r, weight in zip(rows, column, strict=True) if weight < 0),
        )
        for column in matrix
    )


def code_bytes(form: Layout, of: Content) -> int:
    """The most that a kernel takes."""
    bytes_ = FRAME_BYTES
    for unit in units(form, of):
        words = 2 * form.octets * form.results
        for segment in unit.segments:
            wide = form.wide[segment.number]
            words += (ROW_WORDS[form.octets] + 3 * wide) * len(segment.rows)
            for added, subtracted in segment.columns:
                there = len(added + subtracted)
                words += 2 + wide + (2 + wide) * there if there else 1
        bytes_ += UNIT_BYTES + SEGMENT_BYTES * len(unit.segments) + 2 * words
    return bytes_
