"""What profile fast is for: the instructions that a unit of a cell takes less."""

from __future__ import annotations

import pytest
from core_models import cell_model
from counted import counted

from rnn2c.quantization import QuantizeOptions

UNITS = 16


def instructions(kind: str, profile: str, target: str) -> int:
    """Of one step of a cell of UNITS units, and the bytes of its tables are the same."""
    options = QuantizeOptions(profile=profile)  # type: ignore[arg-type]
    got, _ = counted(cell_model(kind, units=UNITS), target, 2, options)
    assert got.flash.tables == 2048
    assert got.step.instructions is not None
    return got.step.instructions


@pytest.mark.parametrize(
    ("target", "kind", "saved"),
    [("cortex-m4", "lstm", 20), ("cortex-m4", "gru", 15), ("cortex-m0plus", "lstm", 15)],
)
def test_a_unit_takes_fewer_instructions_than_in_accurate(
    target: str, kind: str, saved: int
) -> None:
    accurate, fast = (instructions(kind, profile, target) for profile in ("accurate", "fast"))
    assert accurate - fast >= saved * UNITS
