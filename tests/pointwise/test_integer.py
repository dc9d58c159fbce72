"""The integer program of every operator: how far from the float Model, and the same bits in C.

ERROR is relative to the largest output; the int8 hidden state of the GRU alone accounts for 1/128,
and some functions steepen it.  What the operators add themselves is bounded in test_alone.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks import FEATURES, GROUPS, STEPS, compiled, data, errors, network, title

from rnn2c.frontend import load
from rnn2c.ir.graph import Model
from rnn2c.ir.program import Program
from rnn2c.pipeline import emit
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

ERROR = {"accurate": 0.035, "compact": 0.045}
SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))
BUILDS = {"accurate": (SANITIZED, BuildOptions("clang", "-O3")), "compact": (SANITIZED,)}
ON_EMULATORS = (
    ("chain", "gate of two", "hardsigmoid"),
    ("residual into a layer", "softplus of large", "slice with steps"),
)


def imported(names: tuple[str, ...]) -> Model:
    return load(network(*names), torch.randn(1, STEPS, FEATURES), cross_check=False)


def check(program: Program, model: Model, folder: Path, *builds: BuildOptions) -> None:
    """The emitted C equals the reference on data and on extremes, at every step."""
    emit(program, folder)
    usual = [{n: a[:8] for n, a in s.items()} for s in data(model).sequences[:1]]
    sequences = [*raw_sequences(program, usual), *stress_sequences(program, 8)]
    for build in builds:
        report = verify(program, folder, sequences, build=build)
        assert report.bit_exact, report.to_json()


@pytest.mark.parametrize("profile", ERROR)
@pytest.mark.parametrize("names", GROUPS, ids=title)
def test_error_and_bits(names: tuple[str, ...], profile: str, tmp_path: Path) -> None:
    model = imported(names)
    program = compiled(model, profile=profile)
    for name, off in zip(names, errors(model, program).values(), strict=True):
        assert off <= ERROR[profile], name
    check(program, model, tmp_path, *BUILDS[profile])


@pytest.mark.parametrize("names", GROUPS[::3], ids=title)
def test_other_options(names: tuple[str, ...], tmp_path: Path) -> None:
    model = imported(names)
    program = compiled(model, activations="int16", weights="int4")
    check(program, model, tmp_path, SANITIZED)


@pytest.mark.parametrize("names", ON_EMULATORS, ids=title)
@pytest.mark.parametrize(
    ("target", "profile"), [("cortex-m4", "accurate"), ("atmega328p", "compact")]
)
def test_emulators(names: tuple[str, ...], target: str, profile: str, tmp_path: Path) -> None:
    model = imported(names)
    check(compiled(model, target, profile=profile), model, tmp_path, BuildOptions())
