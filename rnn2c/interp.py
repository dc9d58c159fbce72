"""The reference interpreter: execute a Program in numpy; every target must match it bit for bit.

All arrays carry a leading batch dimension, so that thousands of windows run at once.  A value
that its C type cannot hold is a compiler bug and raises OverflowError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rnn2c import arith
from rnn2c.arith_tree import LIMITS, tree
from rnn2c.ir.graph import IntArray
from rnn2c.ir.program import Argument, Buffer, Call, Dot, Elem, Op, Program, Reduce, Stage, Table

EXACT_FLOAT = 2**53


class Interpreter:
    """One state per sequence of a batch.  `memory` maps a buffer to an array [N, size]."""

    def __init__(self, program: Program, batch: int = 1) -> None:
        self.program = program
        self.batch = batch
        self.memory: dict[str, IntArray] = {}
        self.fresh: dict[str, IntArray] = {}
        for b in program.buffers:
            self.memory[b.name] = np.zeros((batch, b.size), np.int64)
            if b.twice:
                self.fresh[b.name] = np.zeros((batch, b.size), np.int64)

    def init(self, inputs: Mapping[str, IntArray]) -> None:
        """Start a sequence; inputs [N, n] by buffer name, absent ones leave the state zero."""
        for b in self.program.buffers:
            self.memory[b.name][:] = 0
        for name, array in inputs.items():
            self.memory[name] = self._checked(self.program.buffer[name], array)
        present = set(inputs)
        own = _not_inputs(self.program)
        self._run(tuple(op for op in self.program.init if _reads(op) <= present | own))

    def step(self, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """One time step; inputs [N, n] by buffer name; returns the per-step outputs."""
        for name, array in inputs.items():
            self.memory[name] = self._checked(self.program.buffer[name], array)
        self._run(self.program.step)
        self._swap()
        return self._outputs("step")

    def finish(self) -> dict[str, IntArray]:
        """The per-sequence outputs; the state stays as it is."""
        self._run(self.program.finish)
        return self._outputs("sequence")

    def state(self) -> dict[str, IntArray]:
        """Every saved buffer [N, size]."""
        return {b.name: self.memory[b.name].copy() for b in self.program.having("state")}

    def restore(self, state: Mapping[str, IntArray]) -> None:
        """Continue from what `state` returned."""
        for name, array in state.items():
            self.memory[name] = array.copy()

    def _outputs(self, rate: str) -> dict[str, IntArray]:
        names = [s.buffer for s in self.program.outputs if s.rate == rate]
        return {name: self.memory[name].copy() for name in names}

    def _swap(self) -> None:
        for name in self.fresh:
            self.memory[name], self.fresh[name] = self.fresh[name], self.memory[name]

    def _checked(self, buffer: Buffer, array: IntArray) -> IntArray:
        return _fits(np.asarray(array, np.int64), buffer.lo, buffer.hi, buffer.name)

    def _run(self, operations: tuple[Op, ...]) -> None:
        for op in operations:
            match op:
                case Stage():
                    self._run_stage(op)
                case Reduce():
                    source = (self.fresh if op.new else self.memory)[op.source]
                    self.memory[op.target] = _reduce(op, source)

    def _run_stage(self, stage: Stage) -> None:
        values: dict[str, IntArray] = {}
        for instruction in stage.body:
            match instruction:
                case Call(out, primitive, arguments):
                    fn: Callable[..., IntArray] = getattr(arith, primitive)
                    result = fn(*(self._argument(a, stage, values) for a in arguments))
                    values[out] = _fits(result, *LIMITS[tree(primitive).returns], out)
                case Dot():
                    values.update(self._dot(instruction, stage))
        for store in stage.stores:
            e = store.element
            target = (self.fresh if e.new else self.memory)[e.buffer]
            buffer = self.program.buffer[e.buffer]
            target[:, _positions(e, stage)] = _fits(
                values[store.value], buffer.lo, buffer.hi, e.buffer
            )

    def _argument(
        self, a: Argument, stage: Stage, values: Mapping[str, IntArray]
    ) -> IntArray | np.int64:
        match a:
            case int():
                return np.int64(a)
            case str():
                return values[a]
            case Table(const):
                return self.program.const[const].data
            case Elem():
                return self._load(a, stage)

    def _load(self, e: Elem, stage: Stage) -> IntArray:
        if e.buffer in self.program.const:
            return self.program.const[e.buffer].data[_positions(e, stage)]
        return (self.fresh if e.new else self.memory)[e.buffer][:, _positions(e, stage)]

    def _dot(self, dot: Dot, stage: Stage) -> dict[str, IntArray]:
        bias = self.program.const[dot.bias].data.reshape(1, stage.units, len(dot.outs))
        total = np.repeat(bias, self.batch, axis=0)
        for segment, matrix in zip(
            dot.segments, self.program.weight[dot.weight].matrices, strict=True
        ):
            vector = (self.fresh if segment.new else self.memory)[segment.vector]
            total[:, :, list(segment.results)] += _product(matrix, vector)
        return {
            out: _fits(total[:, :, r], *LIMITS[dot.width], out) for r, out in enumerate(dot.outs)
        }


def _product(matrix: IntArray, vector: IntArray) -> IntArray:
    """[units, results, columns] times [N, columns]: [N, units, results], exact.

    float64 adds integers exactly below 2^53 and is much faster than an int64 product.
    """
    units, results, columns = matrix.shape
    flat = matrix.reshape(units * results, columns)
    largest = int(np.abs(matrix).max(initial=0)) * int(np.abs(vector).max(initial=0)) * columns
    if largest < EXACT_FLOAT:
        product = np.asarray(vector.astype(np.float64) @ flat.T.astype(np.float64), np.int64)
    else:
        product = vector @ flat.T
    return product.reshape(-1, units, results)


def _positions(e: Elem, stage: Stage) -> IntArray:
    return np.asarray(e.offset + e.stride * np.arange(stage.units), np.int64)


def _reduce(op: Reduce, source: IntArray) -> IntArray:
    if op.function == "argmax":
        return np.asarray(source.argmax(axis=1)[:, None], np.int64)
    fn: Callable[..., IntArray] = getattr(arith, op.function)
    result: IntArray = source[:, 0]
    for k in range(1, op.size):
        result = fn(result, source[:, k])
    return result[:, None]


def _fits(value: IntArray, lo: int, hi: int, what: str) -> IntArray:
    if value.size and (value.min() < lo or value.max() > hi):
        raise OverflowError(f"{what} in [{value.min()}, {value.max()}] leaves [{lo}, {hi}]")
    return value


def _reads(op: Op) -> set[str]:
    if isinstance(op, Reduce):
        return {op.source}
    calls = [i for i in op.body if isinstance(i, Call)]
    return {a.buffer for c in calls for a in c.arguments if isinstance(a, Elem)}


def _not_inputs(program: Program) -> set[str]:
    return {b.name for b in program.buffers if b.role != "input"} | set(program.const)
