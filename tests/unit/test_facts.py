"""What `rnn2c inspect` says about a model, from the float Model alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_models import cell_model

from rnn2c.budget import budget
from rnn2c.ir.facts import model_facts
from rnn2c.ir.graph import Model, Recurrent, Tensor
from rnn2c.pipeline import compile_float32, memory, prepare
from rnn2c.target import load_target


def with_weights(model: Model, w: np.ndarray) -> Model:
    first = model.layers[0]
    assert isinstance(first, Recurrent)
    return model.with_layers((replace(first, w_ih=Tensor(w)), *model.layers[1:]))


def rnn(inputs: int, units: int, activation: str = "tanh") -> Model:
    return cell_model("rnn_relu" if activation == "relu" else "rnn", inputs, units)


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_sizes_and_work(cell: str, gates: int):
    facts = model_facts(prepare(cell_model(cell, 5, 7)))
    layer = facts.layers[0]
    assert (layer.rate, layer.inputs, layer.output) == ("step", (5,), 7)
    assert layer.macs == gates * 7 * (5 + 7) == facts.macs("step")
    assert layer.parameters == layer.macs + 2 * gates * 7


def test_largest_and_smallest_weight():
    w = np.full((3, 2), 0.5)
    w[1, 1], w[2, 0] = -2.5, 0.125
    model = with_weights(rnn(2, 3), w)
    first = model.layers[0]
    assert isinstance(first, Recurrent)
    model = model.with_layers((replace(first, w_hh=Tensor(np.eye(3))), *model.layers[1:]))
    (layer, *_) = model_facts(model).layers
    assert (layer.largest, layer.smallest) == (2.5, 0.125)
    assert layer.warnings == ()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([0.0, 0.0], "w_ih: 1 of 3 rows are zero"),
        ([0.004, 0.001], "w_ih: the largest weights of its rows differ by a factor of 125"),
        ([0.5, 1e-40], "w_ih: 1 weights are denormal"),
    ],
)
def test_weights_worth_a_warning(row: list[float], words: str):
    w = np.full((3, 2), 0.5)
    w[1] = row
    (warning,) = [
        m for m in model_facts(with_weights(rnn(2, 3), w)).layers[0].warnings if "w_ih" in m
    ]
    assert words in warning


def test_factor_of_just_100_gives_no_warning():
    w = np.full((3, 2), 0.5)
    w[1] = 0.005
    warnings = model_facts(with_weights(rnn(2, 3), w)).layers[0].warnings
    assert not [m for m in warnings if "w_ih" in m]


def test_relu_state_is_unbounded():
    assert "without bound" in model_facts(rnn(2, 3, "relu")).layers[0].warnings[0]
    assert not [m for m in model_facts(rnn(2, 3)).layers[0].warnings if "bound" in m]


def test_memory_of_every_precision():
    model = prepare(cell_model("lstm", 6, 16))
    need = {m.precision: m for m in memory(model)}
    matrix = 64 * (6 + 16)
    assert matrix // 2 <= need["int8"].weights - need["int4"].weights < matrix
    built = budget(compile_float32(model, load_target("host")).program)
    assert (need["float32"].weights, need["float32"].state) == (built.weights, built.ram)
    assert built.weights == 4 * (matrix + 64)  # b_ih and b_hh are one bias
    assert matrix < need["int8"].weights < 4 * matrix
    assert need["int8"].state < need["float32"].state
