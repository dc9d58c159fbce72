"""Which stages are in assembly as a whole."""

from __future__ import annotations

from rnn2c.arith_tree import tree
from rnn2c.emit.kernels import avr
from rnn2c.emit.units.bank import SPARE, UnfitError
from rnn2c.emit.units.codes import Codes
from rnn2c.emit.units.nibbles import Nibbles
from rnn2c.emit.units.operations import OPERATIONS
from rnn2c.emit.units.stored import Stored
from rnn2c.emit.units.straight import Signs, SignsWide, Straight, StraightWide
from rnn2c.emit.units.streamed import Streamed
from rnn2c.emit.units.writer import Units, Writer
from rnn2c.ir.program import Call, Dot, Elem, Program, Stage
from rnn2c.packing.parts import parts

WRITERS: dict[str, type[Writer]] = {
    "bytes8_16": Streamed,
    "bytes8_24": Streamed,
    "immediate8_16": Straight,
    "immediate8_24": StraightWide,
    "signs8_16": Signs,
    "signs8_24": SignsWide,
    "codes8_16": Codes,
    "codes8_24": Codes,
    "nibbles8_16": Nibbles,
    "nibbles8_24": Nibbles,
    **{f"{name}8_{bits}": Stored for name in ("columns", "delta") for bits in (16, 24)},
}
"""Families of the kernels of sums -> what writes their stages."""

MANY = 8
"""More high registers than there are: where some get scarce, none is taken that is not needed."""

AS_THEY_ARE = {
    ("grow_sat16", 0, "i16"),
    ("grow_sat16", 0, "i24"),
    ("clamp", 0, "i8"),
    ("clamp", 0, "i16"),
    ("clamp", 0, "i24"),
    ("sat8", 0, "i16"),
    ("sat8", 0, "i24"),
    ("sat16", 0, "i16"),
    ("sat16", 0, "i24"),
    ("mul_u8", 1, "i8"),
}
"""What takes numbers of less bits than its parameter has: (operation, parameter, type)."""


def units_of(program: Program, stage: Stage) -> Units | None:
    """The stage in assembly, or None where it has an operation or a form that has none there."""
    dots = [i for i in stage.body if isinstance(i, Dot)]
    kernel = dots[0].kernel if dots else None
    if kernel is None or not _is_for_units(program, stage, dots):
        return None
    for spare in SPARE, MANY:
        try:
            return WRITERS[kernel.family](program, stage, dots[0], spare).units()
        except UnfitError:
            continue
    return None


def _is_for_units(program: Program, stage: Stage, dots: list[Dot]) -> bool:
    calls = [i for i in stage.body if isinstance(i, Call)]
    dot, kernel = (dots[0], dots[0].kernel) if dots else (None, None)
    if dot is None or kernel is None or len(calls) + 1 != len(stage.body):
        return False
    elements = [a for c in calls for a in c.arguments if isinstance(a, Elem)]
    elements += [s.element for s in stage.stores]
    return (
        program.target.kernels == "avr"
        and len(parts(program, program.weight[dot.weight])) == 1
        and program.level in ("speed", "unrolled")
        and kernel.family in WRITERS
        and stage.units <= avr.MOST_TURNS
        and all(c.primitive in OPERATIONS for c in calls)
        and all(_has_literals(c) for c in calls)
        and _types_agree(program, dot, calls)
        and all(e.buffer in program.buffer and (e.offset, e.stride) == (0, 1) for e in elements)
        and sum(dot.weight == other.weight for other in _all_dots(program)) == 1
    )


def _has_literals(call: Call) -> bool:
    """Whether the literals of a call are such that there are instructions for."""
    match call.primitive, call.arguments[1:]:
        case "times", (int(factor),):
            return factor > 0 and factor & (factor - 1) == 0
        case (("grow_sat16" | "round_sat8"), (int(shift),)):
            return 1 <= shift <= 7
        case "clamp", (int(lo), int(hi)):
            return -32768 <= lo <= hi <= 32767
        case (("times" | "grow_sat16" | "round_sat8" | "clamp"), _):
            return False
    return True


def _types_agree(program: Program, dot: Dot, calls: list[Call]) -> bool:
    """Whether every argument has the type that its operation takes: nothing is widened."""
    types: dict[str, str] = dict.fromkeys(dot.outs, dot.type)
    for call in calls:
        function = tree(call.primitive)
        returned = function.returns
        for k, (a, (_, type_)) in enumerate(zip(call.arguments, function.parameters, strict=True)):
            if isinstance(a, (str, Elem)):
                found = types[a] if isinstance(a, str) else program.buffer[a.buffer].type
                if found != type_ and (call.primitive, k, found) not in AS_THEY_ARE:
                    return False
                returned = found if (call.primitive, found) == ("mul_u8", "i8") else returned
        types[call.out] = returned
    return True


def _all_dots(program: Program) -> list[Dot]:
    stages = [s for s in program.operations() if isinstance(s, Stage)]
    return [i for s in stages for i in s.body if isinstance(i, Dot)]
