"""A function whose calibrated results are all near 0, though its input is not."""

from __future__ import annotations

import numpy as np
import pytest

from rnn2c.calibration import SequenceSet
from rnn2c.ir import functions, graph
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.pipeline import QuantizeOptions, compile_model
from rnn2c.target import load_target


@pytest.mark.parametrize("profile", ["accurate", "compact"])
@pytest.mark.parametrize("function", [f for f in functions.TABULATED if f != "scaled_tanh"])
def test_a_table_is_made_though_the_last_step_is_near_zero(function: str, profile: str) -> None:
    """x reaches 3, but the function only sees the last step, which is 0.001."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (40, 2)), np.full((1, 2), 0.001)])
    layers = (
        graph.LastStep(name="last", inputs=("x",)),
        graph.Activation(name="f", inputs=("last",), function=function, alpha=1.0),
    )
    model = Model("near", (Input("x", 2),), layers, (Output("x_last", "last"), Output("y", "f")))
    options = QuantizeOptions(profile=profile)  # type: ignore[arg-type]
    program = compile_model(model, SequenceSet(({"x": x},)), load_target("host"), options).program
    assert np.abs(program.run({"x": x})["y"] - model.run({"x": x})["y"]).max() < 0.02
