"""Random convolutions, pooling and reductions, bit by bit, under the sanitizers and on targets."""

from __future__ import annotations

import pytest
from building import SANITIZED, Build
from filters import filtered
from models import options_of

from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import verify

COUNT, FULL_COUNT, STEPS = 12, 200, 12


def check(seed: int, build: Build, target: str, how: BuildOptions) -> None:
    made = build(filtered(seed, options_of(seed)), target)
    report = verify(made.program, made.folder, made.sequences(STEPS), build=how)
    assert report.bit_exact, report.to_json()


@pytest.mark.parametrize("seed", range(COUNT))
def test_emitted_c_equals_the_reference(seed: int, build: Build) -> None:
    check(seed, build, "host", SANITIZED if seed % 2 else BuildOptions("clang", "-O3"))


@pytest.mark.parametrize("target", ["cortex-m4", "atmega2560"])
@pytest.mark.parametrize("seed", [0, 1])
def test_targets(seed: int, target: str, build: Build) -> None:
    check(seed, build, target, BuildOptions())


@pytest.mark.full
@pytest.mark.parametrize("target", ["host", "cortex-m0plus", "cortex-m4", "rv32imc"])
@pytest.mark.parametrize("seed", range(COUNT, FULL_COUNT))
def test_many_on_every_target(seed: int, target: str, build: Build) -> None:
    check(seed, build, target, BuildOptions())
