"""What zeros save on an ATmega328P: cycles of a step, bytes of weights with their first values."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_models import cell_model, data, integer
from pruned import pruned

from rnn2c.ir.graph import Model
from rnn2c.lower import lower
from rnn2c.pipeline import emit
from rnn2c.tailor import tailor
from rnn2c.target import load_target
from rnn2c.validate.measure import Measurement, measure
from rnn2c.validate.verify import raw_sequences


def measured(source: Model, width: str, folder: Path) -> Measurement:
    target = load_target("atmega328p")
    program = tailor(lower(integer(source, profile="compact", sum_width=width), target), "speed")
    emit(program, folder)
    raw = raw_sequences(program, data(source, 1, 4).sequences)
    return measure(folder, program.interface(), program.target, raw[0])


@pytest.mark.parametrize(
    ("kind", "inputs", "units", "width", "step", "weights"),
    [
        ("lstm", 6, 24, "int16", 0.51, 0.44),
        ("gru", 10, 32, "int32", 0.48, 0.47),
        pytest.param("lstm", 6, 24, "int32", 0.50, 0.455, marks=pytest.mark.full),
        pytest.param("gru", 10, 32, "int16", 0.50, 0.455, marks=pytest.mark.full),
    ],
)
def test_seven_of_ten_columns_of_a_unit_are_zero(
    kind: str, inputs: int, units: int, width: str, step: float, weights: float, tmp_path: Path
) -> None:
    source = cell_model(kind, units=units, inputs=inputs)
    dense = measured(source, width, tmp_path / "dense")
    sparse = measured(pruned(source, 1, 1, 0.3), width, tmp_path / "sparse")
    assert sparse.is_constant
    assert dense.step.cycles is not None
    assert sparse.step.cycles is not None
    assert sparse.step.cycles <= step * dense.step.cycles
    assert sparse.flash.weights <= weights * dense.flash.weights
