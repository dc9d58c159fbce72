"""Notes of the quantizer: states that saturate in normal use are named, others are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_models import cell_model

from rnn2c.calibration import from_arrays
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output, Tensor
from rnn2c.pipeline import prepare, quantize
from rnn2c.quantization import QuantizeOptions


def counter() -> Model:
    """An LSTM whose cell state grows by one at every step."""
    one = {"w_ih": Tensor(np.zeros((4, 1))), "w_hh": Tensor(np.zeros((4, 1)))}
    bias = np.array([10.0, 10.0, 10.0, 10.0])
    layer = graph.Lstm(name="count", inputs=("x",), b_ih=bias, b_hh=np.zeros(4), **one)
    return Model("m", (Input("x", 1),), (layer,), (Output("y", "count"),))


def notes(model: Model, steps: int, **options: str) -> tuple[str, ...]:
    data = {"x": np.random.default_rng(0).normal(size=(2, steps, model.inputs[0].size))}
    sequences = from_arrays(data, model, "data")
    numerics = quantize(prepare(model), sequences, QuantizeOptions(**options)).numerics  # type: ignore[arg-type]
    assert numerics is not None
    return numerics.notes


def test_a_cell_state_beyond_compact_is_named_with_its_reach():
    (note,) = notes(counter(), 30, profile="compact")
    assert note.startswith("layer 'count': the cell state reaches 30, it saturates at 8")
    assert "use profile accurate" in note


def test_the_same_state_in_accurate_gets_a_wider_format_and_no_note():
    assert notes(counter(), 30, profile="accurate") == ()


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
def test_an_ordinary_model_has_no_notes(kind: str, profile: str):
    assert notes(cell_model(kind), 10, profile=profile) == ()


def test_a_channel_much_smaller_than_the_others_is_named():
    model = cell_model("gru")
    model = replace(model, outputs=(*model.outputs, Output("x_too", "x")))  # so it keeps one scale
    x = np.random.default_rng(0).normal(size=(2, 10, 3)) * np.array([1000.0, 1.0, 1000.0])
    sequences = from_arrays({"x": x}, model, "data")
    numerics = quantize(prepare(model), sequences, QuantizeOptions()).numerics
    assert numerics is not None
    (note,) = numerics.notes
    assert note.startswith("input 'x': channels 1 move over fewer than 32 steps")
