"""C text of the operations of a Program: elements, calls, dot products, reductions.

Everything here is a small record of strings that a template prints; nothing decides semantics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from rnn2c.arith_tree import REAL, TABLES, tree
from rnn2c.emit.dots import Dots
from rnn2c.emit.expressions import index_text, stored, widened
from rnn2c.emit.records import (
    FunctionCode,
    InnerCode,
    KernelCode,
    Line,
    LoopCode,
    OpCode,
    ReduceCode,
    RingCode,
    StageCode,
    StepRowCode,
    WhenCode,
)
from rnn2c.emit.special import special
from rnn2c.emit.types import entry_type, value_types
from rnn2c.emit.units import function_name, units_of
from rnn2c.ir.names import prose
from rnn2c.ir.ops import flat, uses
from rnn2c.ir.program import (
    CTYPES,
    Advance,
    Argument,
    Call,
    Dot,
    Elem,
    Fold,
    Gather,
    Inner,
    Loop,
    Op,
    Reduce,
    Ring,
    Row,
    Stage,
    StepRow,
    Table,
    When,
)
from rnn2c.packing import PACKINGS


class Coder(Dots):
    """Writes the operations of one Program."""

    def function(self, operations: tuple[Op, ...]) -> FunctionCode:
        """The code of init, step or finish."""
        plain = self._plain(tuple(op for op in operations if not isinstance(op, Loop)))
        names = {name for op in flat(operations) for name, _ in uses(op)}
        return replace(
            plain,
            current=tuple(b for b in plain.current if b.role == "state"),
            locals=tuple(b for b in self.program.having("local") if b.name in names),
            loops=tuple(self._loop(op) for op in operations if isinstance(op, Loop)),
            results=tuple(b for b in plain.current if b.role != "state"),
        )

    def _plain(self, operations: tuple[Inner | When, ...]) -> FunctionCode:
        """The code of operations without loops among them."""
        used = [u for op in flat(operations) for u in uses(op)]
        index = count()
        twice = [b for b in self.program.buffers if b.twice]
        return FunctionCode(
            stages=tuple(self._operation(op, index) for op in operations),
            current=tuple(b for b in twice if (b.name, False) in used),
            new=tuple(b for b in twice if (b.name, True) in used),
            locals=(),
        )

    def _loop(self, loop: Loop) -> LoopCode:
        start, body = self._plain(loop.start), self._plain(loop.body)
        return LoopCode(loop.title, loop.reverse, loop.steps, start, body)

    def _operation(self, op: Inner | When, index: Iterator[int]) -> OpCode:
        match op:
            case When(clock, body):
                codes = tuple(self._simple(inner, index) for inner in body)
                marks = tuple(c.index for c in codes if isinstance(c, (StageCode, ReduceCode)))
                return WhenCode("when", clock, codes, marks)
            case _:
                return self._simple(op, index)

    def _simple(self, op: Inner, index: Iterator[int]) -> InnerCode:
        match op:
            case Stage():
                return self._stage(op, next(index))
            case Reduce():
                return self._reduce(op, next(index))
            case Advance(ring):
                return self._ring("advance", ring)
            case Row(view, ring, back, written):
                doc = prose(self.program.buffer[view].doc)
                code = self._ring("row", ring)
                return replace(code, view=view, back=back, written=written, doc=doc)
            case StepRow(view, source, beyond, ahead):
                b = self.program.buffer[view]
                return StepRowCode(
                    kind="steprow",
                    view=view,
                    ctype=CTYPES[b.type],
                    source=f"s->{source}",
                    beyond=self.vector(beyond),
                    ahead=ahead,
                    doc=prose(b.doc),
                )

    def _ring(self, kind: str, ring: Ring) -> RingCode:
        buffers = self.program.buffer
        return RingCode(
            kind=kind,
            buffer=self.vector(ring.buffer),
            ctype=CTYPES[buffers[ring.buffer].type],
            newest=f"{self.vector(ring.newest)}[0]",
            newest_ctype=CTYPES[buffers[ring.newest].type],
            rows=ring.rows,
            size=ring.size,
        )

    def _stage(self, stage: Stage, index: int) -> StageCode:
        renamed = self._renamed(stage)
        names = {name for name, _ in uses(stage)}
        dots = [i for i in stage.body if isinstance(i, Dot)]
        types = value_types(self.program, stage)
        stores = tuple(
            (
                self._element(s.element),
                stored(
                    renamed[s.value], types[s.value], self.program.buffer[s.element.buffer].type
                ),
            )
            for s in stage.stores
        )
        return StageCode(
            kind="stage",
            title=stage.title,
            index=index,
            units=stage.units,
            dots=tuple(self.dot(d, renamed, stage.units) for d in dots if not d.kernel),
            lines=tuple(
                self._entry(i, renamed) if isinstance(i, Gather) else self._line(i, renamed, types)
                for i in stage.body
                if not isinstance(i, Dot)
            ),
            stores=stores,
            row=next((self._row(i) for i in stage.body if isinstance(i, Gather)), None),
            reads=tuple(sorted(names)),
            given=tuple(sorted(names & {b.name for b in self.program.having("input")})),
            kernel=self._kernel(stage, dots, renamed),
        )

    def _kernel(
        self, stage: Stage, dots: list[Dot], renamed: dict[str, str]
    ) -> KernelCode | None:  # fmt: skip
        """The call of the kernel of a stage, or of the function that does all of it."""
        found = [dot for dot in dots if dot.kernel]
        if not found:
            return None
        code = self.kernel(found[0], renamed, stage.units)
        units = units_of(self.program, stage)
        if units is None:
            return code
        return replace(
            code,
            function=self.static(function_name(found[0])),
            vectors=(
                *code.vectors,
                *(self.vector(e.buffer, e.new, e.mirror) for e in units.arrays),
            ),
            whole=True,
        )

    def _renamed(self, stage: Stage) -> dict[str, str]:
        """C name of every value: its own, unless a buffer or an argument has it."""
        taken = {b.name for b in self.program.buffers}
        values = [o for i in stage.body for o in (i.outs if isinstance(i, Dot) else (i.out,))]
        return {v: f"{v}_j" if v in taken else v for v in values}

    def _line(self, call: Call, renamed: dict[str, str], types: dict[str, str]) -> Line:
        function = tree(call.primitive)
        name = call.primitive
        pairs = list(zip(call.arguments, (t for _, t in function.parameters), strict=True))
        own = special(self.program, call, types)
        if own is not None:
            name = own.name
            pairs = [(a, t) for a, (_, t) in zip(own.arguments, own.parameters, strict=True)]
        texts = [self._argument(a, t, renamed, types) for a, t in pairs]
        text = f"{self.prefix}_{name}({', '.join(texts)})"
        return Line(CTYPES[function.returns], renamed[call.out], text, call.doc)

    def _row(self, gather: Gather) -> Line:
        """The row of the token; rows begin at whole bytes."""
        weight = self.program.weight[gather.table]
        packing = PACKINGS[weight.packing]
        columns = packing.pack(weight.matrices).size // len(weight.matrices[0])
        row = f"(size_t){self.vector(gather.index)}[0] * {columns}u"
        text = self.flash.place(self.flash.start(self.static(weight.name)), row, packing.type)
        return Line(self.flash.pointer(CTYPES[packing.type]), "at", text, gather.doc)

    def _entry(self, gather: Gather, renamed: dict[str, str]) -> Line:
        """Element j of the row."""
        packing = self.program.weight[gather.table].packing
        halves = packing == "dense4"
        text = self.flash.read("at", "j >> 1" if halves else "j", PACKINGS[packing].type)
        if halves:
            text = f"{self.prefix}_nibble({text}, (uint8_t)(j & 1u))"
        return Line(CTYPES[entry_type(self.program, gather)], renamed[gather.out], text, "")

    def _argument(
        self, a: Argument, type_: str, renamed: dict[str, str], types: dict[str, str]
    ) -> str:
        match a:
            case int():
                return str(a) if abs(a) <= 32767 else f"INT32_C({a})"
            case str():
                return widened(renamed[a], types[a], type_)
            case Table(const):
                assert type_ in TABLES
                return self.flash.start(self.static(const))
            case Elem(buffer):
                const_ = self.program.const.get(buffer)
                if const_ is None:
                    return widened(self._element(a), self.program.buffer[buffer].type, type_)
                start = self.flash.start(self.static(buffer))
                text = self.flash.read(start, index_text(a), const_.type)
                return widened(text, const_.type, type_)

    def _element(self, e: Elem) -> str:
        return f"{self.vector(e.buffer, e.new, e.mirror)}[{index_text(e)}]"

    def _reduce(self, op: Reduce, index: int) -> ReduceCode:
        target = self.program.buffer[op.target]
        source = self.vector(op.source, op.new)
        first, more = f"({CTYPES[target.type]}){source}[0]", ""
        if isinstance(op, Fold):
            first = f"{op.start}.0f" if target.type == REAL else str(op.start)
            more = "".join(f", {m}" for m in op.more)
        function = op.function if op.function == "argmax" else f"{self.prefix}_{op.function}"
        return ReduceCode(
            kind="argmax" if op.function == "argmax" else "fold",
            title=op.title,
            index=index,
            function=function,
            source=source,
            target=self.vector(op.target),
            ctype=CTYPES[target.type],
            size=op.size,
            first=first,
            begin=0 if isinstance(op, Fold) else 1,
            more=more,
        )
