"""Golden vectors of the self-test: a short sequence of inputs and what the reference answers.

Reals agree within FLOAT_TOLERANCE of the largest one wanted (at least 1), integers exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnn2c.emit.arrays import ArrayCode, array
from rnn2c.interp import Interpreter
from rnn2c.ir.graph import NumberArray
from rnn2c.ir.interface import FLOAT_TOLERANCE
from rnn2c.ir.program import Program, Signal

STEPS = 6
SEED = 20260801
FRACTIONS = 256
LARGEST = 1500
"""Elements of input vectors at most, so that a self-test fits beside the model."""


@dataclass(frozen=True)
class Golden:
    """Inputs [steps, n] by buffer, wanted outputs of the last step and of finish (of all its rows),
    and how far an output (by its buffer) may be off: 0 for integers.  rows: those of the outputs
    that wait for the whole sequence.
    """

    steps: int
    rows: int
    inputs: tuple[ArrayCode, ...]
    outputs: tuple[ArrayCode, ...]
    tolerances: Mapping[str, float]


def golden(program: Program) -> Golden:
    """The vectors depend on the program only: pseudo-random inputs over half of each range."""
    noise = _Noise(SEED)
    moving = [s for s in program.inputs if s.rate == "step"]
    width = sum(program.buffer[s.buffer].size for s in moving)
    usual = int(np.clip(LARGEST // width, 1, min(STEPS, program.max_steps or STEPS)))
    steps = max(usual, _first_output(program))
    vectors = {s.buffer: _random(noise, program, s, steps) for s in moving}
    machine = Interpreter(program)
    machine.init({})
    out: dict[str, NumberArray] = {}
    for t in range(steps):
        out.update(machine.step({name: v[t : t + 1] for name, v in vectors.items()}) or {})
    out.update(machine.finish())
    return Golden(
        steps,
        machine.count,
        tuple(_code(program, name, v) for name, v in vectors.items()),
        tuple(_code(program, name, v) for name, v in out.items()),
        {name: _tolerance(v) for name, v in out.items()},
    )


def _first_output(program: Program) -> int:
    """After how many steps every output has a value."""
    clocks = [program.output_clock] if program.output_clock else []
    clocks += [c for c in program.clocks if c.buffer in dict(program.finish_after)]
    return max((clock.first + 1 for clock in clocks), default=1)


def _tolerance(wanted: NumberArray) -> float:
    if wanted.dtype.kind != "f":
        return 0.0
    return FLOAT_TOLERANCE * max(1.0, float(np.abs(wanted).max()))


class _Noise:
    """A linear congruential generator: the same numbers with every version of numpy."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, count: int) -> int:
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return (self.state >> 8) % count


def _random(noise: _Noise, program: Program, signal: Signal, steps: int) -> NumberArray:
    b = program.buffer[signal.buffer]
    if b.type == "f32":
        parts = [noise.below(2 * FRACTIONS + 1) - FRACTIONS for _ in range(steps * b.size)]
        return np.array(parts, np.float32).reshape(steps, b.size) / np.float32(FRACTIONS)
    lo, hi = b.lo // 2, b.hi // 2
    values = [lo + noise.below(hi - lo + 1) for _ in range(steps * b.size)]
    return np.array(values, np.int64).reshape(steps, b.size)


def _code(program: Program, name: str, data: NumberArray) -> ArrayCode:
    b = program.buffer[name]
    return array(f"{program.name}_golden_{name}", b.type, data, "", b.size)
