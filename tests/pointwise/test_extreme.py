"""The largest and the smallest feature: from every source, exact in every stage."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import rnn2c
from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output, Tensor
from rnn2c.ir.model_text import model_text
from rnn2c.passes import sink_last_step
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, verify
from rnn2c.target import load_target

SIZE, STEPS = 5, 9
HOST = load_target("host")
RNG = np.random.default_rng(4)
DATA = SequenceSet(tuple({"x": RNG.normal(-1.0, 2.0, (STEPS, SIZE))} for _ in range(3)))


def alone(function: str, size: int = SIZE) -> Model:
    layer = graph.Extreme(name="e", inputs=("x",), function=function)  # type: ignore[arg-type]
    return Model("extreme", (Input("x", size),), (layer,), (Output("y", "e"),))


def network(direction: str = "forward") -> Model:
    """Both extremes of a cell's state at every step and of its last one; one of them feeds on."""
    rng = np.random.default_rng(2)
    weights = {"w_ih": Tensor(rng.normal(0, 0.5, (12, SIZE))), "b_ih": rng.normal(0, 0.2, 12)}
    weights |= {"w_hh": Tensor(rng.normal(0, 0.5, (12, 4))), "b_hh": rng.normal(0, 0.2, 12)}
    cell = graph.Gru(name="cell", inputs=("x",), direction=direction, **weights)  # type: ignore[arg-type]
    pair = tuple(
        graph.Extreme(name=f, inputs=("cell",), function=f)  # type: ignore[arg-type]
        for f in ("max", "min")
    )
    both = graph.Concat(name="both", inputs=("max", "min"))
    head = graph.Linear(
        name="head", inputs=("both",), weight=Tensor(rng.normal(0, 1, (2, 2))), bias=np.ones(2)
    )
    last = graph.LastStep(name="last", inputs=("min",))
    shown = ("head", "max", "last")
    outputs = tuple(Output(f"{n}_out", n) for n in shown)
    return Model("network", (Input("x", SIZE),), (cell, *pair, both, head, last), outputs)


@pytest.mark.parametrize("profile", ["accurate", "compact"])
@pytest.mark.parametrize("function", ["max", "min"])
def test_integers_are_those_of_the_input(function: str, profile: str) -> None:
    options = QuantizeOptions(profile=profile)  # type: ignore[arg-type]
    program = compile_model(alone(function), DATA, HOST, options).program
    q = program.inputs[0].format.quantize(DATA.sequences[0]["x"])
    wanted = getattr(np, function)(q, axis=1, keepdims=True)
    assert np.array_equal(program.run_integer({"x": q})["y"], wanted)


def test_of_one_feature_it_is_that_feature() -> None:
    model = alone("max", 1)
    x = {"x": DATA.sequences[0]["x"][:, :1]}
    got = compile_float32(model, HOST).program.run(x)["y"]
    assert np.allclose(got, x["x"], atol=1e-6)
    assert "Extreme (max) of x" in model_text(model)


@pytest.mark.parametrize(
    ("target", "options"),
    [
        *(("host", "accurate"), ("host", "compact"), ("host", "float32")),
        *(("cortex-m0plus", "accurate"), ("atmega2560", "compact")),
    ],
)
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_the_c_equals_the_reference(direction: str, target: str, options: str) -> None:
    model, chosen = network(direction), load_target(target)
    most = STEPS if direction == "reverse" else None
    if options == "float32":
        program = compile_float32(model, chosen, max_steps=most).program
    else:
        made = QuantizeOptions(profile=options)  # type: ignore[arg-type]
        program = compile_model(model, DATA, chosen, made, max_steps=most).program
    x = DATA.sequences[0]
    for output, wanted in model.run(x).items():
        error = np.abs(program.run(x)[output] - wanted).max()
        assert error < (1e-5 if options == "float32" else 0.05)
    report = verify(program, [x], stress_steps=STEPS)
    assert report.agrees, report.to_json()


def test_only_that_of_the_last_step_is_computed_where_nothing_else_is_wanted() -> None:
    model = network()
    model = replace(model, outputs=(Output("y", "last"),), layers=(*model.layers[:3],
                    model.layers[-1]))  # fmt: skip
    kinds = [type(p).__name__ for p in sink_last_step(model).layers]
    assert kinds.index("LastStep") < len(kinds) - 1 - kinds[::-1].index("Extreme")


class Highest(torch.nn.Module):
    """Extremes of the features of a cell, and of a convolution with time last."""

    def __init__(self, call: object) -> None:
        super().__init__()
        self.gru = torch.nn.GRU(3, 4, batch_first=True)
        self.conv, self.call = torch.nn.Conv1d(4, 5, 2), call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.call(self.gru(x)[0], self.conv)  # type: ignore[operator]
        return y


CALLS = {
    "amax": lambda y, conv: torch.amax(y, -1, keepdim=True),
    "amin": lambda y, conv: torch.amin(y, 2),
    "max of a pair": lambda y, conv: y.max(dim=-1, keepdim=True).values * y,
    "min of a pair": lambda y, conv: y.min(dim=2)[0],
    "over time too": lambda y, conv: y.amax(1).amin(1, keepdim=True),
    "in front of time": lambda y, conv: conv(y.transpose(1, 2)).amax(1),
}


WAYS = [
    *((name, "legacy") for name in CALLS),
    *((name, "module") for name in ("amin", "max of a pair", "in front of time")),
    ("amax", "dynamo"),
]


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_it_is_imported(name: str, way: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, x = Highest(CALLS[name]).eval(), torch.randn(1, STEPS, 3)
    if way == "module":
        model = rnn2c.load(module, x)
    else:
        path = tmp_path / "net.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module, (x,), path, dynamo=way == "dynamo", verbose=False, external_data=False
            )
        model = rnn2c.load(path)
    assert model.cross_check.startswith("agrees with ")
    assert any(isinstance(p, graph.Extreme) for p in model.layers)
    wanted = module(x).detach().numpy().reshape(-1)
    inputs = {model.inputs[0].name: x.numpy()[0]}
    (got,) = compile_float32(model, HOST).program.run(inputs).values()
    assert np.abs(got.reshape(-1) - wanted).max() < 1e-5
