"""A value that a cell sums jointly has a fine scale; a table that reads it as well spans what it
can be, not what 16 bits can hold.
"""

from __future__ import annotations

import numpy as np
import pytest

from rnn2c.calibration import as_sequence_set
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output, Tensor
from rnn2c.pipeline import QuantizeOptions, compile_model
from rnn2c.target import load_target


@pytest.mark.parametrize("profile", ["accurate", "compact"])
def test_a_function_beside_a_cell_is_as_fine_as_its_values(profile: str) -> None:
    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int, spread: float) -> Tensor:
        return Tensor(rng.normal(0, spread, (rows, columns)))

    shared = graph.Linear(name="a", inputs=("x",), weight=matrix(2, 3, 1.0), bias=np.zeros(2))
    cell = graph.Gru(
        name="h", inputs=("a",), w_ih=matrix(12, 2, 0.5), w_hh=matrix(12, 4, 0.5),
        b_ih=np.zeros(12), b_hh=np.zeros(12),
    )  # fmt: skip
    smooth = graph.Activation(name="y", inputs=("a",), function="silu")
    layers, shown = (shared, cell, smooth), (Output("h", "h"), Output("y", "y"))
    model = Model("net", (Input("x", 3),), layers, shown)
    x = {"x": rng.normal(size=(40, 3))}
    data, options = as_sequence_set([x], model), QuantizeOptions(profile=profile)  # type: ignore[arg-type]
    program = compile_model(model, data, load_target("host"), options).program
    assert np.abs(program.run(x)["y"] - model.run(x)["y"]).max() < 0.02
