"""Reverse layers, masks and selected steps of a float Model: their rates and their meaning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from core_models import CELLS, cell_model, changed
from torch import nn
from window_models import masked, pair, reverse, stacked

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.ir import graph, window
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.ir.model_text import model_text
from rnn2c.ir.window import whole_sequence
from rnn2c.pipeline import prepare

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", CELLS)
def test_a_reverse_layer_is_the_forward_one_on_flipped_input(kind: str):
    x = RNG.normal(size=(7, 3))
    forward = cell_model(kind).run({"x": x[::-1]})["y"][::-1]
    got = reverse(kind).run({"x": x})
    assert np.allclose(got["y"], forward, atol=1e-12)
    assert np.array_equal(got["y_last"], got["y"][-1])
    assert np.array_equal(got["y_first"], got["y"][0])


def test_a_bidirectional_pair_equals_torch():
    layers = pair("lstm", 3, 5, np.random.default_rng(2))
    made = nn.LSTM(3, 5, bidirectional=True, batch_first=True, dtype=torch.float64)
    values = [v for p in layers[:2] for v in (p.w_ih.data, p.w_hh.data, p.b_ih, p.b_hh)]
    for parameter, value in zip(made.parameters(), values, strict=True):
        parameter.data = torch.tensor(value)
    x = RNG.normal(size=(2, 6, 3))
    wanted = made(torch.tensor(x))[0].detach().numpy()
    m = Model("m", (Input("x", 3),), layers, (Output("y", "rnn"),))
    assert np.allclose(m.run({"x": x})["y"], wanted, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_mask_holds_the_state(kind: str, direction: str):
    """Steps where the mask is 0 might as well not be there."""
    plain = changed(cell_model(kind).layers[0], direction=direction)
    values = tuple(Output(v, v) for v in plain.outputs)
    alone = Model("m", (Input("x", 3),), (plain,), values)
    held = Model("m", (Input("x", 3), Input("on", 1)), (masked(plain, "on"),), values)
    on = np.array([0, 1, 1, 0, 0, 1, 0], np.float64)[:, None]
    x = RNG.normal(size=(7, 3))
    few = alone.run({"x": x[on[:, 0] > 0]})
    all_steps = held.run({"x": x, "on": on})
    for name in few:
        assert np.allclose(all_steps[name][on[:, 0] > 0], few[name], atol=1e-12)
        order = all_steps[name][:: 1 if direction == "forward" else -1]
        assert not np.any(order[0])
        assert np.array_equal(order[-1], order[-2])


def test_masks_are_made_of_steps_and_of_values():
    layers = (
        window.StepMask(name="before", inputs=("x",), steps=2),
        window.ValueMask(name="other", inputs=("x",), value=-1.0),
        window.Masked(name="cut", inputs=("x", "before")),
        window.Flip(name="flip", inputs=("x",)),
    )
    m = Model("m", (Input("x", 2),), layers, tuple(Output(p.name, p.name) for p in layers))
    x = np.array([[1.0, 2.0], [-1.0, -1.0], [-1.0, 3.0]])
    got = m.run({"x": x})
    assert got["before"][:, 0].tolist() == [1, 1, 0]
    assert got["other"][:, 0].tolist() == [1, 0, 1]
    assert np.array_equal(got["cut"], [[1, 2], [-1, -1], [0, 0]])
    assert np.array_equal(got["flip"], x[::-1])


def test_what_follows_a_reverse_layer_is_known_only_at_the_end():
    m = stacked("gru", mask=True)
    check_model(m)
    rates = m.rates()
    assert (rates["low.f"], rates["low.b"], rates["low"]) == ("step", "window", "window")
    assert (rates["high.f"], rates["fc"], rates["mask"]) == ("window", "window", "step")
    assert rates["fc_last"] == rates["ends"] == "sequence"
    assert [p.name for p in whole_sequence(m)] == ["low.b", "high.b"]


def test_selections_sink_through_layers_of_any_rate():
    m = prepare(stacked("gru"))
    rates = m.rates()
    linears = [p for p in m.layers if isinstance(p, graph.Linear)]
    assert sorted(rates[p.name] for p in linears) == ["window"]  # shown at every step as well
    hidden = Model(m.name, m.inputs, m.layers, (Output("y_last", "fc_last"),))
    sunk = prepare(hidden)
    assert [sunk.rates()[p.name] for p in sunk.layers if isinstance(p, graph.Linear)] == [
        "sequence"
    ]
    x = RNG.normal(size=(6, 3))
    assert np.allclose(sunk.run({"x": x})["y_last"], hidden.run({"x": x})["y_last"], atol=1e-12)


def test_the_text_names_direction_and_mask():
    text = model_text(stacked("lstm", mask=True))
    assert "Lstm (reverse) of x, zero, zero where mask\n  defines low.b [4] per window" in text
    assert "StepMask (before step 4) of x" in text


def test_misused_masks_and_rates_are_refused():
    layer = changed(cell_model("gru").layers[0], inputs=("x", "", "x"))
    with pytest.raises(Rnn2cError, match=r"layer 'rnn': mask 'x' has shape \[3\], expected \[1\]"):
        check_model(Model("m", (Input("x", 3),), (layer,), (Output("y", "rnn"),)))
    m = reverse("gru")
    flip = window.Flip(name="flip", inputs=("last",))
    with pytest.raises(Rnn2cError, match="layer 'flip' needs one vector per step"):
        check_model(m.with_layers((*m.layers, flip)))
    mixed = graph.Concat(name="mixed", inputs=("rnn", "last"))
    with pytest.raises(UnsupportedError, match="one vector per step with one per sequence"):
        check_model(m.with_layers((*m.layers, mixed)))
