"""The vectors that kernels read: elements of their type, begun at a word, with room for turns.

State and scratch buffers are kept like that; inputs, and rows of windows and rings, which have
their own layout, are copied before they are used, and so is what another kernel reads as it lies.
"""

from __future__ import annotations

from dataclasses import replace

from rnn2c.ir.program import (
    Advance,
    Buffer,
    Call,
    Dot,
    Elem,
    Inner,
    Loop,
    Op,
    Program,
    Reduce,
    Row,
    Segment,
    Stage,
    StepRow,
    Store,
    When,
)
from rnn2c.packing.families import Family

WIDTHS = ("i8", "i16", "i32")
"""Types of the elements of vectors, from the narrowest."""


class Vectors:
    """The buffers of a program, changed as its stages need them; not those `in_place`."""

    def __init__(self, program: Program, in_place: set[str]) -> None:
        self.all = dict(program.buffer)
        self.names = set(self.all)
        self.copied: set[str] = set()
        """Copies of inputs that are there by now."""
        self.fixed = {b.name for b in program.buffers if b.rows or b.type not in ("i8", "i16")}
        self.fixed |= {
            b.name for b in program.buffers if b.role not in ("state", "scratch", "local")
        }
        self.fixed |= in_place
        for operations in (program.init, program.step, program.finish):
            self.fixed |= _with_layout(operations)

    def buffers(self) -> tuple[Buffer, ...]:
        """Every buffer as it is now."""
        return tuple(self.all.values())

    def fit(self, stage: Stage, role: str, family: Family) -> tuple[list[Inner], Stage]:
        """The stage with vectors for its kernel, and the copies to be made before it."""
        if not family.vector:
            return [], stage
        copies: list[Inner] = []
        body = []
        for i in stage.body:
            if isinstance(i, Dot):
                segments = []
                for segment in i.segments:
                    made, fitted = self._segment(segment, role, family)
                    copies += made
                    segments.append(fitted)
                i = replace(i, segments=tuple(segments))
            body.append(i)
        return copies, replace(stage, body=tuple(body))

    def _segment(self, segment: Segment, role: str, family: Family) -> tuple[list[Inner], Segment]:
        b = self.all[segment.vector]
        if b.name not in self.fixed and not segment.offset:
            self.all[b.name] = self._widened(b, family)
            return [], segment
        name = f"{b.name}_{segment.offset}_wide" if segment.offset else f"{b.name}_wide"
        while name in self.names:
            name += "_"
        self.all[name] = self._widened(
            Buffer(
                name=name,
                type=b.type,
                size=segment.size,
                role="local" if role == "local" else "scratch",
                doc=f"{b.doc} in {family.vector[1:]} bits",
                lo=b.lo,
                hi=b.hi,
                rate=b.rate,
            ),
            family,
        )
        source = Elem(b.name, segment.offset, 1, segment.new)
        body, stores = (Call("v", "same", (source,)),), (Store(Elem(name), "v"),)
        copy = Stage(f"{b.name} in {family.vector[1:]} bits", segment.size, body, stores)
        copied = Segment(name, segment.size, segment.results)
        is_there = name in self.copied
        if b.role == "input":
            self.copied.add(name)
        return ([] if is_there else [copy]), copied

    def _widened(self, b: Buffer, family: Family) -> Buffer:
        """The buffer as the family reads it, and as others do that have read it before."""
        type_ = max(b.type, family.vector, key=WIDTHS.index)
        saved = b.image_type if b.role == "state" and b.type != type_ else b.saved_as
        return replace(b, type=type_, lanes=max(b.lanes, family.lanes), saved_as=saved)


def _with_layout(operations: tuple[Op, ...]) -> set[str]:
    """Buffers that are read as they lie: rows of rings and windows, and what is reduced."""
    found: set[str] = set()
    for op in operations:
        match op:
            case When(body=body):
                found |= _with_layout(body)
            case Loop(start=start, body=body):
                found |= _with_layout((*start, *body))
            case Advance(ring):
                found |= {ring.buffer, ring.newest}
            case Row(view, ring):
                found |= {view, ring.buffer, ring.newest}
            case StepRow(view, source, beyond):
                found |= {view, source, beyond}
            case Reduce(source=source, target=target):
                found |= {source, target}
    return found
