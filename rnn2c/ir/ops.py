"""Operations of a Program: stages of straight-line code, dot products, reductions.

    Op      = Stage(units, body, stores) | Reduce(function, source, target)
            | Loop(start, body of Stages and Reduces), in finish only
    body    = Call(out, primitive, arguments) | Dot(outs, weight, bias, segments)
            | Gather(out, table, index)

A Stage runs for unit j = 0 .. units-1; its units are independent: none reads what another unit of
the same stage stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Width = Literal["i16", "i24", "i32", "i64", "f32"]


@dataclass(frozen=True)
class Elem:
    """buffer[offset + stride * j] of a Buffer or a Const; `new`: of the copy being computed.

    Of a Buffer with rows it is the row of the time step at hand; `mirror`, in a Loop: of the step
    as far from the end as that one is from the beginning.
    """

    buffer: str
    offset: int = 0
    stride: int = 1
    new: bool = False
    mirror: bool = False


@dataclass(frozen=True)
class Table:
    """A whole Const, passed to a look-up primitive."""

    const: str


Argument = str | int | Elem | Table


@dataclass(frozen=True)
class Call:
    """out = primitive(*arguments); an argument is a value, a literal, an element or a table."""

    out: str
    primitive: str
    arguments: tuple[Argument, ...]
    doc: str = ""


@dataclass(frozen=True)
class Segment:
    """Part of a dot product: all columns of `vector`, for the results with these indices."""

    vector: str
    size: int
    results: tuple[int, ...]
    new: bool = False


@dataclass(frozen=True)
class Dot:
    """outs[r] = bias[j, r] + sum over the segments that have r; exact in an integer `width`.

    The matrices of the weight are in the order of the segments.
    """

    outs: tuple[str, ...]
    weight: str
    bias: str
    segments: tuple[Segment, ...]
    width: Width = "i32"
    doc: str = ""


@dataclass(frozen=True)
class Gather:
    """out = element j of row index[0] of a table: a Weight of one matrix [rows, 1, columns].

    index: a buffer of one token, which step has checked; the stage has `columns` units.
    """

    out: str
    table: str
    index: str
    doc: str = ""


@dataclass(frozen=True)
class Store:
    """element = value"""

    element: Elem
    value: str


@dataclass(frozen=True)
class Stage:
    """For each unit j: run the body, then the stores."""

    title: str
    units: int
    body: tuple[Call | Dot | Gather, ...]
    stores: tuple[Store, ...]


@dataclass(frozen=True)
class Reduce:
    """target[0] = source folded by a two-argument primitive, or the index of its largest element.

    function: the name of a primitive, or `argmax` (the first of equal elements); `new`: source is
    the copy being computed.
    """

    title: str
    function: str
    source: str
    target: str
    size: int
    new: bool = False


@dataclass(frozen=True)
class Loop:
    """In finish: `start` once, then `body` for the time steps that `step` has stored.

    reverse: from the last to the first; steps: all, or only the first or the last of them (none of
    a sequence without steps).  Double buffers of the body swap their copies after each step.
    """

    title: str
    body: tuple[Stage | Reduce, ...]
    reverse: bool = False
    start: tuple[Stage | Reduce, ...] = ()
    steps: Literal["all", "first", "last"] = "all"


Op = Stage | Reduce | Loop


def without_loops(operations: tuple[Op, ...]) -> Iterator[Stage | Reduce]:
    """The stages and reductions, those of Loops in their place."""
    for op in operations:
        if isinstance(op, Loop):
            yield from (*op.start, *op.body)
        else:
            yield op
