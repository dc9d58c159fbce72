"""The float32 C of every elementwise operator: torch, the float Model and the C agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import FEATURES, GROUPS, STEPS, data, network, title

from rnn2c.arith_tree import primitive
from rnn2c.frontend import load
from rnn2c.ir.functions import FUNCTIONS, apply
from rnn2c.ir.graph import Activation, Input, Model, Output
from rnn2c.ir.interface import FLOAT_TOLERANCE
from rnn2c.ir.program import Program
from rnn2c.lower.float32 import pointwise
from rnn2c.pipeline import compile_float32, emit
from rnn2c.target import load_target
from rnn2c.validate.runner import run_sequences
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))
BUILDS = (SANITIZED, BuildOptions("clang", "-O3"))
PARAMETERS = {
    "clip": (-1.5, np.inf), "leaky_relu": (0.1, 0.0), "hard_sigmoid": (0.2, 0.5),
    "linear": (0.5, 0.25), "thresholded_relu": (0.2995, 0.0), "scaled_tanh": (1.5, 0.7),
    "elu": (1.3, 0.0), "softplus": (2.0, 0.0),
}  # fmt: skip


def off(wanted: np.ndarray, got: np.ndarray) -> float:
    """The largest difference relative to the largest magnitude, at least 1."""
    return float(np.abs(wanted - got).max() / max(1.0, np.abs(wanted).max()))


def check(model: Model, made: Program, folder: Path, *builds: BuildOptions) -> None:
    """The C against the Model on data, and against the interpreter on extremes."""
    emit(made, folder)
    (sequence,) = data(model, count=1).sequences
    (raw,) = raw_sequences(made, [sequence])
    wanted = model.run(sequence)
    for build in builds:
        (got,) = run_sequences(folder, made.interface(), made.target, [raw], build=build)
        for s in made.outputs:
            found = got.outputs[s.buffer] if s.rate == "step" else got.finals[s.buffer]
            assert off(wanted[s.name], found) <= FLOAT_TOLERANCE, s.name
        assert verify(made, folder, stress_sequences(made, 5), build=build).agrees


@pytest.mark.parametrize("names", GROUPS, ids=title)
def test_c_computes_what_the_model_means(names: tuple[str, ...], tmp_path: Path) -> None:
    model = load(network(*names), torch.randn(1, STEPS, FEATURES), cross_check=False)
    check(model, compile_float32(model, load_target("host")).program, tmp_path, *BUILDS)


@pytest.mark.parametrize("target", ["cortex-m4", "atmega2560"])
def test_every_function_on_chips(target: str, tmp_path: Path) -> None:
    names = [n for n in FUNCTIONS if n]
    layers = tuple(_activation(n) for n in names)
    outputs = tuple(Output(n, n) for n in names)
    model = Model("functions", (Input("x", 3),), layers, outputs)
    made = compile_float32(model, load_target(target)).program
    assert {c.primitive for op in made.step for c in op.body} >= {f"{n}_f32" for n in names}  # type: ignore[union-attr]
    check(model, made, tmp_path, BuildOptions())


def _activation(name: str) -> Activation:
    alpha, beta = PARAMETERS.get(name, (0.0, 0.0))
    return Activation(name=name, inputs=("x",), function=name, alpha=alpha, beta=beta)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n])
def test_a_primitive_is_its_function(name: str) -> None:
    """Fine steps near zero, large magnitudes far from it; a warning of numpy is an error."""
    near = np.linspace(-12, 12, 20001)
    far = np.concatenate([near, np.geomspace(1e-30, 1e6, 200), -np.geomspace(1e-30, 1e6, 200)])
    x = far.astype(np.float32)
    count = len(pointwise.PARAMETERS.get(name, ()))
    alpha, beta = PARAMETERS.get(name, (0.0, 0.0))
    given = [np.float32(v) for v in (alpha, beta)[:count]]
    got = primitive(f"{name}_f32")(x, *given)
    wanted = apply(name, np.asarray(x, np.float64), *map(float, (alpha, beta)))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=1e-6)
