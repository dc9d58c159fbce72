"""Integer networks stay close to the float ones on random models, at every step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_models import cell, cell_model, data, linear, model, program

from rnn2c.ir import graph

LIMITS = {
    "int8": ({}, 0.05),
    "split": ({"accumulate": "split"}, 0.05),
    "int16 split": ({"activations": "int16", "accumulate": "split"}, 0.025),
    # One scale for w_ih * x and w_hh * h: with h in 16 bits, x has no bits left to balance them.
    "int16 joint": ({"activations": "int16"}, 0.1),
    "fast": ({"profile": "fast"}, 0.05),
    "fast int16": ({"profile": "fast", "activations": "int16"}, 0.05),
    "compact": ({"profile": "compact"}, 0.08),
}
CELLS = ("lstm", "gru", "gru_before", "rnn")


def inside(m: graph.Model, x: np.ndarray) -> np.ndarray:
    """x limited to what calibration saw: beyond it 8-bit inputs saturate."""
    seen = np.concatenate([s["x"] for s in data(m).sequences])
    return np.clip(x, seen.min(), seen.max())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("how", LIMITS)
@pytest.mark.parametrize("kind", CELLS)
def test_hidden_states_stay_close_at_every_step(kind: str, how: str, seed: int):
    options, limit = LIMITS[how]
    m = cell_model(kind, inputs=2 + seed, units=8 + 4 * seed, seed=seed)
    x = inside(m, np.random.default_rng(100 + seed).normal(size=(8, 40, 2 + seed)))
    error = np.abs(program(m, **options).run({"x": x})["y"] - m.run({"x": x})["y"])
    assert error.max() <= limit


@pytest.mark.parametrize("kind", CELLS)
def test_two_layers_and_a_head_stay_close(kind: str):
    rng = np.random.default_rng(9)
    layers = (
        cell(kind, 4, 12, rng, name="one"),
        cell(kind, 12, 8, rng, name="two", source="one"),
        graph.LastStep(name="last", inputs=("two",)),
        linear("fc", "last", 8, 3, rng),
    )
    m = model(layers, (("y", "fc"),), 4)
    x = np.random.default_rng(1).normal(size=(16, 30, 4))
    error = np.abs(program(m).run({"x": x})["y"] - m.run({"x": x})["y"])
    assert error.max() <= 0.1


def test_int4_is_coarser_but_follows():
    m = cell_model("gru", units=16)
    x = np.random.default_rng(1).normal(size=(8, 30, 3))
    want = m.run({"x": x})["y"]
    error = {w: np.abs(program(m, weights=w).run({"x": x})["y"] - want).max()
             for w in ("int8", "int4")}  # fmt: skip
    assert error["int8"] < error["int4"] < 0.4


@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
def test_long_constant_input_does_not_drift(profile: str):
    """A GRU that converges: the wide state keeps slow updates."""
    m = cell_model("gru", units=8, seed=5, gain=0.5)
    x = np.broadcast_to(np.array([0.3, -0.7, 1.1]), (400, 3))
    error = np.abs(program(m, profile=profile).run({"x": x})["y"] - m.run({"x": x})["y"])
    assert error[-1].max() < 0.05


@pytest.mark.parametrize("function", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
def test_linear_layers_with_activations_stay_close(function: str, profile: str):
    rng = np.random.default_rng(3)
    m = model((linear("fc", "x", 6, 5, rng, activation=function),), (("y", "fc"),), 6)
    x = np.random.default_rng(1).normal(size=(50, 6))
    error = np.abs(program(m, profile=profile).run({"x": x})["y"] - m.run({"x": x})["y"])
    assert error.max() < 0.06


@pytest.mark.parametrize("function", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
def test_activations_of_an_input_stay_close(function: str, profile: str):
    act = graph.Activation(name="act", inputs=("x",), function=function)
    m = model((act,), (("y", "act"),), 4)
    x = np.random.default_rng(1).normal(size=(50, 4))
    error = np.abs(program(m, profile=profile).run({"x": x})["y"] - m.run({"x": x})["y"])
    assert error.max() < 0.04


@pytest.mark.parametrize("how", ["split", "int16 split", "int16 joint"])
def test_a_bias_of_the_hidden_side_alone_may_be_far_larger_than_the_weights(how: str):
    """Where x and h are summed apart, the sum over x begins with both biases."""
    m = cell_model("lstm", 4, 6)
    layer = replace(m.layers[0], b_hh=np.full(24, 2000.0) * np.resize([1, -1, 1], 24))
    m = replace(m, layers=(layer,))
    x = inside(m, np.random.default_rng(3).normal(size=(8, 4)))
    error = np.abs(program(m, **LIMITS[how][0]).run({"x": x})["y"] - m.run({"x": x})["y"])
    assert error.max() <= 0.02
