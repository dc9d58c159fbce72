"""Padding never counts for the largest, wherever it is: a whole sequence may be negative."""

from __future__ import annotations

import numpy as np
import pytest

from rnn2c.ir import temporal
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.pipeline import compile_float32
from rnn2c.target import load_target


@pytest.mark.parametrize("pads", [(0, 2), (1, 1), (2, 0)])
def test_the_largest_of_negative_values_is_negative_at_both_ends(pads: tuple[int, int]) -> None:
    pool = temporal.Pool(name="y", inputs=("x",), kernel=3, pads=pads, function="max")
    model = Model("net", (Input("x", 2),), (pool,), (Output("y", "y"),))
    x = {"x": -1.0 - np.random.default_rng(0).random((6, 2))}
    program = compile_float32(model, load_target("host"), max_steps=6 if pads[1] else None).program
    assert np.allclose(program.run(x)["y"], model.run(x)["y"], atol=1e-6)
