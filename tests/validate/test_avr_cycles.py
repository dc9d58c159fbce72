"""On an ATmega328P a step takes no more cycles than it did, and the same for every input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core_models import cell_model, integer

from rnn2c.ir.interface import Port
from rnn2c.lower import lower
from rnn2c.pipeline import emit
from rnn2c.tailor import tailor
from rnn2c.target import load_target
from rnn2c.validate.measure import measure

MOST = {
    ("gru", 3, 16, "balanced", "int32"): 15_006,
    ("lstm", 6, 24, "balanced", "int32"): 40_500,
    ("gru", 10, 32, "balanced", "int32"): 54_900,
    ("gru", 3, 16, "speed", "int32"): 12_600,
    ("lstm", 6, 24, "speed", "int32"): 34_200,
    ("gru", 10, 32, "speed", "int32"): 48_000,
    ("gru", 3, 16, "unrolled", "int32"): 9_500,
    ("gru", 3, 16, "speed", "int32 of int8"): 12_000,
    ("lstm", 6, 24, "speed", "int32 of int8"): 32_574,
    ("gru", 10, 32, "speed", "int32 of int8"): 45_506,
    ("gru", 3, 16, "unrolled", "int32 of int8"): 8_418,
    ("gru", 3, 16, "speed", "int16"): 9_500,
    ("lstm", 6, 24, "speed", "int16"): 26_700,
    ("gru", 10, 32, "speed", "int16"): 37_300,
    ("gru", 3, 16, "unrolled", "int16"): 6_900,
    ("lstm", 6, 24, "unrolled", "int16"): 18_000,
}
"""Cell, inputs, units, level, sum_width and width of inputs; profile compact."""


def noise(port: Port, steps: int) -> np.ndarray:
    limits = np.iinfo(port.ctype.removesuffix("_t"))
    return np.random.default_rng(1).integers(limits.min, limits.max, (steps, port.size))


@pytest.mark.parametrize(("kind", "inputs", "units", "level", "width"), MOST)
def test_a_step_takes_no_more_cycles_than_its_limit(
    kind: str, inputs: int, units: int, level: str, width: str, tmp_path: Path
) -> None:
    target = load_target("atmega328p")
    model = cell_model(kind, units=units, inputs=inputs)
    quantized = integer(model, profile="compact", sum_width=width[:5], inputs=width[9:] or "auto")
    program = tailor(lower(quantized, target), level)
    emit(program, tmp_path)
    interface = program.interface()
    (port,) = interface.at("step", interface.inputs)
    sequence = {port.name: noise(port, 12)}
    found = measure(tmp_path, interface, program.target, sequence)
    assert found.is_constant
    assert found.step.cycles is not None
    assert found.step.cycles <= MOST[kind, inputs, units, level, width]
    assert found.stack_bytes <= (80 if level == "balanced" else 48)
