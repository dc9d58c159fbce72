"""Operations rewritten one by one, whatever they are nested in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

from rnn2c.ir.program import Call, Loop, Op, Reduce, Stage, When

AnyOp = TypeVar("AnyOp", bound=Op)


def rewritten(
    operations: tuple[Op, ...],
    stage: Callable[[Stage], Stage],
    reduce: Callable[[Reduce], Reduce] = lambda op: op,
) -> tuple[Op, ...]:
    """The operations with every stage and every reduction rewritten."""

    def one(op: AnyOp) -> AnyOp:
        new: Op = op
        match op:
            case Stage():
                new = stage(op)
            case Reduce():
                new = reduce(op)
        return cast(AnyOp, new)

    def inner(ops: tuple[AnyOp, ...]) -> tuple[AnyOp, ...]:
        return tuple(one(op) for op in ops)

    result: list[Op] = []
    for op in operations:
        match op:
            case When(body=body):
                result.append(replace(op, body=inner(body)))
            case Loop(start=start, body=body):
                result.append(replace(op, start=inner(start), body=inner(body)))
            case _:
                result.append(one(op))
    return tuple(result)


def with_calls(operations: tuple[Op, ...], call: Callable[[Call], Call]) -> tuple[Op, ...]:
    """The operations with every call rewritten."""

    def stage(op: Stage) -> Stage:
        return replace(op, body=tuple(call(i) if isinstance(i, Call) else i for i in op.body))

    return rewritten(operations, stage)
