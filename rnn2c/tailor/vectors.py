"""The vectors that kernels read: elements of their type, begun at a word, with room for turns.

State and scratch buffers are kept like that, rings too if their rows begin at words; inputs, rows
of windows and of other rings are copied before they are used, and so is what another kernel reads
as it lies.
"""

from __future__ import annotations

from dataclasses import replace

from rnn2c.ir.interface import BYTES
from rnn2c.ir.program import (
    CTYPES,
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
    Ring,
    Row,
    Segment,
    Stage,
    StepRow,
    Store,
    When,
)
from rnn2c.packing.family import Family

WIDTHS = ("i8", "i16", "i32")
"""Types of the elements of vectors, from the narrowest."""

WORD = 4


class Vectors:
    """The buffers of a program, changed as its stages need them; not those `in_place`."""

    def __init__(self, program: Program, in_place: set[str]) -> None:
        self.all = dict(program.buffer)
        self.names = set(self.all)
        self.copied: set[str] = set()
        """Copies of inputs that are there by now."""
        self.fixed = fixed(program) | in_place
        self.in_place = in_place
        self.rings = _rings(program)
        """Views -> the ring that they are rows of, and all its views."""

    def buffers(self) -> tuple[Buffer, ...]:
        """Every buffer as it is now."""
        return tuple(self.all.values())

    def fit(self, stage: Stage, role: str, family: Family) -> tuple[list[Inner], Stage]:
        """The stage with vectors for its kernel, and the copies to be made before it."""
        if not family.vector:
            return [], stage
        if family.vector == WIDTHS[0]:
            self._align(stage, family)
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

    def _align(self, stage: Stage, family: Family) -> None:
        """Vectors of the narrowest elements begin at words; the others are read as they lie."""
        for i in stage.body:
            for segment in i.segments if isinstance(i, Dot) else ():
                b = self.all[segment.vector]
                if b.type == family.vector:
                    self.all[b.name] = self._widened(b, family)

    def _segment(self, segment: Segment, role: str, family: Family) -> tuple[list[Inner], Segment]:
        b = self.all[segment.vector]
        if b.name not in self.fixed and not segment.offset:
            self.all[b.name] = self._widened(b, family)
            return [], segment
        if not segment.offset and self._fit_ring(b.name, family):
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

    def _fit_ring(self, view: str, family: Family) -> bool:
        """Whether the ring of a view is kept as the family reads it, from now on if not before.

        Its rows have to begin at words; behind the last one there is room for what is read of it.
        """
        if view not in self.rings:
            return False
        ring, views = self.rings[view]
        if any(name in self.in_place for name in views):
            return False
        rows = self._widened(self.all[ring.buffer], family)
        if ring.size * BYTES[CTYPES[rows.type]] % WORD:
            return False
        read = rows.size + -ring.size % family.lanes
        while rows.room < read:
            rows = replace(rows, lanes=2 * rows.lanes)
        self.all[ring.buffer] = rows
        for name in views:
            self.all[name] = replace(self.all[name], type=rows.type)
        return True

    def _widened(self, b: Buffer, family: Family) -> Buffer:
        """The buffer as the family reads it, and as others do that have read it before."""
        type_ = max(b.type, family.vector, key=WIDTHS.index)
        saved = b.image_type if b.role == "state" and b.type != type_ else b.saved_as
        return replace(b, type=type_, lanes=max(b.lanes, family.lanes), saved_as=saved)


def fixed(program: Program) -> set[str]:
    """Buffers that stay as they are: others than the kernels' stages read or write them."""
    found = {b.name for b in program.buffers if b.rows or b.type not in ("i8", "i16")}
    found |= {b.name for b in program.buffers if b.role not in ("state", "scratch", "local")}
    for operations in (program.init, program.step, program.finish):
        found |= _with_layout(operations)
    return found


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


def _rings(program: Program) -> dict[str, tuple[Ring, set[str]]]:
    """The ring of every view of one, with all its views."""
    views: dict[str, tuple[Ring, set[str]]] = {}
    of: dict[str, set[str]] = {}
    for op in program.step:
        for row in op.body if isinstance(op, When) else (op,):
            if isinstance(row, Row):
                of.setdefault(row.ring.buffer, set()).add(row.view)
                views[row.view] = row.ring, of[row.ring.buffer]
    return views
