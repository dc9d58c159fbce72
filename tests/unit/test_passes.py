"""Passes change the graph, never what it computes, and leave alone what they must."""

from __future__ import annotations

import numpy as np
import pytest
from core_models import cell, changed, linear, model

from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Model
from rnn2c.passes import fuse_activation, sink_last_step
from rnn2c.pipeline import PASSES, prepare

RNG = np.random.default_rng(8)
RNN = cell("gru", 3, 4, RNG)
FC = linear("fc", "rnn", 4, 2, RNG)
ACT = graph.Activation(name="act", inputs=("fc",), function="tanh")
LAST = graph.LastStep(name="last", inputs=("act",))
SOFT = graph.Softmax(name="soft", inputs=("last",))


def kinds(m: Model) -> list[str]:
    return [type(layer).__name__ for layer in m.layers]


def assert_same(a: Model, b: Model) -> None:
    check_model(b)
    x = np.random.default_rng(0).normal(size=(6, 3))
    want, got = a.run({"x": x}), b.run({"x": x})
    assert list(want) == list(got)
    assert all(np.array_equal(want[n], got[n]) for n in want)


def chain(*layers: graph.Layer, outputs: tuple[tuple[str, str], ...] = (("y", "act"),)) -> Model:
    return model(layers, outputs, 3)


def test_an_activation_is_fused_into_its_linear_layer():
    before = chain(RNN, FC, ACT)
    after = fuse_activation(before)
    assert kinds(after) == ["Gru", "Linear"]
    assert after.layers[1].name == "act"
    assert after.layers[1].activation == "tanh"
    assert_same(before, after)


UNFUSABLE = {
    "the linear value is shown": chain(RNN, FC, ACT, outputs=(("y", "act"), ("z", "fc"))),
    "it is read twice": chain(
        RNN, FC, ACT, graph.ArgMax(name="best", inputs=("fc",)),
        outputs=(("y", "act"), ("b", "best")),
    ),
    "it has an activation": chain(RNN, changed(FC, activation="relu"), ACT),
    "there is no linear layer": chain(RNN, changed(ACT, inputs=("rnn",))),
    "it activates an input": chain(changed(ACT, inputs=("x",))),
}  # fmt: skip


@pytest.mark.parametrize("why", UNFUSABLE)
def test_an_activation_is_not_fused_where(why: str):
    before = UNFUSABLE[why]
    after = fuse_activation(before)
    assert kinds(after) == kinds(before)
    assert_same(before, after)


def test_the_last_step_is_selected_before_per_step_layers():
    before = chain(RNN, FC, ACT, LAST, SOFT, outputs=(("y", "soft"),))
    after = sink_last_step(before)
    assert kinds(after) == ["Gru", "LastStep", "Linear", "Activation", "Softmax"]
    assert [after.rates()[v.name] for v in after.layers] == ["step"] + ["sequence"] * 4
    assert_same(before, after)


UNSINKABLE = {
    "the value is shown at every step": chain(
        RNN, FC, changed(LAST, inputs=("fc",)), outputs=(("y", "fc"), ("z", "last"))
    ),
    "another layer reads it": chain(
        RNN, FC, ACT, changed(LAST, inputs=("fc",)), outputs=(("y", "act"), ("z", "last"))
    ),
    "a recurrent layer is before it": chain(
        RNN, changed(LAST, inputs=("rnn",)), outputs=(("y", "last"),)
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", UNSINKABLE)
def test_the_last_step_stays_where(why: str):
    before = UNSINKABLE[why]
    after = sink_last_step(before)
    assert kinds(after) == kinds(before)
    assert_same(before, after)


def test_two_selections_of_one_value_sink_only_as_far_as_it_is_shared():
    twice = (LAST, graph.LastStep(name="last2", inputs=("act",)))
    before = chain(RNN, FC, ACT, *twice, outputs=(("a", "last"), ("b", "last2")))
    assert_same(before, sink_last_step(before))


def test_prepare_runs_both_passes_and_keeps_its_argument():
    before = chain(RNN, FC, ACT, LAST, SOFT, outputs=(("y", "soft"),))
    names = [layer.name for layer in before.layers]
    after = prepare(before)
    assert kinds(after) == ["Gru", "LastStep", "Linear", "Softmax"]
    assert [layer.name for layer in before.layers] == names
    assert_same(before, after)


def test_passes_are_idempotent():
    once = prepare(chain(RNN, FC, ACT, LAST, SOFT, outputs=(("y", "soft"),)))
    for run in PASSES:
        again = run(once)
        assert [(p.name, p.inputs) for p in again.layers] == [
            (p.name, p.inputs) for p in once.layers
        ]
