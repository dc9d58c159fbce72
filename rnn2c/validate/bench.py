"""bench: what an emitted Program costs on its target, measured in its emulator."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rnn2c.budget import buffer_bytes
from rnn2c.ir.graph import IntArray
from rnn2c.ir.program import Program
from rnn2c.target import Target
from rnn2c.validate.counters.sizes import FlashSizes, SymbolRule
from rnn2c.validate.measure import Counts, Measurement, measure
from rnn2c.validate.power import Power
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions


@dataclass(frozen=True)
class Bench:
    """A Measurement with what the Program itself knows, and the clock that makes it a time."""

    program: str
    target: Target
    macs: int
    scratch_bytes: int
    stages: tuple[str, ...]
    measured: Measurement
    max_steps: int = 0
    loop_macs: int = 0
    power: Power | None = None

    def to_json(self) -> dict[str, object]:
        """The record that `rnn2c bench --json` prints; bytes and instructions are exact, cycles
        as `cycles_kind` says.
        """
        m = self.measured
        return {
            "model": self.program,
            "target": self.target.name,
            "ran_on": self.target.stand_in or self.target.name,
            "flash_bytes": _flash(m.flash),
            "called_flash_bytes": _flash(m.called),
            "ram_bytes": {
                "state": m.ram.state - self.scratch_bytes,
                "scratch": self.scratch_bytes,
                "total": m.ram.total,
            },
            "stack_bytes": m.stack_bytes,
            "init": self._counts(m.init),
            "step": {"macs": self.macs, **self._counts(m.step), "constant": m.is_constant},
            "finish": None if m.finish is None else {**self._counts(m.finish), **self._window()},
            "stages": [
                self._stage(k, name)
                for k, name in enumerate(self.stages)
                if m.step.stage_instructions
            ],
            "power": self.power.to_json() if self.power else None,
            "no_cycles": m.no_cycles or None,
        }

    def _window(self) -> dict[str, object]:
        """Of a program that waits for the end of a sequence: its length here."""
        if not self.max_steps:
            return {}
        return {"steps": self.measured.steps, "macs_per_step": self.loop_macs}

    def _counts(self, counts: Counts) -> dict[str, object]:
        known = counts.cycles is not None
        time = self.power if known else None
        return {
            "instructions": counts.instructions,
            "cycles": counts.cycles,
            "cycles_kind": self.target.cycles_kind if known else None,
            "milliseconds": time.milliseconds(counts.cycles or 0) if time else None,
            "microjoules": time.microjoules(counts.cycles or 0) if time else None,
            "stack_bytes": counts.stack_bytes,
        }

    def _stage(self, k: int, name: str) -> dict[str, object]:
        """Counts and share of a stage: of the cycles where these are known, else instructions."""
        step = self.measured.step
        cycles = step.stage_cycles[k] if step.stage_cycles else None
        parts = step.stage_cycles or step.stage_instructions
        total = sum(parts) + step.after_stages[1 if step.stage_cycles else 0]
        return {
            "name": name,
            "instructions": step.stage_instructions[k],
            "cycles": cycles,
            "share": parts[k] / total,
        }


def _flash(sizes: FlashSizes) -> dict[str, int]:
    return {
        "code": sizes.code + sizes.other,
        "weights": sizes.weights,
        "tables": sizes.tables,
        "total": sizes.total,
    }


def bench(
    program: Program,
    folder: Path,
    sequence: Mapping[str, IntArray],
    *,
    build: BuildOptions = DEFAULT_BUILD,
    power: Power | None = None,
) -> Bench:
    """Count the C in `folder` while it runs one raw sequence (by C argument names)."""
    scratch = sum(buffer_bytes(b) for b in program.having("scratch"))
    interface = program.interface()
    measured = measure(
        folder, interface, program.target, sequence, build=build, rule=_rule(program)
    )
    return Bench(
        program.name, program.target, program.macs, scratch, interface.stages, measured,
        program.max_steps, program.loop_macs, power,
    )  # fmt: skip


def bench_in_temporary(
    program: Program,
    files: Mapping[str, str],
    sequence: Mapping[str, IntArray],
    power: Power | None = None,
) -> Bench:
    """bench for C that is not on disk yet."""
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        for file, text in files.items():
            Path(name, file).write_text(text, encoding="ascii")
        return bench(program, Path(name), sequence, power=power)


def _rule(program: Program) -> SymbolRule:
    """Which arrays are weights and which are tables, by their names."""
    names = {
        kind: [c.name for c in program.consts if c.kind == kind] for kind in ("weight", "table")
    }
    weights = [f"{w.name}{more}" for w in program.weights for more in ("", "_part*")]
    weights += names["weight"]
    prefix = program.name
    return SymbolRule(
        weights=tuple(f"{prefix}_{n}" for n in weights),
        tables=tuple(
            f"{program.shared_tables}_{n}_*" if program.tables_file else f"{prefix}_{n}"
            for n in names["table"]
        ),
    )
