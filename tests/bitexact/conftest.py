"""Fixtures that turn a Case into emitted C for a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from models import Case

from rnn2c.ir.program import Program
from rnn2c.pipeline import compile_model, emit
from rnn2c.target import load_target
from rnn2c.validate.verify import RawSequence, raw_sequences, stress_sequences


@dataclass(frozen=True)
class Built:
    """A proven Program and the folder with its C."""

    program: Program
    folder: Path
    case: Case

    def sequences(self, steps: int = 6, nominal: int = 1) -> list[RawSequence]:
        """Calibration-like data, then noise, constant extremes and swings over whole types."""
        usual = [
            {name: array[:steps] if array.ndim == 2 else array for name, array in s.items()}
            for s in self.case.data.sequences[:nominal]
        ]
        return [*raw_sequences(self.program, usual), *stress_sequences(self.program, steps)]

    def text(self, suffix: str = ".c") -> str:
        return (self.folder / f"{self.program.name}{suffix}").read_text(encoding="ascii")


Build = Callable[..., Built]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """build(case, target="host", folder=None): compile, prove and emit."""

    def made(case: Case, target: str = "host", folder: str = "model") -> Built:
        compiled = compile_model(case.model, case.data, load_target(target), case.options, case.raw)
        emit(compiled.program, tmp_path / folder)
        return Built(compiled.program, tmp_path / folder, case)

    return made
