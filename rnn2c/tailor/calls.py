"""What the stages do with the sums of their dot products."""

from __future__ import annotations

from collections.abc import Callable

from rnn2c.ir.program import Call, Dot, Elem, Stage, Table
from rnn2c.packing.blocks import HIGH_SHIFT, LEAST_SHIFT
from rnn2c.packing.bytes8 import SHIFTS


def dot_of(op: object) -> Dot | None:
    """The only dot product of a stage."""
    dots = [i for i in op.body if isinstance(i, Dot)] if isinstance(op, Stage) else []
    return dots[0] if len(dots) == 1 else None


def _only_user(stage: Stage, value: str) -> Call | None:
    """The call that takes a value, if nothing else does."""
    using = [i for i in stage.body if isinstance(i, Call) and value in i.arguments]
    stored = any(s.value == value for s in stage.stores)
    return None if stored or len(using) != 1 else using[0]


def requantizing(stage: Stage, value: str) -> Call | None:
    """The call that requantizes a sum, if that is all that is done with it."""
    call = _only_user(stage, value)
    if call is None or call.primitive not in ("requantize", "requantize_wide"):
        return None
    return call if call.arguments.index(value) == 0 else None


def shifting(stage: Stage, dot: Dot) -> dict[int, Call]:
    """The calls that shift the sums, if that is all that is done with every one of them."""
    found = {r: _only_user(stage, out) for r, out in enumerate(dot.outs)}
    calls = {
        r: call
        for r, call in found.items()
        if call is not None and call.primitive == "shift_sat16" and shift_of(call) in SHIFTS
    }
    return calls if len(calls) == len(dot.outs) else {}


def joined(
    stage: Stage, calls: dict[int, Call], joins: Callable[[int, int], bool]
) -> dict[tuple[int, int], Call]:
    """The calls that add a requantized result to another and are all that is done with both, by
    (result, earlier result), where the kernel joins these.
    """
    users = {r: _only_user(stage, call.out) for r, call in calls.items()}
    return {
        (a, b): call
        for b, call in users.items()
        for a, same in users.items()
        if call is not None and same == call and call.primitive == "add" and a != b and joins(a, b)
    }


def doc_of(result: int, calls: dict[int, Call], joined: dict[tuple[int, int], Call]) -> str:
    """Comment of a result that leaves the kernel."""
    added = [
        f", plus {calls[b].arguments[0]} * multiplier / 2^{shift_of(calls[b])}"
        for a, b in joined
        if a == result
    ]
    return "".join([calls[result].doc, *added]) if result in calls else ""


def shift_of(call: Call | None) -> int:
    """By how much a sum is shifted when it is requantized, 0: it is not."""
    shift = call.arguments[-1] if call is not None else 0
    return shift if isinstance(shift, int) else 0


def requantize(stage: Stage, value: str, up: set[int]) -> Call | None:
    """The call that requantizes a sum, if high_round can do so.

    up: powers of two by which the sum is raised, the multiplier is as much smaller.
    """
    call = requantizing(stage, value)
    fits = shift_of(call) + min(up) >= LEAST_SHIFT and shift_of(call) + max(up) <= HIGH_SHIFT
    return call if fits else None


def constants_of(i: object) -> set[str]:
    """The constants that something in the body of a stage reads."""
    match i:
        case Dot(bias=bias, kernel=kernel):
            return {bias, kernel.multipliers} if kernel else {bias}
        case Call(arguments=arguments):
            tables = {a.const for a in arguments if isinstance(a, Table)}
            return tables | {a.buffer for a in arguments if isinstance(a, Elem)}
    return set()
