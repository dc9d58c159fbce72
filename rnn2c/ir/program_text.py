"""A Program as text, for people and for comparisons.

Equal programs give equal text, by the rules of ir/model_text.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from rnn2c.ir.model_text import format_text
from rnn2c.ir.names import prose
from rnn2c.ir.program import (
    Advance,
    Argument,
    Buffer,
    Call,
    Const,
    Dot,
    Elem,
    Fold,
    Gather,
    Loop,
    Op,
    Program,
    Reduce,
    Row,
    Signal,
    Stage,
    StepRow,
    Table,
    Weight,
    When,
)


def program_text(program: Program) -> str:
    """A Program: buffers with their ranges, constants, then one line per instruction."""
    return "\n".join(_program_lines(program)) + "\n"


def _program_lines(program: Program) -> Iterator[str]:
    yield f"program {program.name} for {program.target.name}, profile {program.profile}"
    yield f"  {program.doc}"
    yield from _section("signals", [_signal(s, "input") for s in program.inputs])
    yield from (f"  {_signal(s, 'output')}" for s in program.outputs)
    yield from _section("buffers", map(_buffer, program.buffers))
    yield from _section("weights", map(_weight, program.weights))
    yield from _section("constants", map(_const, program.consts))
    for name, operations in (
        ("init", program.init),
        ("step", program.step),
        ("finish", program.finish),
    ):
        yield from _section(name, [line for op in operations for line in _operation(op)])


def _section(title: str, lines: Iterator[str] | list[str] | map[str]) -> Iterator[str]:
    """A blank line, a title and indented lines; nothing at all without lines."""
    for count, line in enumerate(lines):
        if count == 0:
            yield ""
            yield title
        yield f"  {line}"


def _signal(signal: Signal, way: str) -> str:
    form = format_text(signal.format) if signal.kind == "value" else signal.kind
    form += ", a scale for each channel" if signal.channels else ""
    return f"{way} {prose(signal.name)}: {signal.buffer} per {signal.rate}, {form}"


def _buffer(b: Buffer) -> str:
    twice = " twice" if b.twice else f" per step, at most {b.rows}" if b.rows else ""
    span = "" if b.type == "f32" else f", in [{b.lo}, {b.hi}]"
    return f"{b.name}: {b.type}[{b.size}]{twice}, {b.role}{span}: {prose(b.doc)}"


def _weight(w: Weight) -> str:
    shapes = " ".join(str(list(m.shape)) for m in w.matrices)
    return f"{w.name}: {w.packing} {shapes}, {w.bits} bits"


def _const(c: Const) -> str:
    low, high = c.data.min(), c.data.max()
    span = f"[{low:.6g}, {high:.6g}]" if c.type == "f32" else f"[{low}, {high}]"
    return f"{c.name}: {c.type}[{c.data.size}], {c.kind}, in {span}"


def _operation(op: Op) -> Iterator[str]:
    match op:
        case Stage():
            yield f"{op.title}: {op.units} unit{'s' if op.units > 1 else ''}"
            for instruction in op.body:
                match instruction:
                    case Call():
                        yield f"  {_call(instruction)}"
                    case Dot():
                        yield from (f"  {line}" for line in _dot(instruction))
                    case Gather(out, table, index):
                        yield f"  {out} = {table}[{index}[0]][j]"
            for store in op.stores:
                yield f"  {_element(store.element)} = {store.value}"
        case Reduce():
            mark = "'" if op.new else ""
            yield op.title
            if isinstance(op, Fold):
                more = "".join(f", {m}" for m in op.more)
                yield f"  {op.target}[0] = {op.start}"
                yield (
                    f"  {op.target}[0] = {op.function}({op.target}[0], {op.source}{mark}[k]{more})"
                    f" for k = 0 .. {op.size - 1}"
                )
                return
            yield f"  {op.target}[0] = {op.function} of {op.source}{mark}[0 .. {op.size - 1}]"
        case Loop():
            which = f"the {op.steps} step" if op.steps != "all" else "all steps"
            yield f"{op.title}: for {which}{' in reverse' if op.reverse else ''}"
            yield from (f"  before: {line}" for o in op.start for line in _operation(o))
            yield from (f"  {line}" for o in op.body for line in _operation(o))
        case Advance(ring):
            yield f"advance {ring.buffer}: {ring.rows} rows of {ring.size}"
        case Row(view, ring, back):
            yield f"{view} = row of {ring.buffer}, {back} before the newest"
        case StepRow(view, source, beyond, ahead):
            yield f"{view} = row {ahead:+d} of {source}, {beyond} where there is none"
        case When(clock, body):
            yield f"at steps {clock.first}, {clock.first + clock.every}, ... ({clock.buffer}):"
            yield from (f"  {line}" for inner in body for line in _operation(inner))


def _call(call: Call) -> str:
    text = f"{call.out} = {call.primitive}({', '.join(map(_argument, call.arguments))})"
    return f"{text}  # {prose(call.doc)}" if call.doc else text


def _argument(a: Argument) -> str:
    match a:
        case Elem():
            return _element(a)
        case Table(const):
            return const
    return str(a)


def _element(e: Elem) -> str:
    """buffer[offset + stride j]; a prime marks the copy being computed."""
    terms = {0: [], 1: ["j"]}.get(e.stride, [f"{e.stride} j"])
    terms += [str(e.offset)] if e.offset or not terms else []
    mark = "'" if e.new else " from the end" if e.mirror else ""
    return f"{e.buffer}{mark}[{' + '.join(terms)}]"


def _dot(dot: Dot) -> Iterator[str]:
    """The accumulators with their width, then one line per segment."""
    yield f"{' '.join(dot.outs)} = {dot.width} sums of {dot.bias} and {dot.weight}:"
    for s in dot.segments:
        sums = " ".join(dot.outs[r] for r in s.results)
        j = f"{s.stride} j + " if s.stride else ""
        span = f"{j}{s.offset} .. {j}{s.offset + s.size - 1}"
        yield f"  {s.vector}{chr(39) if s.new else ''}[{span}] into {sums}"
