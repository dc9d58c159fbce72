"""verify: the emitted C against the reference interpreter, every step and every state buffer.

Integer programs have to agree bit for bit, those in float32 within the tolerance of `compare`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError
from rnn2c.execute import quantize_inputs
from rnn2c.interp import Interpreter
from rnn2c.interp_numbers import dtype_of
from rnn2c.ir.graph import NumberArray, Rate
from rnn2c.ir.interface import FLOAT_TOLERANCE
from rnn2c.ir.program import Buffer, Program
from rnn2c.validate.compare import Mismatch, SequenceResult, compare, largest_error
from rnn2c.validate.harness import compile_objects, compile_selftest
from rnn2c.validate.runner import CheckFailure, run_sequences, self_check
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions

RawSequence = Mapping[str, NumberArray]
NO_OUTPUT, ERROR_EARLY = 1, -5
REAL_EXTREME = 8.0
Sequences = Sequence[Mapping[str, NDArray[np.floating]]]


@dataclass(frozen=True)
class Report:
    """What verify found.

    extremes: how many of the sequences were made up of extreme inputs; failed_checks: promises of
    the interface that do not hold; max_error: of a program in float32, the largest difference from
    the reference relative to the scale of its buffer; stand_in: the chip it ran on in the place of
    one that nothing emulates, for which it was only compiled.
    """

    target: str
    sequences: int
    steps: int
    mismatch: Mismatch | None
    extremes: int = 0
    failed_checks: tuple[CheckFailure, ...] = ()
    max_error: float | None = None
    stand_in: str = ""

    @property
    def agrees(self) -> bool:
        """Integers: bit-exact; float32: every value within the tolerance."""
        return self.mismatch is None and not self.failed_checks

    @property
    def bit_exact(self) -> bool:
        return self.agrees and not self.max_error

    def to_json(self) -> dict[str, object]:
        """The record that `rnn2c verify --json` prints, with more for float32."""
        real = {
            "precision": "float32",
            "agrees": self.agrees,
            "max_error": self.max_error if np.isfinite(self.max_error or 0.0) else None,
            "tolerance": FLOAT_TOLERANCE,
        }
        return {
            "target": self.target,
            "ran_on": self.stand_in or self.target,
            **({} if self.max_error is None else real),
            "bit_exact": self.bit_exact,
            "sequences": self.sequences,
            "steps": self.steps,
            "first_mismatch": None if self.mismatch is None else str(self.mismatch),
            "failed_checks": [str(f) for f in self.failed_checks],
        }


def verify(
    program: Program,
    folder: Path,
    sequences: Sequence[RawSequence],
    *,
    build: BuildOptions = DEFAULT_BUILD,
    checks: bool = True,
) -> Report:
    """Run raw integer sequences (by C argument names) through the C in `folder` and compare.

    checks: also the promises about run, save, restore, several states, the self-test.
    """
    interface, target = program.interface(), program.target.as_emulated
    failed: tuple[CheckFailure, ...] = ()
    if target.stand_in:
        _compile_for_the_chip(folder, program, build)
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        objects = compile_objects(folder, interface, target, Path(name), build=build)
        got = run_sequences(folder, interface, target, sequences, build=build, objects=objects)
        wanted = [reference(program, s) for s in sequences]
        mismatch = compare(wanted, got, interface)
        if checks and mismatch is None:
            failed = tuple(
                self_check(folder, interface, target, sequences[:1], build=build, objects=objects)
            )
    steps = sum(len(r.codes) for r in got)
    error = largest_error(wanted, got) if program.is_float else None
    return Report(
        target.name,
        len(sequences),
        steps,
        mismatch,
        failed_checks=failed,
        max_error=error,
        stand_in=target.stand_in,
    )


def _compile_for_the_chip(folder: Path, program: Program, build: BuildOptions) -> None:
    """What can be tried for a core that nothing emulates.  Raises ToolError."""
    interface, target = program.interface(), program.target
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        compile_objects(folder, interface, target, Path(name), build=build)
        compile_selftest(folder, interface, target, Path(name), build=build)


def reference(program: Program, sequence: RawSequence) -> SequenceResult:
    """What the interpreter computes for one raw sequence: outputs and every state buffer."""
    machine = Interpreter(program)
    machine.init(
        {
            s.buffer: sequence[s.buffer][None]
            for s in program.inputs
            if s.rate == "sequence" and s.buffer in sequence
        }
    )
    moving = [s.buffer for s in program.inputs if s.rate == "step"]
    steps = len(sequence[moving[0]])
    if steps < 1:
        raise Rnn2cError("a sequence needs at least one time step")
    nothing = _zeros(program, "step")
    codes: list[int] = []
    outputs: list[Mapping[str, NumberArray]] = []
    states: list[Mapping[str, NumberArray]] = []
    for t in range(steps):
        found = machine.step({name: sequence[name][t : t + 1] for name in moving})
        codes.append(NO_OUTPUT if found is None else 0)
        outputs.append(nothing if found is None else found)
        states.append(machine.state())
    finals = machine.finish() if not machine.is_early else _zeros(program, "sequence", "window")
    return SequenceResult(
        codes=np.array(codes, np.int64),
        outputs=_stacked(outputs),
        saved=_stacked(states),
        finals={name: _whole(program, name, a[0]) for name, a in finals.items()},
        final_code=ERROR_EARLY if machine.is_early else 0,
    )


def _zeros(program: Program, *rates: Rate) -> dict[str, NumberArray]:
    """What stands for the outputs of a call that had none."""
    buffers = [program.buffer[s.buffer] for s in program.outputs if s.rate in rates]
    return {b.name: np.zeros((1, b.size), dtype_of(b.type)) for b in buffers}


def _whole(program: Program, name: str, array: NumberArray) -> NumberArray:
    """What finish writes into a buffer as one vector: the missing rows are zero."""
    whole = np.zeros(program.buffer[name].elements, array.dtype)
    whole[: array.size] = array.reshape(-1)
    return whole


def _stacked(rows: Sequence[Mapping[str, NumberArray]]) -> dict[str, NumberArray]:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def raw_sequences(program: Program, sequences: Sequences) -> list[dict[str, NumberArray]]:
    """Float sequences by model names -> raw integers by C argument names."""
    names = {s.name: s.buffer for s in program.inputs}
    moving = {s.name for s in program.inputs if s.rate == "step"}
    longest = max((len(s[n]) for s in sequences for n in moving & set(s)), default=0)
    if 0 < program.max_steps < longest:
        raise Rnn2cError(
            f"a sequence has {longest} steps, the program was built for at most"
            f" {program.max_steps}; give a larger --max-steps or shorter sequences"
        )
    raw = [quantize_inputs(program, sequence) for sequence in sequences]
    return [{names[name]: array for name, array in sequence.items()} for sequence in raw]


def stress_sequences(program: Program, steps: int, seed: int = 0) -> list[dict[str, NumberArray]]:
    """Raw inputs that leave nothing untried: uniform over the whole type, both constant extremes,
    and alternation between them; initial states at random.  Reals: within REAL_EXTREME of 0.
    """
    rng = np.random.default_rng(seed)

    def filled(kind: str) -> dict[str, NumberArray]:
        made: dict[str, NumberArray] = {}
        for signal in program.inputs:
            b = program.buffer[signal.buffer]
            shape = (steps, b.size) if signal.rate == "step" else (b.size,)
            lo, hi, noise = _extremes(b, shape, rng)
            flip = np.where(np.arange(shape[0]) % 2 == 0, lo, hi)
            swing = np.broadcast_to(flip[:, None] if len(shape) == 2 else flip, shape)
            constant = {"lowest": lo, "highest": hi}.get(kind)
            made[b.name] = (
                np.full(shape, constant, noise.dtype)
                if constant is not None
                else (noise if kind == "noise" else swing.astype(noise.dtype))
            )
        return made

    return [filled(kind) for kind in ("noise", "lowest", "highest", "swing")]


def _extremes(
    b: Buffer, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[float, float, NumberArray]:
    """The least and the largest value to try, and noise between them."""
    if b.type == "f32":
        noise = rng.uniform(-REAL_EXTREME, REAL_EXTREME, shape).astype(np.float32)
        return -REAL_EXTREME, REAL_EXTREME, noise
    return b.lo, b.hi, rng.integers(b.lo, b.hi, shape, endpoint=True)


def verify_in_temporary(
    program: Program, files: Mapping[str, str], sequences: Sequence[RawSequence]
) -> Report:
    """verify for C that is not on disk yet."""
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="ascii")
        return verify(program, folder, sequences)
