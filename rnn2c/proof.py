"""The range proof of a Program: no value, for any input and state, leaves its C type or its buffer.

Beside the ranges it checks the shape of the Program: every element an instruction touches exists,
and no unit of a stage reads what another unit of it stores.  Real numbers (float32) have no range:
for them the shape, and that no integer is made of one, is all that is checked.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnn2c.arith_tree import REAL, tree
from rnn2c.errors import RangeError
from rnn2c.ir.program import (
    Advance,
    Argument,
    Call,
    Dot,
    Elem,
    Fold,
    Gather,
    Kernel,
    Loop,
    Op,
    Program,
    Reduce,
    Row,
    Stage,
    StepRow,
    Table,
    When,
)
from rnn2c.proof_rows import (
    check_rows,
    check_views,
    verify_clock,
    verify_ring,
    verify_row,
    verify_step_row,
)
from rnn2c.ranges import Interval, Value, bound, dot_bound, fit


def verify_ranges(program: Program) -> dict[tuple[str, str], Interval]:
    """Prove the whole program; returns the range of every value by (stage title, value name).

    Raises RangeError naming stage and value.
    """
    check_rows(program)
    proven: dict[tuple[str, str], Interval] = {}
    for operations in (program.init, program.step, program.finish):
        proven.update(_verify(program, operations, {}))
    for name, limit in (*program.step_until, *program.finish_after):
        if not 0 <= limit <= program.buffer[name].hi:
            raise RangeError(f"{program.name}: {name} never reaches {limit}")
    return proven


def _verify(
    program: Program, operations: tuple[Op, ...], views: Mapping[str, Row | StepRow]
) -> dict[tuple[str, str], Interval]:
    """The same for some operations; views: what rows of rings are known before them."""
    known = dict(views)
    proven: dict[tuple[str, str], Interval] = {}
    for op in operations:
        try:
            match op:
                case Stage():
                    check_views(program, op, known)
                    proven.update(_verify_stage(program, op))
                case Reduce():
                    _verify_reduce(program, op)
                case Advance(ring):
                    verify_ring(program, ring)
                case Row(view, ring):
                    verify_ring(program, ring)
                    verify_row(program, op)
                    known[view] = op
                case StepRow(view):
                    verify_step_row(program, op)
                    known[view] = op
                case When(clock, body):
                    verify_clock(program, clock)
                    proven.update(_verify(program, body, known))
                case Loop(start=start, body=body):
                    proven.update(_verify(program, (*start, *body), known))
        except RangeError as error:
            if isinstance(op, (When, Loop)):
                raise
            where = f"stage '{op.title}'" if isinstance(op, (Stage, Reduce)) else type(op).__name__
            raise RangeError(f"{program.name}, {where}: {error}") from None
    return proven


def _verify_stage(program: Program, stage: Stage) -> dict[tuple[str, str], Interval]:
    _check_independence(stage)
    _check_names(stage)
    ranges: dict[str, Interval | None] = {}  # None: a real number

    def argument(a: Argument) -> Value | None:
        match a:
            case int():
                return Interval(a, a)
            case str():
                return ranges[a]
            case Table(const):
                return program.const[const].data
            case Elem():
                return _element(program, stage, a)

    for instruction in stage.body:
        match instruction:
            case Call(out, primitive, arguments):
                try:
                    ranges[out] = _call_bound(primitive, tuple(map(argument, arguments)))
                except RangeError as error:
                    raise RangeError(f"{out} = {error}") from None
            case Dot():
                ranges.update(_verify_dot(program, instruction, stage))
            case Gather(out):
                ranges[out] = _verify_gather(program, instruction, stage)
    for store in stage.stores:
        buffer = program.buffer[store.element.buffer]
        _element(program, stage, store.element)
        value = ranges[store.value]
        if (value is None) != (buffer.type == REAL):
            raise RangeError(f"{store.value} is stored in {buffer.name} of type {buffer.type}")
        if value is not None and not value.within(buffer.lo, buffer.hi):
            raise RangeError(
                f"{store.value} in [{value.lo}, {value.hi}] leaves"
                f" {buffer.name} in [{buffer.lo}, {buffer.hi}]"
            )
    return {(stage.title, name): value for name, value in ranges.items() if value is not None}


def _call_bound(primitive: str, arguments: tuple[Value | None, ...]) -> Interval | None:
    """Range of the result, None for a real one; a real parameter takes integers too."""
    types = [type_ for _, type_ in tree(primitive).parameters]
    for value, type_ in zip(arguments, types, strict=True):
        if value is None and type_ != REAL:
            raise RangeError(f"{primitive}: a real number where {type_} is expected")
        if isinstance(value, np.ndarray) and type_ == REAL:
            raise RangeError(f"{primitive}: a table where {type_} is expected")
    if tree(primitive).returns == REAL:
        return None
    return bound(primitive, tuple(v for v in arguments if v is not None))


def _element(program: Program, stage: Stage, elem: Elem) -> Interval | None:
    last = elem.offset + elem.stride * (stage.units - 1)
    const = program.const.get(elem.buffer)
    size = program.buffer[elem.buffer].size if const is None else const.data.size
    if not 0 <= elem.offset <= last < size:
        raise RangeError(f"{elem.buffer}[{last}] leaves its {size} elements")
    if (program.buffer[elem.buffer] if const is None else const).type == REAL:
        return None
    if const is None:
        return Interval(program.buffer[elem.buffer].lo, program.buffer[elem.buffer].hi)
    used = const.data[elem.offset : last + 1 : max(elem.stride, 1)]
    return Interval(int(used.min()), int(used.max()))


def _verify_dot(program: Program, dot: Dot, stage: Stage) -> Mapping[str, Interval | None]:
    weight = program.weight[dot.weight]
    _check_shapes(program, dot, stage)
    if dot.width == REAL:
        return dict.fromkeys(dot.outs)
    bias = program.const[dot.bias].data.reshape(stage.units, len(dot.outs))
    vectors = tuple(
        (program.buffer[s.vector].lo, program.buffer[s.vector].hi) for s in dot.segments
    )
    bounds = dot_bound(weight.matrices, vectors, tuple(s.results for s in dot.segments), bias)
    if dot.kernel is not None:
        bounds = _delivered(program, dot, dot.kernel, bounds)
    return {
        out: fit(value, dot.width, f"sum {out}")
        for out, value in zip(dot.outs, bounds, strict=True)
    }


def _delivered(
    program: Program, dot: Dot, kernel: Kernel, bounds: list[Interval]
) -> list[Interval]:
    """The ranges of what a kernel makes of sums with these ranges."""
    if kernel.shifted:
        sums = [fit(b, dot.width, "sum") for b in bounds]
        shifts = [Interval(n, n) for n in kernel.shifted]
        return [bound("shift_sat16", pair) for pair in zip(sums, shifts, strict=True)]
    up = [max(powers) for powers in zip(*kernel.raised, strict=True)]
    result = [Interval(b.lo << n, b.hi << n) for b, n in zip(bounds, up, strict=True)]
    for k, r in enumerate(kernel.scaled):
        words = program.const[kernel.multipliers].data[k :: len(kernel.scaled)]
        multiplier = Interval(int(words.min()), int(words.max()))
        result[r] = bound("high_round", (fit(result[r], "i32", "sum"), multiplier))
    for a, b in kernel.joined:
        result[a] = bound("add", (result[a], result[b]))
    return result


def _verify_gather(program: Program, gather: Gather, stage: Stage) -> Interval | None:
    """Range of a table; its index is a checked token that stays inside it."""
    (rows,) = program.weight[gather.table].matrices
    index = program.buffer[gather.index]
    if rows.shape[1:] != (1, stage.units):
        raise RangeError(f"{gather.table}: rows of {list(rows.shape[1:])} for {stage.units} units")
    tokens = {s.buffer for s in program.inputs if s.kind == "token"}
    if index.name not in tokens or not 0 <= index.lo <= index.hi < len(rows):
        raise RangeError(
            f"{index.name} in [{index.lo}, {index.hi}] is no token of the {len(rows)} of"
            f" {gather.table}"
        )
    if program.is_float:
        return None
    return Interval(int(rows.min()), int(rows.max()))


def _check_shapes(program: Program, dot: Dot, stage: Stage) -> None:
    matrices = program.weight[dot.weight].matrices
    for segment, matrix in zip(dot.segments, matrices, strict=True):
        whole = program.buffer[segment.vector].size
        end = segment.offset + segment.stride * (stage.units - 1) + segment.size
        if segment.offset < 0 or segment.stride < 0 or end > whole:
            raise RangeError(
                f"{dot.weight}: {segment.vector}[{end - 1}] leaves its {whole} elements"
            )
        wanted = (stage.units, len(segment.results), segment.size)
        if matrix.shape != wanted:
            raise RangeError(
                f"{dot.weight}: {list(matrix.shape)} for {segment.size} elements of"
                f" {segment.vector}, expected {list(wanted)}"
            )
    if program.const[dot.bias].data.size != stage.units * len(dot.outs):
        raise RangeError(f"{dot.bias} does not have {stage.units} x {len(dot.outs)} elements")


def _check_independence(stage: Stage) -> None:
    """What a unit stores, only the same unit may have read in this stage."""
    own = {
        (s.element.buffer, s.element.new): (s.element.offset, s.element.stride)
        for s in stage.stores
    }
    for instruction in stage.body:
        if isinstance(instruction, Dot):
            for segment in instruction.segments:
                if (segment.vector, segment.new) in own:
                    raise RangeError(f"a sum reads {segment.vector} while the stage stores it")
            continue
        if isinstance(instruction, Gather):
            continue  # its index is an input, which no stage stores
        for a in instruction.arguments:
            if isinstance(a, Elem) and own.get((a.buffer, a.new), (a.offset, a.stride)) != (
                a.offset,
                a.stride,
            ):
                raise RangeError(f"{instruction.out} reads what another unit stores in {a.buffer}")


def _check_names(stage: Stage) -> None:
    """A value is defined once."""
    seen: set[str] = set()
    for i in stage.body:
        for name in i.outs if isinstance(i, Dot) else (i.out,):
            if name in seen:
                raise RangeError(f"{name} is defined twice")
            seen.add(name)


def _verify_reduce(program: Program, op: Reduce) -> None:
    source, target = program.buffer[op.source], program.buffer[op.target]
    if not 1 <= op.size <= source.size:
        raise RangeError(f"{op.size} elements of {op.source}, which has {source.size}")
    if op.function == "argmax":
        result = Interval(0, op.size - 1)
    elif REAL in (source.type, target.type):
        if tree(op.function).returns != target.type:
            raise RangeError(f"{op.function} does not give the {target.type} of {target.name}")
        return
    else:
        element = Interval(source.lo, source.hi)
        begun = isinstance(op, Fold)
        result = Interval(op.start, op.start) if isinstance(op, Fold) else element
        more = tuple(Interval(m, m) for m in op.more) if isinstance(op, Fold) else ()
        for _ in range(op.size if begun else op.size - 1):
            result = bound(op.function, (result, element, *more))
    if not result.within(target.lo, target.hi):
        raise RangeError(f"[{result.lo}, {result.hi}] leaves {target.name}")
