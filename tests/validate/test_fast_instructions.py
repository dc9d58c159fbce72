"""What profile fast is for: the instructions that a unit of a cell takes less."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_models import cell_model, data

from rnn2c.pipeline import compile_model, emit
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import load_target
from rnn2c.validate.measure import measure
from rnn2c.validate.verify import raw_sequences

UNITS = 16


def instructions(kind: str, profile: str, target: str, folder: Path) -> int:
    """Of one step of a cell of UNITS units, and the bytes of its tables are the same."""
    model, options = cell_model(kind, units=UNITS), QuantizeOptions(profile=profile)  # type: ignore[arg-type]
    sequences = data(model, 1, 2)
    program = compile_model(model, sequences, load_target(target), options).program
    emit(program, folder)
    inputs = raw_sequences(program, sequences.sequences)[0]
    got = measure(folder, program.interface(), program.target, inputs)
    assert got.flash.tables == 2048
    assert got.step.instructions is not None
    return got.step.instructions


@pytest.mark.parametrize(
    ("target", "kind", "saved"),
    [("cortex-m4", "lstm", 20), ("cortex-m4", "gru", 15), ("cortex-m0plus", "lstm", 15)],
)
def test_a_unit_takes_fewer_instructions_than_in_accurate(
    target: str, kind: str, saved: int, tmp_path: Path
) -> None:
    accurate, fast = (
        instructions(kind, profile, target, tmp_path / profile) for profile in ("accurate", "fast")
    )
    assert accurate - fast >= saved * UNITS
