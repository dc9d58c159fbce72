"""Random models, bit by bit: the emitted C on the host against the reference interpreter.

Every model is compiled by gcc -O0 under the undefined-behaviour and address sanitizers and by
clang -O3; nominal and stress sequences are compared at every step, in every state buffer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import Case, random_model

from rnn2c.execute import from_raw
from rnn2c.ir.program import Program
from rnn2c.pipeline import compile_model, emit
from rnn2c.target import load_target
from rnn2c.validate.runner import run_sequences
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import RawSequence, raw_sequences, stress_sequences, verify

COUNT, FULL_COUNT, STEPS = 40, 560, 12
BUILDS = (
    BuildOptions("gcc", "-O0", sanitizers=("undefined", "address")),
    BuildOptions("clang", "-O3"),
)


def nominal_and_stress(program: Program, case: Case, seed: int) -> list[RawSequence]:
    """Calibration-like data, then the whole range of every input."""
    return [
        *raw_sequences(program, case.data.sequences[:1]),
        *stress_sequences(program, STEPS, seed),
    ]


def check(seed: int, folder: Path) -> None:
    case = random_model(seed)
    program = compile_model(
        case.model, case.data, load_target("host"), case.options, case.raw
    ).program
    emit(program, folder)
    sequences = nominal_and_stress(program, case, seed)
    for build in BUILDS:
        report = verify(program, folder, sequences, build=build)
        assert report.bit_exact, f"{build.compiler}: {report.to_json()}"
    if case.raw is not None:
        check_raw(program, folder, seed)


def check_raw(program: Program, folder: Path, seed: int) -> None:
    """from_raw in front of step: what it makes of random counts is what the reference makes."""
    rng = np.random.default_rng(seed)
    buffer = next(s.buffer for s in program.inputs if s.rate == "step")
    counts = rng.integers(-32768, 32767, (STEPS, program.buffer[buffer].size), endpoint=True)
    (got,) = run_sequences(
        folder, program.interface(), program.target, [{buffer: counts}], raw=True, build=BUILDS[0]
    )
    assert np.array_equal(got.outputs[buffer], from_raw(program, counts))


@pytest.mark.parametrize("seed", range(COUNT))
def test_emitted_c_equals_the_reference(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(COUNT, FULL_COUNT))
def test_emitted_c_equals_the_reference_on_many_models(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)
