"""The reference interpreter: execute a Program in numpy; every target must match it bit for bit.

All arrays carry a leading batch dimension, so that thousands of windows run at once.  A value
that its C type cannot hold is a compiler bug and raises OverflowError.  A program in float32 is run
in float32 and in the order of the C, which agrees within a tolerance: no two libms are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from rnn2c.arith_tree import REAL
from rnn2c.errors import Rnn2cError
from rnn2c.interp_numbers import called, dtype_of, fits, fitting, product, reduced
from rnn2c.ir.graph import IntArray, NumberArray
from rnn2c.ir.ops import flat
from rnn2c.ir.program import (
    Advance,
    Argument,
    Buffer,
    Call,
    Clock,
    Dot,
    Elem,
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


class Interpreter:
    """One state per sequence of a batch.

    `memory` maps a buffer to an array [N, size], or [N, rows, size]; `row`: the time step at hand.
    """

    def __init__(self, program: Program, batch: int = 1) -> None:
        self.program = program
        self.batch = batch
        self.memory: dict[str, NumberArray] = {}
        self.fresh: dict[str, NumberArray] = {}
        self.row = 0
        for b in program.buffers:
            shape = (batch, b.rows, b.size) if b.rows else (batch, b.size)
            self.memory[b.name] = np.zeros(shape, dtype_of(b.type))
            if b.twice:
                self.fresh[b.name] = np.zeros(shape, dtype_of(b.type))

    def init(self, inputs: Mapping[str, NumberArray]) -> None:
        """Start a sequence; inputs [N, n] by buffer name, absent ones leave the state zero."""
        for b in self.program.buffers:
            self.memory[b.name][:] = 0
        for name, array in inputs.items():
            self.memory[name] = self._checked(self.program.buffer[name], array)
        present = set(inputs)
        own = _not_inputs(self.program)
        self._run(tuple(op for op in self.program.init if _reads(op) <= present | own))

    def step(self, inputs: Mapping[str, NumberArray]) -> dict[str, NumberArray] | None:
        """One time step; inputs [N, n] by buffer name; returns the per-step outputs.

        None if this step has none; Rnn2cError for one step too many.
        """
        for name, limit in self.program.step_until:
            if self._number(name) >= limit:
                raise Rnn2cError(f"a sequence has at most {limit} steps in this program")
        self.row = self.count
        counted = self.program.counter_clock is None or self._is_due(self.program.counter_clock)
        if counted and 0 < self.program.max_steps <= self.row:
            raise Rnn2cError(
                f"a sequence of more than {self.program.max_steps} steps, for which the program was"
                " built; give a larger --max-steps or shorter sequences"
            )
        for name, array in inputs.items():
            self.memory[name] = self._checked(self.program.buffer[name], array)
        clock = self.program.output_clock
        is_due = clock is None or self._is_due(clock)
        self._run(self.program.step)
        self._swap("state")
        for clock in self.program.clocks:
            self._tick(clock)
        if self.program.counter:
            self.memory[self.program.counter] += int(counted)
        return self._outputs("step") if is_due else None

    @property
    def count(self) -> int:
        """How many steps are stored, where a program does that."""
        counter = self.program.counter
        return int(self.memory[counter][0, 0]) if counter else 0

    @property
    def is_early(self) -> bool:
        """Whether there is nothing to finish yet."""
        return any(self._number(name) <= least for name, least in self.program.finish_after)

    def finish(self) -> dict[str, NumberArray]:
        """The per-sequence outputs, and [N, steps, n] what waited for the end of the sequence; the
        state stays as it is.  Rnn2cError if there are no outputs yet.
        """
        if self.is_early:
            raise Rnn2cError("the sequence ends before the first output; give more steps")
        self._run(self.program.finish)
        rows = self._outputs("window")
        return {name: a[:, : self.count] for name, a in rows.items()} | self._outputs("sequence")

    def state(self) -> dict[str, NumberArray]:
        """Every saved buffer [N, size], rows one after the other."""
        return {
            b.name: self.memory[b.name].reshape(self.batch, -1).copy()
            for b in self.program.having("state")
        }

    def restore(self, state: Mapping[str, NumberArray]) -> None:
        """Continue from what `state` returned."""
        for name, array in state.items():
            self.memory[name] = array.reshape(self.memory[name].shape).copy()

    def _outputs(self, rate: str) -> dict[str, NumberArray]:
        names = [s.buffer for s in self.program.outputs if s.rate == rate]
        return {name: self.memory[name].copy() for name in names}

    def _swap(self, role: str, names: Iterable[str] | None = None) -> None:
        """The copies of double buffers with this role; names: of these alone."""
        for name in self.fresh if names is None else names:
            clock = self.program.clock_of.get(name)
            is_due = clock is None or self._is_due(clock)
            if self.program.buffer[name].role == role and is_due:
                self.memory[name], self.fresh[name] = self.fresh[name], self.memory[name]

    def _number(self, counter: str) -> int:
        """A counter in the state; the sequences of a batch are all at the same step."""
        values = self.memory[counter][:, 0]
        assert np.all(values == values[0])
        return int(values[0])

    def _is_due(self, clock: Clock) -> bool:
        return self._number(clock.buffer) in (clock.first, clock.first + clock.every)

    def _tick(self, clock: Clock) -> None:
        count = self._number(clock.buffer)
        wraps = count == clock.first + clock.every
        self.memory[clock.buffer][:] = clock.first + 1 if wraps else count + 1

    def _checked(self, buffer: Buffer, array: NumberArray) -> NumberArray:
        return fitting(np.asarray(array, dtype_of(buffer.type)), buffer)

    def _run(self, operations: tuple[Op, ...]) -> None:
        for op in operations:
            match op:
                case Stage():
                    self._run_stage(op)
                case Reduce():
                    source = self._vector(op.source, op.new)
                    self._vector(op.target)[:, :1] = reduced(op, source)
                case Loop():
                    self._run_loop(op)
                case Advance(ring):
                    newest = (self._number(ring.newest) + 1) % ring.rows
                    self.memory[ring.newest][:] = newest
                case Row(view, ring, back):
                    start = (self._number(ring.newest) - back) % ring.rows * ring.size
                    self.memory[view] = self.memory[ring.buffer][:, start : start + ring.size]
                case StepRow(view, source, beyond, ahead):
                    row = self.row + ahead
                    is_there = 0 <= row < self.count
                    rows = self.memory[source]
                    self.memory[view] = rows[:, row] if is_there else self.memory[beyond]
                case When(clock, body):
                    if self._is_due(clock):
                        self._run(body)

    def _run_loop(self, loop: Loop) -> None:
        self._run(loop.start)
        count = self.count
        chosen = {"all": slice(None), "first": slice(1), "last": slice(-1, None)}[loop.steps]
        stored = {b for op in flat(loop.body) for b in _fresh_targets(op)}
        for row in range(count)[chosen][:: -1 if loop.reverse else 1]:
            self.row = row
            self._run(loop.body)
            self._swap("scratch", stored)

    def _vector(self, name: str, new: bool = False, mirror: bool = False) -> NumberArray:
        """The buffer [N, size]; of one with rows the row at hand, or that far from the end."""
        array = (self.fresh if new else self.memory)[name]
        if not self.program.buffer[name].rows:
            return array
        return array[:, self.count - 1 - self.row if mirror else self.row]

    def _run_stage(self, stage: Stage) -> None:
        values: dict[str, NumberArray] = {}
        for instruction in stage.body:
            match instruction:
                case Call(out, name, arguments):
                    operands = [self._argument(a, stage, values) for a in arguments]
                    values[out] = called(name, operands, out)
                case Dot():
                    values.update(self._dot(instruction, stage))
                case Gather(out, table, index):
                    (rows,) = self.program.weight[table].matrices
                    values[out] = rows[self._vector(index)[:, 0], 0]
        for store in stage.stores:
            e = store.element
            target = self._vector(e.buffer, e.new)
            buffer = self.program.buffer[e.buffer]
            target[:, _positions(e, stage)] = fitting(values[store.value], buffer)

    def _argument(
        self, a: Argument, stage: Stage, values: Mapping[str, NumberArray]
    ) -> NumberArray | np.int64:
        match a:
            case int():
                return np.int64(a)
            case str():
                return values[a]
            case Table(const):
                return self.program.const[const].data
            case Elem():
                return self._load(a, stage)

    def _load(self, e: Elem, stage: Stage) -> NumberArray:
        if e.buffer in self.program.const:
            return self.program.const[e.buffer].data[_positions(e, stage)]
        return self._vector(e.buffer, e.new, e.mirror)[:, _positions(e, stage)]

    def _dot(self, dot: Dot, stage: Stage) -> dict[str, NumberArray]:
        bias = self.program.const[dot.bias].data.reshape(1, stage.units, len(dot.outs))
        total = np.repeat(bias, self.batch, axis=0)
        for segment, matrix in zip(
            dot.segments, self.program.weight[dot.weight].matrices, strict=True
        ):
            vector = self._vector(segment.vector, segment.new)
            results = list(segment.results)
            starts = segment.offset + segment.stride * np.arange(stage.units)
            if dot.width == REAL:
                real = np.asarray(vector, np.float32)
                for k in range(segment.size):
                    total[:, :, results] += matrix[:, :, k] * real[:, starts + k, None]
            elif segment.stride:
                columns = starts[:, None] + np.arange(segment.size)
                total[:, :, results] += np.einsum("urc,nuc->nur", matrix, vector[:, columns])
            else:
                part = vector[:, segment.offset : segment.offset + segment.size]
                total[:, :, results] += product(matrix, part)
        if dot.kernel is not None:
            total = self._delivered(dot, dot.kernel, total, stage.units)
        return {
            out: total[:, :, r] if dot.width == REAL else fits(total[:, :, r], dot.width, out)
            for r, out in enumerate(dot.outs)
        }

    def _delivered(self, dot: Dot, kernel: Kernel, total: NumberArray, units: int) -> NumberArray:
        """What a kernel makes of the sums [N, units, results]."""
        if kernel.shifted:
            sums = fits(total, dot.width, "sums")
            return called("shift_sat16", [sums, np.asarray(kernel.shifted)], "sums")
        up = [kernel.raised[j % kernel.units] for j in range(units)]
        raised: NumberArray = total << np.asarray(up, np.int64)
        if kernel.scaled:
            results = list(kernel.scaled)
            multipliers = self.program.const[kernel.multipliers].data.reshape(1, units, -1)
            sums = fits(raised[:, :, results], "i32", "sums")
            raised[:, :, results] = called("high_round", [sums, multipliers], "sums")
        for a, b in kernel.joined:
            raised[:, :, a] = called("add", [raised[:, :, a], raised[:, :, b]], "sums")
        return raised


def _positions(e: Elem, stage: Stage) -> IntArray:
    return np.asarray(e.offset + e.stride * np.arange(stage.units), np.int64)


def _fresh_targets(op: Stage | Reduce) -> set[str]:
    """Double buffers whose new copy an operation stores."""
    if isinstance(op, Reduce):
        return set()
    return {s.element.buffer for s in op.stores if s.element.new}


def _reads(op: Op) -> set[str]:
    """What an operation of init reads."""
    if not isinstance(op, Stage):
        return set()
    calls = [i for i in op.body if isinstance(i, Call)]
    return {a.buffer for c in calls for a in c.arguments if isinstance(a, Elem)}


def _not_inputs(program: Program) -> set[str]:
    return {b.name for b in program.buffers if b.role != "input"} | set(program.const)
