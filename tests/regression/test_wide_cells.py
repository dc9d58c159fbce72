"""What leaves [-1, 1] in a cell keeps its value in integers: initial states, and the n of a GRU
with relu, which its gate makes small again.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import cell

from rnn2c.calibration import as_sequence_set
from rnn2c.execute import run
from rnn2c.ir.cells import RELU, SIGMOID
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.pipeline import QuantizeOptions, compile_model
from rnn2c.target import load_target

X = {"x": np.random.default_rng(0).normal(size=(8, 3))}
OPTIONS = {
    "accurate": QuantizeOptions(),
    "int16": QuantizeOptions(activations="int16"),
    "fast": QuantizeOptions(profile="fast"),
    "compact": QuantizeOptions(profile="compact"),
}


def worst(model: Model, inputs: dict[str, np.ndarray], options: QuantizeOptions) -> float:
    """The largest error of the integers against the reals that their weights stand for."""
    made = compile_model(model, as_sequence_set([inputs], model), load_target("host"), options)
    assert made.quantized is not None
    return float(np.abs(run(made.program, inputs)["y"] - made.quantized.run(inputs)["y"]).max())


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before", "rnn"])
def test_an_initial_state_beyond_one(kind: str, options: QuantizeOptions) -> None:
    layer = dataclasses.replace(
        cell(kind, 3, 4, np.random.default_rng(1), "rnn"), inputs=("x", "h0")
    )
    start = np.array([2.5, -1.9, 1.5, 0.2])
    inputs = (Input("x", 3), Input("h0", 4, "sequence"))
    model = Model("net", inputs, (layer,), (Output("y", "rnn"),))
    assert worst(model, {**X, "h0": start}, options) < 0.08


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", ["gru", "gru_before"])
def test_a_candidate_beyond_the_range_of_the_state(kind: str, options: QuantizeOptions) -> None:
    layer = cell(kind, 3, 4, np.random.default_rng(1), "rnn")
    bias = layer.b_ih.copy()
    bias[4:8], bias[8:] = 6.0, 40.0  # z near 1, n near 40: h' gets a little of it
    layer = dataclasses.replace(layer, b_ih=bias, activations=(SIGMOID, RELU))
    model = Model("net", (Input("x", 3),), (layer,), (Output("y", "rnn"),))
    assert np.abs(model.run(X)["y"]).max() < 10.0
    assert worst(model, X, options) < 0.2
