"""The proof for what is about time: rows of rings and windows, and the counters of clocks."""

from __future__ import annotations

from collections.abc import Mapping

from rnn2c.errors import RangeError
from rnn2c.ir.ops import flat
from rnn2c.ir.program import (
    Call,
    Clock,
    Dot,
    Elem,
    Gather,
    Loop,
    Op,
    Program,
    Reduce,
    Ring,
    Row,
    Stage,
    StepRow,
)


def check_views(program: Program, stage: Stage, known: Mapping[str, Row | StepRow]) -> None:
    """A stage reads rows that are known, and stores into one that says so."""
    dots = [i for i in stage.body if isinstance(i, Dot)]
    read = {s.vector for dot in dots for s in dot.segments}
    read |= {
        a.buffer
        for i in stage.body
        if isinstance(i, Call)
        for a in i.arguments
        if isinstance(a, Elem) and a.buffer in program.buffer
    }
    stored = {s.element.buffer for s in stage.stores}
    for name in read | stored:
        if program.buffer[name].role != "view":
            continue
        if name not in known or (name in stored and not _is_written(known[name])):
            raise RangeError(f"{name} is no row that the stage may use")


def _is_written(row: Row | StepRow) -> bool:
    return isinstance(row, Row) and row.written


def verify_ring(program: Program, ring: Ring) -> None:
    """Raise RangeError unless the ring and its index have the rows that it says."""
    newest, rows = program.buffer[ring.newest], program.buffer[ring.buffer]
    if newest.lo != 0 or newest.hi != ring.rows - 1 or rows.size != ring.rows * ring.size:
        raise RangeError(f"{ring.buffer} does not have {ring.rows} rows of {ring.size} elements")


def verify_row(program: Program, row: Row) -> None:
    """Raise RangeError unless the view is like a row of the ring, and there is such a row."""
    view, ring = program.buffer[row.view], program.buffer[row.ring.buffer]
    if (view.type, view.lo, view.hi, view.size) != (ring.type, ring.lo, ring.hi, row.ring.size):
        raise RangeError(f"{view.name} is no row of {ring.name}")
    if not 0 <= row.back < row.ring.rows:
        raise RangeError(f"{ring.name} has no row {row.back} before the newest")


def verify_step_row(program: Program, row: StepRow) -> None:
    """Raise RangeError unless view and what is beyond are like a row of the source."""
    source, others = (
        program.buffer[row.source],
        (program.buffer[row.beyond], program.buffer[row.view]),
    )
    shape = (source.type, source.lo, source.hi, source.size)
    if not source.rows or any((b.type, b.lo, b.hi, b.size) != shape for b in others):
        raise RangeError(f"{row.view} is no row of {source.name}")


def verify_clock(program: Program, clock: Clock) -> None:
    """Raise RangeError unless the counter has the range that the clock keeps it in."""
    counter = program.buffer[clock.buffer]
    if (counter.lo, counter.hi) != (0, clock.first + clock.every) or clock.every < 1:
        raise RangeError(f"{program.name}: {counter.name} is no counter of its clock")


def check_rows(program: Program) -> None:
    """Rows are touched where there is a time step at hand; finish leaves the state as it is."""
    for op in (*program.init, *program.finish):
        inner = op.start if isinstance(op, Loop) else (op,)
        for name in (_touched(inner) - set(program.const)) | _stored(inner):
            if program.buffer[name].rows:
                where = op.title if isinstance(op, (Stage, Reduce, Loop)) else type(op).__name__
                raise RangeError(f"{program.name}, '{where}': no row of {name} is at hand")
    for name in _stored(program.finish):
        if program.buffer[name].role == "state":
            raise RangeError(f"{program.name}: finish stores {name}, a part of the state")


def _touched(operations: tuple[Op, ...]) -> set[str]:
    """Buffers that operations read."""
    found: set[str] = set()
    for op in flat(operations):
        if isinstance(op, Reduce):
            found.add(op.source)
            continue
        for i in op.body:
            if isinstance(i, Dot):
                found |= {s.vector for s in i.segments}
            elif isinstance(i, Gather):
                found.add(i.index)
            else:
                found |= {a.buffer for a in i.arguments if isinstance(a, Elem)}
    return found


def _stored(operations: tuple[Op, ...]) -> set[str]:
    """Buffers that operations store."""
    found: set[str] = set()
    for op in flat(operations):
        found |= {op.target} if isinstance(op, Reduce) else {s.element.buffer for s in op.stores}
    return found
