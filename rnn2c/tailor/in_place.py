"""States that follow from another one of the same unit are kept once instead of twice.

Dot products read the old h of all units while the new one is computed, so there are two copies of
it.  But where h is made of a finer state, which only its own unit reads (h_wide of a GRU), it can
be made after all units: a stage more, half the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rnn2c.ir.ops import flat, uses
from rnn2c.ir.program import (
    Advance,
    Call,
    Dot,
    Elem,
    Gather,
    Program,
    Reduce,
    Row,
    Stage,
    Store,
)
from rnn2c.tailor.rewrite import rewritten


def in_place(program: Program) -> Program:
    """The program with such states kept once, or itself if it has none."""
    for k, op in enumerate(program.step):
        stages = _split(program, op) if isinstance(op, Stage) else None
        if stages is not None:
            first, second = stages
            name = next(s.element.buffer for s in second.stores if s.element.new)
            if _is_free(program, name, k):
                step = (*program.step[:k], first, second, *program.step[k + 1 :])
                return in_place(_once(replace(program, step=step), name))
    return program


def _split(program: Program, stage: Stage) -> tuple[Stage, Stage] | None:
    """The stage without what makes a state of another one that it stores, and a stage with that."""
    buffers = program.buffer
    fine = {
        s.value: s.element
        for s in stage.stores
        if (b := buffers[s.element.buffer]).role == "state" and not b.twice and not b.rows
    }
    calls = {i.out: i for i in stage.body if isinstance(i, Call)}
    for store in stage.stores:
        b = buffers[store.element.buffer]
        if b.role != "state" or not store.element.new or store.element != Elem(b.name, new=True):
            continue
        made = _made_of(store.value, calls, fine)
        kept = tuple(i for i in stage.body if not isinstance(i, Call) or i.out not in made)
        needed = {a for i in kept if isinstance(i, Call) for a in i.arguments}
        if not made or needed & made.keys():
            continue
        later = tuple(s for s in stage.stores if s.value in made)
        first = replace(
            stage, body=kept, stores=tuple(s for s in stage.stores if s.value not in made)
        )
        title = f"{b.name}, which follows from {', '.join(sorted(_sources(made.values())))}"
        return first, Stage(title, stage.units, tuple(made.values()), later)
    return None


def _made_of(value: str, calls: dict[str, Call], fine: dict[str, Elem]) -> dict[str, Call]:
    """The calls that make a value of states alone, in order, with those in the place of values;
    none where it needs anything else.
    """
    call = calls.get(value)
    if call is None:
        return {}
    found: dict[str, Call] = {}
    arguments = []
    for a in call.arguments:
        if isinstance(a, Elem):
            return {}
        if isinstance(a, str) and a not in fine:
            before = _made_of(a, calls, fine)
            if not before:
                return {}
            found |= before
        arguments.append(fine[a] if isinstance(a, str) and a in fine else a)
    return {**found, value: replace(call, arguments=tuple(arguments))}


def _sources(calls: Iterable[Call]) -> set[str]:
    return {a.buffer for c in calls for a in c.arguments if isinstance(a, Elem)}


def _is_free(program: Program, name: str, place: int) -> bool:
    """Whether nothing behind this operation of the step needs the old copy, nor anything a row."""
    step = program.step
    if any(isinstance(op, (Advance, Row)) for op in step) or any(
        isinstance(op, Row) for op in program.finish
    ):
        return False
    before = [u for op in flat(step[:place]) for u in uses(op)]
    behind = [u for op in flat(step[place + 1 :]) for u in uses(op)]
    others = [u for op in flat((*program.init, *program.finish)) for u in uses(op)]
    return (name, True) not in before + others and (name, False) not in behind


def _once(program: Program, name: str) -> Program:
    """The program with one copy of a buffer."""

    def elem(e: Elem) -> Elem:
        return replace(e, new=False) if e.buffer == name else e

    def item(i: Call | Dot | Gather) -> Call | Dot | Gather:
        match i:
            case Call(arguments=arguments):
                one = tuple(elem(a) if isinstance(a, Elem) else a for a in arguments)
                return replace(i, arguments=one)
            case Dot(segments=segments):
                return replace(i, segments=tuple(
                    replace(s, new=s.new and s.vector != name) for s in segments
                ))  # fmt: skip
        return i

    def stage(op: Stage) -> Stage:
        stores = tuple(Store(elem(s.element), s.value) for s in op.stores)
        return replace(op, body=tuple(map(item, op.body)), stores=stores)

    def reduction(op: Reduce) -> Reduce:
        return replace(op, new=op.new and op.source != name)

    return replace(
        program,
        buffers=tuple(replace(b, twice=b.twice and b.name != name) for b in program.buffers),
        step=rewritten(program.step, stage, reduction),
        origin=program.model_id,
    )
