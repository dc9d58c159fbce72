"""From the options of a command to a compiled program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn2c.calibration import SequenceSet
from rnn2c.cli.options import calibration, numbers
from rnn2c.pipeline import Compiled, QuantizeOptions, RawScale, compile_model, load
from rnn2c.target import load_target


@dataclass(frozen=True)
class Job:
    """A compiled model and the sequences it was calibrated with."""

    compiled: Compiled
    data: SequenceSet


def compile_from(
    *, model: Path, calib: Path | None, target: str, name: str | None, crosscheck: bool,
    input_scale: str | None, input_offset: str, profile: str | None, **numerics: Any,
) -> Job:  # fmt: skip
    """Everything `model_options` collects, compiled; raises Rnn2cError."""
    chosen = load_target(target)
    options = QuantizeOptions(profile=profile or chosen.profile, **numerics)  # type: ignore[arg-type]
    raw = None
    if input_scale is not None:
        raw = RawScale(
            numbers(input_scale, "--input-scale"), numbers(input_offset, "--input-offset")
        )
    float_model = load(model, name=name, cross_check=crosscheck)
    data = calibration(calib, float_model)
    return Job(compile_model(float_model, data, chosen, options, raw), data)
