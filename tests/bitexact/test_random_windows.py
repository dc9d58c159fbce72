"""Random models with reverse layers and masks, bit by bit, on the host and in emulators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from building import SANITIZED
from windows import random_window

from rnn2c.pipeline import compile_model, emit
from rnn2c.target import load_target
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

COUNT, FULL_COUNT = 12, 200


def check(seed: int, folder: Path, target: str, build: BuildOptions, most: int = 9) -> None:
    case = random_window(seed)
    chosen = load_target(target)
    program = compile_model(
        case.model, case.data, chosen, case.options, None, case.max_steps
    ).program
    emit(program, folder)
    usual = [
        {n: a[: program.max_steps] if a.ndim == 2 else a for n, a in s.items()}
        for s in case.data.sequences[:1]
    ]
    for s in usual:
        s["x"][3] = 0.0
        if "given" in s:
            s["given"][::2] = 0.0
    sequences = [
        *raw_sequences(program, usual),
        *stress_sequences(program, program.max_steps, seed),
        *stress_sequences(program, 1, seed)[:1],
    ]
    report = verify(program, folder, sequences[:most], build=build)
    assert report.bit_exact, report.to_json()
    assert np.all([len(a) for a in usual[0].values()])


@pytest.mark.parametrize("seed", range(COUNT))
def test_emitted_c_equals_the_reference(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path, "host", SANITIZED)


@pytest.mark.parametrize(("seed", "target"), [(0, "cortex-m4"), (2, "atmega2560")])
def test_emulators_agree(seed: int, target: str, tmp_path: Path) -> None:
    check(seed, tmp_path, target, DEFAULT_BUILD, 2)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(COUNT, FULL_COUNT))
def test_emitted_c_equals_the_reference_on_many_models(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path, "host", SANITIZED)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(COUNT, COUNT + 20))
@pytest.mark.parametrize("target", ["cortex-m4", "atmega2560"])
def test_emulators_agree_on_many_models(seed: int, target: str, tmp_path: Path) -> None:
    check(seed, tmp_path, target, DEFAULT_BUILD, 2)
