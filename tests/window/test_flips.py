"""Flips of the time axis: they move through layers and vanish, or are computed as they are."""

from __future__ import annotations

import numpy as np
import pytest
from core_models import CELLS, cell, linear
from window_models import masked, program_of

from rnn2c.ir import graph, window
from rnn2c.ir.graph import Input, Layer, Model, Output
from rnn2c.ir.window import whole_sequence
from rnn2c.passes import sink_flips
from rnn2c.pipeline import prepare

X = np.random.default_rng(0).normal(size=(6, 3))


def flip(name: str, source: str) -> Layer:
    return window.Flip(name=name, inputs=(source,))


def model(*layers: Layer, shown: tuple[str, ...]) -> Model:
    return Model("m", (Input("x", 3),), layers, tuple(Output(f"out_{v}", v) for v in shown))


def same(before: Model, after: Model) -> None:
    wanted, got = before.run({"x": X}), after.run({"x": X})
    assert all(np.allclose(got[n], wanted[n], atol=1e-12) for n in wanted)


@pytest.mark.parametrize("kind", CELLS)
def test_a_layer_between_two_flips_is_a_reverse_layer(kind: str):
    rng = np.random.default_rng(1)
    rnn = cell(kind, 3, 4, rng, source="back")
    m = model(flip("back", "x"), rnn, flip("y", "rnn"), shown=("y",))
    moved = sink_flips(m)
    same(m, moved)
    assert [type(p) for p in moved.layers] == [type(rnn)]
    assert moved.layers[0].direction == "reverse"


def test_two_reversals_run_step_by_step():
    rng = np.random.default_rng(1)
    layers = (
        flip("back", "x"),
        linear("front", "back", 3, 4, rng, "relu"),
        graph.Concat(name="both", inputs=("back", "front")),
        flip("again", "both"),
        cell("lstm", 7, 4, rng, source="again"),
    )
    moved = prepare(model(*layers, shown=("rnn", "rnn.c")))
    same(model(*layers, shown=("rnn", "rnn.c")), moved)
    assert not whole_sequence(moved)


def test_the_last_step_of_a_flipped_value_is_its_first():
    rng = np.random.default_rng(1)
    rnn = masked(cell("gru", 3, 4, rng, source="back"), "mask_back")
    layers = (
        flip("back", "x"),
        window.ValueMask(name="mask_back", inputs=("back",), value=9.0),
        rnn,
        graph.LastStep(name="last", inputs=("rnn",)),
        window.FirstStep(name="first", inputs=("rnn",)),
    )
    m = model(*layers, shown=("last", "first"))
    moved = sink_flips(m)
    same(m, moved)
    assert not any(isinstance(p, window.Flip) for p in moved.layers)


def test_a_flip_that_meets_what_is_not_flipped_is_computed():
    rng = np.random.default_rng(1)
    layers = (
        flip("back", "x"),
        graph.Sum(name="sum", inputs=("x", "back")),
        cell("gru", 3, 4, rng, source="sum"),
        flip("y", "rnn"),
    )
    m = model(*layers, shown=("y", "sum"))
    wanted = m.run({"x": X})
    for profile, limit in (("float32", 2e-6), ("accurate", 0.05)):
        got = program_of(m, profile, 6).run({"x": X})
        assert all(np.abs(got[n] - wanted[n]).max() < limit for n in wanted)
