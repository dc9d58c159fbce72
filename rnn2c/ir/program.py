"""Program: the network as buffers and stages of straight-line operations on integers.

    Program = buffers, weights, consts, and three lists of operations: init, step, finish
    Op      = ..., see ir/ops.py

The emitter and the interpreter read a Program and nothing else.  One of profile `float32` has the
same form with values of type f32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnn2c.ir.graph import FloatArray, IntArray
from rnn2c.ir.interface import Interface, Port
from rnn2c.ir.memory import CTYPES, Buffer, Const, RawInput, Role, Signal, Weight
from rnn2c.ir.ops import (
    Advance,
    Argument,
    Call,
    Clock,
    Dot,
    Elem,
    Fold,
    Gather,
    Inner,
    Kernel,
    Loop,
    Op,
    Reduce,
    Ring,
    Row,
    Segment,
    Stage,
    StepRow,
    Store,
    Table,
    When,
    Width,
    flat,
)
from rnn2c.target import Level, Target

__all__ = [
    "CTYPES", "Advance", "Argument", "Buffer", "Call", "Clock", "Const", "Dot", "Elem", "Fold",
    "Gather", "Inner", "Kernel", "Loop", "Op", "Program", "RawInput", "Reduce", "Ring", "Role",
    "Row", "Segment", "Signal", "Stage", "StepRow", "Store", "Table", "Weight", "When", "Width",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Program:
    """A network for one target.  See the module's first lines.

    max_steps: of a sequence, in a program that has to wait for its end, else 0; counter: the state
    buffer that counts the steps that are stored there: those of counter_clock, None: all of them
    (where that leaves out some, a sequence may be longer by as many).

    output_clock: when step writes its outputs; None: always.  finish_after: state buffers that have
    to exceed a number before there is anything to finish; step_until: counters in the state and the
    numbers at which no further step is taken.  level: what it was tailored for, and origin: the
    model id of the program that it was made of and computes the same as; 0: none.  shared_tables:
    begins the name of the files that have its tables; "": it has them itself.
    """

    name: str
    doc: str
    profile: str
    target: Target
    buffers: tuple[Buffer, ...]
    weights: tuple[Weight, ...]
    consts: tuple[Const, ...]
    init: tuple[Op, ...]
    step: tuple[Op, ...]
    finish: tuple[Op, ...]
    inputs: tuple[Signal, ...]
    outputs: tuple[Signal, ...]
    raw_input: RawInput | None = None
    notes: tuple[str, ...] = field(default=())
    max_steps: int = 0
    counter: str = ""
    counter_clock: Clock | None = None
    output_clock: Clock | None = None
    finish_after: tuple[tuple[str, int], ...] = ()
    step_until: tuple[tuple[str, int], ...] = ()
    level: Level = "balanced"
    origin: int = 0
    shared_tables: str = ""

    @cached_property
    def buffer(self) -> Mapping[str, Buffer]:
        return {b.name: b for b in self.buffers}

    @cached_property
    def const(self) -> Mapping[str, Const]:
        return {c.name: c for c in self.consts}

    @cached_property
    def weight(self) -> Mapping[str, Weight]:
        return {w.name: w for w in self.weights}

    def having(self, *roles: Role) -> tuple[Buffer, ...]:
        """Buffers with one of these roles, in declared order."""
        return tuple(b for b in self.buffers if b.role in roles)

    def operations(self) -> tuple[Stage | Reduce, ...]:
        """All stages and reductions, in the order they are emitted."""
        return tuple(flat((*self.init, *self.step, *self.finish)))

    @cached_property
    def kernels(self) -> tuple[Dot, ...]:
        """The dot products that kernels compute, one for each kernel."""
        dots = [i for s in self.operations() if isinstance(s, Stage) for i in s.body]
        found = {i.weight: i for i in dots if isinstance(i, Dot) and i.kernel is not None}
        return tuple(found.values())

    @cached_property
    def looked_up(self) -> frozenset[str]:
        """The weights that are tables of rows."""
        stages = [op for op in self.operations() if isinstance(op, Stage)]
        return frozenset(i.table for s in stages for i in s.body if isinstance(i, Gather))

    @cached_property
    def clocks(self) -> tuple[Clock, ...]:
        """The clocks of step, each one once."""
        return tuple(dict.fromkeys(op.clock for op in self.step if isinstance(op, When)))

    @cached_property
    def clock_of(self) -> Mapping[str, Clock]:
        """The clock at which a buffer with two copies is computed; none: every step."""
        return {
            store.element.buffer: op.clock
            for op in self.step
            if isinstance(op, When)
            for stage in flat(op.body)
            if isinstance(stage, Stage)
            for store in stage.stores
            if store.element.new
        }

    @property
    def tables_file(self) -> str:
        """The file of its tables, without its ending, if it shares any."""
        has_tables = any(c.kind == "table" for c in self.consts)
        return f"{self.shared_tables}_tables" if self.shared_tables and has_tables else ""

    @property
    def most_steps(self) -> int | None:
        """The longest sequence that every part of the program can take; None: any."""
        limits = [limit for _, limit in self.step_until]
        return min([*limits, self.max_steps] if self.max_steps else limits, default=None)

    @property
    def is_float(self) -> bool:
        """Whether it computes in float32: compared by tolerance, no range is proven."""
        return self.profile == "float32"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step at which every clock is due."""
        return self._macs(self.step)

    @property
    def loop_macs(self) -> int:
        """Multiply-accumulates that finish does for each step."""
        loops = [op for op in self.finish if isinstance(op, Loop)]
        return self._macs(tuple(op for loop in loops for op in loop.body))

    def _macs(self, operations: tuple[Op, ...]) -> int:
        used = {
            i.weight
            for op in flat(operations)
            if isinstance(op, Stage)
            for i in op.body
            if isinstance(i, Dot)
        }
        return sum(m.size for w in self.weights if w.name in used for m in w.matrices)

    @cached_property
    def model_id(self) -> int:
        """32 bits that change with every weight, scale, operation or size."""
        from rnn2c.ir.identity import model_id

        return self.origin or model_id(self)

    def interface(self) -> Interface:
        """What the emitted C shows to its caller."""

        def port(signal: Signal) -> Port:
            b = self.buffer[signal.buffer]
            tokens = b.hi + 1 if signal.kind == "token" else 0
            return Port(b.name, CTYPES[b.type], b.size, signal.rate, tokens, b.rows)

        return Interface(
            name=self.name,
            model_id=self.model_id,
            inputs=tuple(map(port, self.inputs)),
            outputs=tuple(map(port, self.outputs)),
            saved=tuple(
                Port(b.name, CTYPES[b.image_type], b.elements) for b in self.having("state")
            ),
            stages=tuple(op.title for op in flat(self.step)),
            max_steps=self.max_steps,
            counts_rows=self.output_clock is not None,
            keeps_all=self.counter_clock is None,
            tables_file=self.tables_file,
        )

    def run(self, inputs: Mapping[str, NDArray[np.floating]]) -> dict[str, FloatArray]:
        """Run one sequence: floats in and out by the model's own names, integers inside.

        [T, n] per step, [n] per sequence; a batch [N, T, n] works too.
        """
        from rnn2c.execute import run

        return run(self, inputs)

    def run_integer(self, inputs: Mapping[str, NDArray[np.integer]]) -> dict[str, IntArray]:
        """The same on raw integers, exactly what the emitted C takes and returns."""
        from rnn2c.execute import run_integer

        return run_integer(self, inputs)
