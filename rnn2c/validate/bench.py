"""bench: what an emitted Program costs on its target, measured in its emulator."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rnn2c.budget import buffer_bytes
from rnn2c.ir.graph import IntArray
from rnn2c.ir.program import Program
from rnn2c.validate.counters.sizes import SymbolRule
from rnn2c.validate.measure import Counts, Measurement, measure
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions


@dataclass(frozen=True)
class Bench:
    """A Measurement with what the Program itself knows."""

    target: str
    macs: int
    scratch_bytes: int
    stages: tuple[str, ...]
    measured: Measurement
    max_steps: int = 0
    loop_macs: int = 0

    def to_json(self) -> dict[str, object]:
        """The record that `rnn2c bench --json` prints; bytes, instructions and cycles are exact."""
        m = self.measured
        return {
            "target": self.target,
            "flash_bytes": {
                "code": m.flash.code + m.flash.other,
                "weights": m.flash.weights,
                "tables": m.flash.tables,
                "total": m.flash.total,
            },
            "ram_bytes": {
                "state": m.ram.state - self.scratch_bytes,
                "scratch": self.scratch_bytes,
                "total": m.ram.total,
            },
            "stack_bytes": m.stack_bytes,
            "init": _counts(m.init),
            "step": {"macs": self.macs, **_counts(m.step), "constant": m.is_constant},
            "finish": None if m.finish is None else {**_counts(m.finish), **self._window()},
            "stages": [self._stage(k, name) for k, name in enumerate(self.stages)],
        }

    def _window(self) -> dict[str, object]:
        """Of a program that waits for the end of a sequence: its length here."""
        if not self.max_steps:
            return {}
        return {"steps": self.measured.steps, "macs_per_step": self.loop_macs}

    def _stage(self, k: int, name: str) -> dict[str, object]:
        step = self.measured.step
        cycles = step.stage_cycles[k] if step.stage_cycles else None
        return {"name": name, "instructions": step.stage_instructions[k], "cycles": cycles}


def _counts(counts: Counts) -> dict[str, object]:
    return {
        "instructions": counts.instructions,
        "cycles": counts.cycles,
        "cycles_kind": None if counts.cycles is None else "exact",
        "stack_bytes": counts.stack_bytes,
    }


def bench(
    program: Program,
    folder: Path,
    sequence: Mapping[str, IntArray],
    *,
    build: BuildOptions = DEFAULT_BUILD,
) -> Bench:
    """Count the C in `folder` while it runs one raw sequence (by C argument names)."""
    scratch = sum(buffer_bytes(b) for b in program.having("scratch"))
    interface = program.interface()
    measured = measure(
        folder, interface, program.target, sequence, build=build, rule=_rule(program)
    )
    return Bench(
        program.target.name, program.macs, scratch, interface.stages, measured,
        program.max_steps, program.loop_macs,
    )  # fmt: skip


def bench_in_temporary(
    program: Program, files: Mapping[str, str], sequence: Mapping[str, IntArray]
) -> Bench:
    """bench for C that is not on disk yet."""
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        for file, text in files.items():
            Path(name, file).write_text(text, encoding="ascii")
        return bench(program, Path(name), sequence)


def _rule(program: Program) -> SymbolRule:
    """Which arrays of NAME.c are weights and which are tables, by their names."""
    names = {
        kind: [c.name for c in program.consts if c.kind == kind] for kind in ("weight", "table")
    }
    weights = [w.name for w in program.weights] + names["weight"]
    prefix = program.name
    return SymbolRule(
        weights=tuple(f"{prefix}_{n}" for n in weights),
        tables=tuple(f"{prefix}_{n}" for n in names["table"]),
    )
