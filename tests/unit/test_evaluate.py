"""Float evaluation against torch, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cell_variants import VARIANTS, variant_model
from core_models import CELLS, cell, cell_model, classifier, linear, model
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.evaluate import evaluate
from rnn2c.ir.graph import Input, Output

RNG = np.random.default_rng(0)
CLASSES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN, "rnn_relu": nn.RNN}


def torch_cell(layer: graph.Recurrent, kind: str) -> nn.Module:
    extra = {"nonlinearity": "relu"} if kind == "rnn_relu" else {}
    made = CLASSES[kind](layer.input_size, layer.units, batch_first=True, dtype=torch.float64,
                         **extra)  # fmt: skip
    parameters = (layer.w_ih.data, layer.w_hh.data, layer.b_ih, layer.b_hh)
    for parameter, value in zip(made.parameters(), parameters, strict=True):
        parameter.data = torch.tensor(value)
    return made


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_cells_equal_torch_with_and_without_a_batch(kind: str):
    m = cell_model(kind)
    x = RNG.normal(size=(2, 7, 3))
    wanted = torch_cell(m.layers[0], kind)(torch.tensor(x))[0].detach().numpy()
    assert np.allclose(m.run({"x": x})["y"], wanted, atol=1e-12)
    assert np.allclose(m.run({"x": x[1]})["y"], wanted[1], atol=1e-12)


def test_initial_states_equal_torch_and_absent_ones_are_zero():
    layer = cell("lstm", 3, 5, np.random.default_rng(4))
    layer = graph.Lstm(**{**vars(layer), "inputs": ("x", "h0", "c0")})
    inputs = (Input("x", 3), Input("h0", 5, "sequence"), Input("c0", 5, "sequence"))
    m = graph.Model("m", inputs, (layer,), (Output("h", "rnn"), Output("c", "rnn.c")))
    x, h0, c0 = RNG.normal(size=(6, 3)), RNG.normal(size=5), RNG.normal(size=5)
    state = (torch.tensor(h0)[None], torch.tensor(c0)[None])
    wanted, (_, c) = torch_cell(layer, "lstm")(torch.tensor(x), state)
    got = m.run({"x": x, "h0": h0, "c0": c0})
    assert np.allclose(got["h"], wanted.detach().numpy(), atol=1e-12)
    assert np.allclose(got["c"][-1], c[0].detach().numpy(), atol=1e-12)
    zero = m.run({"x": x, "h0": np.zeros(5), "c0": np.zeros(5)})
    assert np.array_equal(m.run({"x": x})["h"], zero["h"])


def test_gru_with_reset_before_the_product_follows_its_equations():
    m = cell_model("gru_before")
    layer = m.layers[0]
    x, h = RNG.normal(size=(4, 3)), np.zeros(5)
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    w, u = layer.w_ih.data, layer.w_hh.data
    got = m.run({"x": x})["y"]
    for t in range(4):
        a = w @ x[t] + layer.b_ih
        r = sigmoid(a[:5] + u[:5] @ h + layer.b_hh[:5])
        z = sigmoid(a[5:10] + u[5:10] @ h + layer.b_hh[5:10])
        n = np.tanh(a[10:] + u[10:] @ (r * h) + layer.b_hh[10:])
        h = n + z * (h - n)
        assert np.allclose(got[t], h, atol=1e-12)


def test_head_equals_torch():
    m = classifier("gru")
    x = RNG.normal(size=(5, 3))
    got = m.run({"x": x})
    h = torch_cell(m.layers[0], "gru")(torch.tensor(x))[0][-1]
    fc = m.layers[2]
    logits = torch.tensor(fc.weight.data) @ h + torch.tensor(fc.bias)
    wanted = torch.softmax(logits, -1).detach().numpy()
    assert np.allclose(got["probability"], wanted, atol=1e-12)
    assert got["label"].tolist() == [int(logits.argmax())]


@pytest.mark.parametrize("function", ["relu", "sigmoid", "tanh"])
def test_activations_equal_torch_alone_and_in_a_linear_layer(function: str):
    fc = linear("fc", "x", 3, 2, np.random.default_rng(1))
    act = graph.Activation(name="act", inputs=("fc",), function=function)
    fused = linear("fused", "x", 3, 2, np.random.default_rng(1), activation=function)
    m = model((fc, act, fused), (("a", "act"), ("b", "fused")), 3)
    x = RNG.normal(size=(9, 3))
    got = m.run({"x": x})
    pre = torch.tensor(x @ fc.weight.data.T + fc.bias)
    assert np.allclose(got["a"], getattr(torch, function)(pre).numpy(), atol=1e-12)
    assert np.array_equal(got["a"], got["b"])


def test_softmax_of_huge_logits_does_not_overflow():
    soft = graph.Softmax(name="soft", inputs=("x",))
    got = model((soft,), (("y", "soft"),), 3).run({"x": np.array([[1e4, 0, -1e4]])})
    assert got["y"].tolist() == [[1.0, 0.0, 0.0]]


def test_argmax_takes_the_first_of_equals():
    best = graph.ArgMax(name="best", inputs=("x",))
    m = model((best,), (("y", "best"),), 3)
    assert m.run({"x": np.array([[1.0, 2, 2], [3, 3, 3]])})["y"].tolist() == [[1], [0]]


@pytest.mark.parametrize("kind", CELLS)
def test_the_observer_sees_every_value_and_the_parts_of_n(kind: str):
    seen: dict[str, tuple[int, ...]] = {}
    m = cell_model(kind)
    evaluate(m, {"x": RNG.normal(size=(7, 3))}, lambda n, a: seen.update({n: a.shape}))
    inner = {"lstm": {"rnn.c": (7, 5)}, "gru": {"rnn.n": (7, 10)}, "gru_before": {"rnn.n": (7, 10)}}
    assert seen == {"x": (7, 3), "rnn": (7, 5), **inner.get(kind, {})}


STORED = {
    "rnn": "h_pre h",
    "lstm": "i_pre i f_pre f g_pre g new_c o_pre o m_c m",
    "lstm coupled": "i_pre i g_pre g new_c o_pre o m_c m",
    "gru": "r_pre r z_pre z new_pre new new_h",
    "gru_before": "r_pre r z_pre z rh new_pre new new_h",
}


@pytest.mark.parametrize("kind", STORED)
def test_what_is_altered_inside_a_cell_is_what_it_goes_on_with(kind: str):
    m = variant_model(kind) if kind in VARIANTS else cell_model(kind)
    x = {"x": RNG.normal(size=(4, 3))}
    plain, names = m.run(x)["y"], [f"rnn.{n}" for n in STORED[kind].split()]
    seen: list[str] = []
    same = evaluate(m, x, alter=lambda n, a: (seen.append(n), a)[1])["y"]
    assert np.array_equal(same, plain)
    assert seen == 4 * names
    for name in names:
        moved = evaluate(m, x, alter=lambda n, a, name=name: a + 0.01 * (n == name))["y"]
        assert np.all(np.any(moved != plain, axis=1)[1:])  # f and r see zeros at the first step


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"input 'x' is missing: give an array \[T, 3\]"),
        ({"x": np.zeros((4, 2))}, r"input 'x' has shape \[4, 2\], expected \[T, 3\]"),
        ({"x": np.zeros(3)}, r"input 'x' has shape \[3\], expected \[T, 3\]"),
        ({"x": np.zeros((4, 3)), "z": np.zeros(1)}, "input 'z': the model has x"),
    ],
)
def test_wrong_inputs_are_refused(inputs, message: str):
    with pytest.raises(Rnn2cError, match=message):
        cell_model("gru").run(inputs)
