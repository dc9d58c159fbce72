"""The tolerance of a cross-check follows what float32 rounding can do to the model at hand."""

from __future__ import annotations

import numpy as np

from rnn2c.frontend.rounding import LARGEST, TOLERANCE, rounding_allowed
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output, Tensor


def model(gain: float, units: int = 64) -> Model:
    random = np.random.default_rng(0)
    layer = graph.Rnn(
        name="rnn",
        inputs=("x", ""),
        w_ih=Tensor(gain * random.standard_normal((units, 2))),
        w_hh=Tensor(gain * random.standard_normal((units, units))),
        b_ih=np.zeros(units),
        b_hh=np.zeros(units),
    )
    return Model("m", (Input("x", 2),), (layer,), (Output("y", "rnn"),))


X = {"x": np.random.default_rng(1).standard_normal((30, 2))}


def test_a_calm_model_keeps_the_tolerance():
    assert rounding_allowed(model(0.05), X) == TOLERANCE


def test_a_chaotic_model_gets_more_up_to_a_limit():
    mild, wild = rounding_allowed(model(0.4), {"x": X["x"][:8]}), rounding_allowed(model(3.0), X)
    assert TOLERANCE < mild < LARGEST
    assert wild == LARGEST
