"""Tables stored small: knots instead of words, one half where the other is its mirror image.

The look-ups become those of arith_half.py, which give the same bits from a half or a quarter of the
bytes.  A table that anything else reads stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnn2c import lut
from rnn2c.ir.ops import flat
from rnn2c.ir.program import Call, Const, Op, Program, Stage, Table
from rnn2c.tailor.rewrite import with_calls

Small = tuple[Const, str, tuple[int, ...]]
"""A constant, the primitive that looks into it, and the arguments that this takes besides."""

WORDS = 256


def small_tables(program: Program) -> Program:
    """The program with every table as small as it can be."""
    calls = [i for op in flat(_all(program)) if isinstance(op, Stage) for i in op.body]
    readers: dict[str, set[Call]] = {}
    for call in (i for i in calls if isinstance(i, Call)):
        for a in call.arguments:
            if isinstance(a, Table):
                readers.setdefault(a.const, set()).add(call)
    small: dict[str, Small] = {}
    for name, found in readers.items():
        made = _smaller(program.const[name], found)
        if made is not None:
            small[name] = made

    def rewritten(call: Call) -> Call:
        table, *rest = call.arguments
        if not isinstance(table, Table) or table.const not in small:
            return call
        _, primitive, more = small[table.const]
        return replace(call, primitive=primitive, arguments=(table, rest[0], *more))

    consts = tuple(small[c.name][0] if c.name in small else c for c in program.consts)
    init, step, finish = (
        with_calls(operations, rewritten)
        for operations in (program.init, program.step, program.finish)
    )
    return replace(
        program, consts=consts, init=init, step=step, finish=finish, origin=program.model_id
    )


def _smaller(const: Const, readers: set[Call]) -> Small | None:
    """What a table becomes that only these calls read."""
    primitives = {call.primitive for call in readers}
    title = const.doc.removesuffix(": base << 16 | slope")
    if primitives == {"lut"} and const.data.size == WORDS:
        knots = lut.knots_of(const.data)
        if knots is None:
            return None
        half = lut.half_of(knots)
        if half is None:
            doc = f"{title}: values at the ends of 256 steps"
            return replace(const, type="i16", data=knots, doc=doc), "lut_knots", ()
        doc = f"{title}: values at the ends of the 128 steps from 0 on"
        return replace(const, type="i16", data=half[0], doc=doc), "lut_half", (half[1],)
    if primitives == {"look"} and {call.arguments[2] for call in readers} == {const.data.size // 2}:
        first, rest = int(const.data[0]), const.data[1:]
        half = lut.half_of(rest)
        if half is not None:
            data = np.append(half[0], half[1] - first)
            return replace(const, data=data, doc=f"{title}, from 0 on"), "look_half", (half[1],)
    return None


def _all(program: Program) -> tuple[Op, ...]:
    return (*program.init, *program.step, *program.finish)
