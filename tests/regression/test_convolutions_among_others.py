"""Convolutions in groups have integers per block, strided values run in reverse, weights of a
convolution have no zero points.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rnn2c.calibration import as_sequence_set
from rnn2c.errors import UnsupportedError
from rnn2c.execute import run
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Layer, Model, Output, Tensor
from rnn2c.ir.temporal import Conv1d
from rnn2c.lower import lower
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, quantize
from rnn2c.target import load_target

HOST = load_target("host")
RNG = np.random.default_rng(0)
X = {"x": RNG.normal(size=(6, 2))}


def convolution(groups: int = 1, stride: int = 1) -> Conv1d:
    weight = Tensor(RNG.normal(size=(6, 4 // groups)))
    return Conv1d(
        name="conv", inputs=("x",), kernel=2, stride=stride, groups=groups, weight=weight,
        bias=np.zeros(6),
    )  # fmt: skip


def model(*layers: Layer) -> Model:
    return Model("net", (Input("x", 2),), layers, (Output("y", layers[-1].name),))


@pytest.mark.parametrize("profile", ["accurate", "compact"])
def test_a_convolution_in_groups_has_integers(profile):
    made = model(convolution(groups=2))
    data = as_sequence_set([X], made)
    program = compile_model(made, data, HOST, QuantizeOptions(profile=profile)).program
    np.testing.assert_allclose(run(program, X)["y"], made.run(X)["y"], atol=0.1)


def test_strided_values_run_in_reverse():
    reverse = graph.Rnn(
        name="back", inputs=("conv",), w_ih=Tensor(np.full((1, 6), 0.1)),
        w_hh=Tensor(np.ones((1, 1))), b_ih=np.zeros(1), b_hh=np.zeros(1), direction="reverse",
    )  # fmt: skip
    made = model(convolution(stride=2), reverse)
    program = compile_float32(made, HOST, max_steps=6).program
    np.testing.assert_allclose(run(program, X)["y"], made.run(X)["y"], atol=1e-5)


def test_zero_points_in_a_convolution_are_refused():
    made = model(convolution())
    quantized = quantize(made, as_sequence_set([X], made), QuantizeOptions())
    (layer,) = quantized.layers
    assert isinstance(layer, Conv1d)
    moved = dataclasses.replace(layer.weight, zero=np.ones(6, np.int64))
    odd = quantized.with_layers((dataclasses.replace(layer, weight=moved),))
    with pytest.raises(UnsupportedError, match="quantize them symmetrically"):
        lower(odd, HOST)
