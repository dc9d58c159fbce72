"""Inputs with a scale for each channel: bit-exact; real numbers and counts become what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from building import Build, Built, run_main
from fixed import PER_COUNT, SIZES, uneven

from rnn2c.execute import from_raw, quantize_inputs
from rnn2c.pipeline import emit_c
from rnn2c.validate.verify import verify_in_temporary


@pytest.mark.parametrize("target", ["host", "cortex-m4", "atmega328p"])
@pytest.mark.parametrize("profile", ["accurate", "compact"])
def test_bit_exact(profile: str, target: str, build: Build) -> None:
    made = build(uneven(profile), target)
    assert made.program.inputs[0].channels != ()
    report = verify_in_temporary(made.program, emit_c(made.program), made.sequences())
    assert report.bit_exact


def rows(made: Built, statements: str, tmp_path: Path) -> np.ndarray:
    """What the C left in `row` for each line of statements."""
    name = made.name
    body = f'#include "{name}_float.h"\nstatic {name}_x_t row[{name.upper()}_X_SIZE];\n'
    said = run_main([made], body, statements, tmp_path)
    return np.array([np.frombuffer(bytes.fromhex(line), "<i2") for line in said if line])


def test_from_float_and_from_raw_scale_each_channel(build: Build, tmp_path: Path) -> None:
    made = build(uneven("accurate"))
    assert made.program.buffer["x"].type == "i16"
    reals = np.random.default_rng(1).normal(size=(20, 4)) * SIZES * 1.1
    lines = []
    for real in reals.astype(np.float32):
        lines += [f"row[{k}] = {made.name}_x_from_float({v!r}f, {k});" for k, v in
                  enumerate(real.tolist())]  # fmt: skip
        lines.append("say_hex(row, sizeof row);")
    got = rows(made, "\n".join(lines), tmp_path)
    wanted = quantize_inputs(made.program, {"x": reals.astype(np.float32)})["x"]
    assert np.abs(got - wanted).max() <= 1  # a tie, seen by float32
    assert np.mean(got == wanted) > 0.95

    counts = np.random.default_rng(2).integers(-1500, 1500, (5, 4))
    real = (counts - 10.0) * np.array(PER_COUNT)
    wanted = quantize_inputs(made.program, {"x": real})["x"]
    assert np.abs(from_raw(made.program, counts) - wanted).max() <= 1
