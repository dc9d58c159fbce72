"""Operations of a Program: stages of straight-line code, dot products, reductions.

    Op      = Stage(units, body, stores) | Reduce(function, source, target) | Fold
            | Advance(ring) | Row(view, ring, back) | When(clock, operations)
            | Loop(start, operations), in finish only, StepRow(view, source, ahead) in a Loop only
    body    = Call(out, primitive, arguments) | Dot(outs, weight, bias, segments)
            | Gather(out, table, index)

A Stage runs for unit j = 0 .. units-1; its units are independent: none reads what another unit of
the same stage stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    """Part of a dot product: `size` columns of `vector`, for the results with these indices.

    They are all of the vector, or vector[offset + stride * j] and the next ones for unit j.
    """

    vector: str
    size: int
    results: tuple[int, ...]
    new: bool = False
    offset: int = 0
    stride: int = 0


@dataclass(frozen=True)
class Kernel:
    """A function in assembly that computes a Dot for `units` units at once, from the weight's
    stream; `family` names what it is made like.

    raised: [unit of a block][result], the power of two that the result is multiplied by.  After
    that the results of `scaled` go through high_round with the constant `multipliers`, an array
    [units][scaled] of multiples of 2^lifted[scaled].  joined: (a, b), after that b is added to a
    and of no use any more.  shifted: all results go through shift_sat16 instead, by these
    shifts.  places: [unit of a block][result], where it stands among the sums;
    turn: columns of one turn of the loop, 0: all; chunks: columns of each segment of which a
    kernel makes partial sums; docs: comment of each result;
    written: bytes of code by which the kernel is longer for weights in its instructions.
    """

    family: str
    units: int
    raised: tuple[tuple[int, ...], ...]
    places: tuple[tuple[int, ...], ...]
    turn: int
    scaled: tuple[int, ...] = ()
    multipliers: str = ""
    docs: tuple[str, ...] = ()
    lifted: tuple[int, ...] = ()
    chunks: tuple[int, ...] = ()
    joined: tuple[tuple[int, int], ...] = ()
    shifted: tuple[int, ...] = ()
    written: int = 0


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
    kernel: Kernel | None = None

    @property
    def type(self) -> Width:
        """Of the results: `width`, or that of shifted ones."""
        return "i16" if self.kernel is not None and self.kernel.shifted else self.width


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
class Fold(Reduce):
    """A Reduce that begins with a number: total = function(total, element, *more)."""

    start: int = 0
    more: tuple[int, ...] = ()


@dataclass(frozen=True)
class Loop:
    """In finish: `start` once, then `body` for the time steps that `step` has stored.

    reverse: from the last to the first; steps: all, or only the first or the last of them (none of
    a sequence without steps).  Double buffers of the body swap their copies after each step.
    """

    title: str
    body: tuple[Inner, ...]
    reverse: bool = False
    start: tuple[Stage | Reduce, ...] = ()
    steps: Literal["all", "first", "last"] = "all"


@dataclass(frozen=True)
class Ring:
    """A state buffer of `rows` rows of `size` elements; `newest` holds the index of one of them."""

    buffer: str
    newest: str
    rows: int
    size: int


@dataclass(frozen=True)
class Advance:
    """The row after the newest one, which is the oldest, becomes the newest."""

    ring: Ring


@dataclass(frozen=True)
class Row:
    """From here on `view`, a buffer of that role, is the row of the ring `back` before the newest.

    written: whether a stage stores into it.
    """

    view: str
    ring: Ring
    back: int
    written: bool = False


@dataclass(frozen=True)
class StepRow:
    """In a Loop: `view` is the row of `source` that belongs to the step `ahead` of the one at hand.

    Where the sequence has no such step it is `beyond`, a buffer of one row.
    """

    view: str
    source: str
    beyond: str
    ahead: int


@dataclass(frozen=True)
class Clock:
    """The steps first, first + every, first + 2 every, ...

    The state buffer counts the steps: from 0 to `first`, then over and over from first + 1 to
    first + every.  So a step is one of these where it is first or first + every, and there was one
    before where it is above first.
    """

    buffer: str
    first: int
    every: int


@dataclass(frozen=True)
class When:
    """The operations, at the steps of the clock only."""

    clock: Clock
    body: tuple[Inner, ...]


Inner = Stage | Reduce | Advance | Row | StepRow
Op = Inner | When | Loop


def flat(operations: Iterable[Op]) -> Iterator[Stage | Reduce]:
    """Every stage and reduction in order, whatever it is nested in."""
    for op in operations:
        match op:
            case Loop():
                yield from flat((*op.start, *op.body))
            case When():
                yield from flat(op.body)
            case Stage() | Reduce():
                yield op


def uses(op: Stage | Reduce) -> list[tuple[str, bool]]:
    """(buffer, new copy) of everything an operation touches."""
    if isinstance(op, Reduce):
        return [(op.source, op.new), (op.target, False)]
    found = [(s.element.buffer, s.element.new) for s in op.stores]
    for i in op.body:
        if isinstance(i, Dot):
            found += [(s.vector, s.new) for s in i.segments]
        elif isinstance(i, Gather):
            found.append((i.index, False))
        else:
            found += [(a.buffer, a.new) for a in i.arguments if isinstance(a, Elem)]
    return found
