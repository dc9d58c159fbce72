"""The integer program of every operator: how far from the float Model, and the same bits in C.

ERROR is relative to the largest output; the int8 hidden state of the GRU alone accounts for 1/128.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks import AFFINE, FEATURES, STEPS, Network, Use, compiled, data, error

from rnn2c.frontend import load
from rnn2c.ir.graph import Model
from rnn2c.ir.program import Program
from rnn2c.pipeline import emit
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

NETWORKS: dict[str, Use] = {**AFFINE}
ERROR = {"accurate": 0.03, "compact": 0.08}
SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))
BUILDS = {"accurate": (SANITIZED, BuildOptions("clang", "-O3")), "compact": (SANITIZED,)}
ON_EMULATORS = ("chain", "norm between layers")


def network(name: str) -> Model:
    module = Network(NETWORKS[name]).eval()
    return load(module, torch.randn(1, STEPS, FEATURES), cross_check=False)


def check(program: Program, model: Model, folder: Path, *builds: BuildOptions) -> None:
    """The emitted C equals the reference on data and on extremes, at every step."""
    emit(program, folder)
    usual = [{n: a[:8] for n, a in s.items()} for s in data(model).sequences[:1]]
    sequences = [*raw_sequences(program, usual), *stress_sequences(program, 8)]
    for build in builds:
        report = verify(program, folder, sequences, build=build)
        assert report.bit_exact, report.to_json()


@pytest.mark.parametrize("profile", ERROR)
@pytest.mark.parametrize("name", NETWORKS)
def test_error_and_bits(name: str, profile: str, tmp_path: Path) -> None:
    model = network(name)
    program = compiled(model, profile=profile)
    assert error(model, program) <= ERROR[profile]
    check(program, model, tmp_path, *BUILDS[profile])


@pytest.mark.parametrize("name", ON_EMULATORS)
@pytest.mark.parametrize(
    ("target", "profile"), [("cortex-m4", "accurate"), ("atmega328p", "compact")]
)
def test_emulators(name: str, target: str, profile: str, tmp_path: Path) -> None:
    model = network(name)
    check(compiled(model, target, profile=profile), model, tmp_path, BuildOptions())
