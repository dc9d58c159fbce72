"""The activity model, compiled: held-out accuracy, RAM, and emulator equal to reference."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import rnn2c
from rnn2c.api import Program
from rnn2c.budget import budget
from rnn2c.execute import from_raw
from rnn2c.validate.runner import run_sequences

EXAMPLE = Path(__file__).resolve().parents[2] / "firmware_examples" / "activity"
sys.path.insert(0, str(EXAMPLE))

import dataset  # noqa: E402 - a script's folder, not a package

POINTS = 0.005
"""Half a percentage point: what int8 may lose against float."""
CASES = [("accurate", "cortex-m4"), ("fast", "cortex-m4"), ("compact", "atmega328p")]


@pytest.fixture(scope="module")
def held_out() -> tuple[np.ndarray, np.ndarray]:
    """All windows of the held-out subjects and their labels."""
    x, y, _ = dataset.held_out(dataset.DEFAULT_DATA)
    return x, y


def compiled(profile: str, target: str) -> Program:
    """The example, built as the README builds it."""
    sensor = json.loads((EXAMPLE / "sensor.json").read_text())
    model = rnn2c.load(EXAMPLE / "activity.onnx", name="har", cross_check=False)
    integer = rnn2c.quantize(model, EXAMPLE / "calibration.npz", profile=profile)
    offset = [float(v) for v in sensor["input_offset"]]
    return rnn2c.compile(integer, target, input_scale=sensor["input_scale"], input_offset=offset)


Answers = Callable[[str, str], np.ndarray]


@pytest.fixture(scope="module")
def answers(held_out: tuple[np.ndarray, np.ndarray]) -> Answers:
    """The classes of all windows for a profile and a target."""

    @cache
    def of(profile: str, target: str) -> np.ndarray:
        return compiled(profile, target).run({"x": held_out[0]})["logits"].argmax(-1)

    return of


@pytest.mark.parametrize(("profile", "target"), CASES)
def test_int8_is_within_half_a_point_of_float_on_all_held_out_subjects(
    profile: str, target: str, held_out: tuple[np.ndarray, np.ndarray], answers: Answers
) -> None:
    x, y = held_out
    model = rnn2c.load(EXAMPLE / "activity.onnx", cross_check=False)
    real = np.mean(model.run({"x": x})["logits"].argmax(-1) == y)
    assert np.mean(answers(profile, target) == y) >= real - POINTS


def test_fast_answers_as_accurate_does(
    held_out: tuple[np.ndarray, np.ndarray], answers: Answers
) -> None:
    accurate, fast = (answers(p, "cortex-m4") for p in ("accurate", "fast"))
    assert abs(np.mean(fast == held_out[1]) - np.mean(accurate == held_out[1])) <= POINTS
    assert np.mean(fast == accurate) >= 0.99


@pytest.mark.parametrize(("profile", "target"), CASES)
def test_emulator_and_reference_give_the_same_logits_from_sensor_counts(
    profile: str, target: str, tmp_path: Path
) -> None:
    program = compiled(profile, target)
    program.emit(tmp_path)
    with np.load(EXAMPLE / "windows.npz", allow_pickle=False) as data:
        counts = data["counts"].astype(np.int64)
    sequences = [{"x": window} for window in counts]
    got = run_sequences(
        tmp_path, program.interface(), program.target, sequences, mode="final", raw=True
    )
    wanted = program.run_integer({"x": from_raw(program, counts)})["logits"]
    np.testing.assert_array_equal(np.stack([r.finals["logits"] for r in got]), wanted)


def test_state_and_scratch_on_the_atmega328p_stay_under_400_bytes() -> None:
    need = budget(compiled("compact", "atmega328p"))
    assert need.ram < 400
