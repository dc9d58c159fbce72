"""Float Models that between them use every float32 lowering, and how close is close enough."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from cell_variants import variant_model
from core_models import cell, cell_model, classifier, linear, model

from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.ir.interface import FLOAT_TOLERANCE
from rnn2c.ir.program import Program
from rnn2c.lower import RawScale
from rnn2c.pipeline import compile_float32, emit
from rnn2c.target import load_target
from rnn2c.validate.compare import SequenceResult
from rnn2c.validate.runner import run_sequences
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions
from rnn2c.validate.verify import raw_sequences

Sequence = dict[str, np.ndarray]
RAW = RawScale((0.001,), (-100.0,))


def stacked() -> Model:
    """Three different cells with initial states, an output per step, final h and c."""
    rng = np.random.default_rng(3)
    first = dataclasses.replace(cell("lstm", 3, 6, rng, "r0"), inputs=("x", "h0", "c0"))
    second = dataclasses.replace(cell("gru", 6, 5, rng, "r1", "r0"), inputs=("r0", "h1"))
    layers = (
        first,
        second,
        cell("rnn", 5, 4, rng, "r2", "r1"),
        linear("fc", "r2", 4, 2, rng, "sigmoid"),
        graph.LastStep(name="h_last", inputs=("r0",)),
        graph.LastStep(name="c_last", inputs=("r0.c",)),
    )
    shown = (("y", "fc"), ("h_n", "h_last"), ("c_n", "c_last"))
    states = tuple(Input(n, s, "sequence") for n, s in (("h0", 6), ("c0", 6), ("h1", 5)))
    return dataclasses.replace(
        model(layers, shown, 3, "stacked"),
        inputs=(Input("x", 3), *states),
        outputs=tuple(Output(*o) for o in shown),
    )


def heads() -> Model:
    """Every activation as a layer of its own and inside a Linear, softmax and argmax per step."""
    rng = np.random.default_rng(4)
    layers = (
        linear("front", "x", 3, 4, rng, "tanh"),
        cell("gru_before", 4, 5, rng, "rnn", "front"),
        linear("a", "rnn", 5, 3, rng, "relu"),
        linear("b", "rnn", 5, 3, rng),
        graph.Activation(name="s", inputs=("b",), function="sigmoid"),
        graph.Activation(name="t", inputs=("b",), function="tanh"),
        graph.Activation(name="r", inputs=("b",), function="relu"),
        graph.Softmax(name="p", inputs=("b",)),
        graph.ArgMax(name="label", inputs=("p",)),
    )
    return model(layers, tuple((n, n) for n in ("a", "b", "s", "t", "r", "p", "label")), 3, "heads")


def no_state() -> Model:
    """A Linear layer alone, of one input and one output."""
    layer = linear("fc", "x", 1, 1, np.random.default_rng(5))
    return model((layer,), (("y", "fc"),), 1, "plain")


MODELS: dict[str, Callable[[], Model]] = {
    **{f"{kind}_cell": lambda kind=kind: cell_model(kind) for kind in
       ("lstm", "gru", "gru_before", "rnn", "rnn_relu")},
    "classifier": lambda: classifier("lstm"),
    "stacked": stacked,
    "heads": heads,
    "no_state": no_state,
    "lstm_everything": lambda: variant_model("lstm everything"),
    "gru_hard_clip": lambda: variant_model("gru clip before"),
}  # fmt: skip


def program(name: str, target: str = "host") -> Program:
    """The float32 Program of a model, with from_raw where counts can be its input."""
    return compile_float32(MODELS[name](), load_target(target), RAW).program


def sequence(of: Model, steps: int = 12, seed: int = 0) -> Sequence:
    """Standard normal inputs; initial states within (-1, 1)."""
    rng = np.random.default_rng(seed)
    return {
        i.name: rng.normal(size=(steps, i.size)) if i.rate == "step" else rng.uniform(-1, 1, i.size)
        for i in of.inputs
    }


def error(wanted: np.ndarray, got: np.ndarray) -> float:
    """The largest difference relative to the scale: the largest |wanted|, at least 1."""
    assert wanted.shape == got.shape
    return float(np.abs(wanted - got).max() / max(1.0, np.abs(wanted).max()))


def check_outputs(wanted: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]) -> None:
    """Every output within the promised tolerance, class indices equal."""
    assert wanted.keys() == got.keys()
    for name, array in wanted.items():
        assert error(np.asarray(array), np.asarray(got[name])) <= FLOAT_TOLERANCE, name


def run_c(
    made: Program, inputs: Sequence, folder: Path, build: BuildOptions = DEFAULT_BUILD
) -> dict[str, np.ndarray]:
    """Outputs of the emitted C by the model's own names: [T, n] per step, [n] per sequence."""
    emit(made, folder)
    (raw,) = raw_sequences(made, [inputs])
    (got,) = run_sequences(folder, made.interface(), made.target, [raw], build=build)
    return {s.name: _of(got, s.rate)[s.buffer] for s in made.outputs}


def _of(got: SequenceResult, rate: str) -> Mapping[str, np.ndarray]:
    return got.outputs if rate == "step" else got.finals
