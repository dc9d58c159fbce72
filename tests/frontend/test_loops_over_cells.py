"""Loops over time that call a cell once per step become recurrent layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load

STEPS = 5


class Cells(nn.Module):
    """Two cells and a head; `run` is the test's own loop."""

    def __init__(self, kind: str, run: Callable[..., Any]) -> None:
        super().__init__()
        torch.manual_seed(4)
        options = {"nonlinearity": "relu"} if kind == "relu" else {}
        cells = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell, "relu": nn.RNNCell}
        self.kind, self.run = kind, run
        self.cell = cells[kind](3, 4, **options)
        self.second = cells[kind](4, 4, bias=False, **options)
        self.embed, self.fc = nn.Linear(3, 3), nn.Linear(4, 2)

    def h(self, state):
        return state[0] if self.kind == "lstm" else state

    def forward(self, x):
        return self.run(self, x)


class WithState(Cells):
    def forward(self, x, h, c=None):
        return self.run(self, x, h if c is None else (h, c))


def by_index(net: Cells, x):
    state, out = None, []
    for t in range(x.shape[1]):
        state = net.cell(x[:, t], state)
        out.append(net.h(state))
    return torch.stack(out, dim=1)


def negative_dims(net: Cells, x):
    state, out = None, []
    for t in range(x.size(-2)):
        state = net.cell(x[:, t, :], state)
        out.append(net.h(state))
    return torch.stack(out, dim=-2)


def by_unbind(net: Cells, x):
    state, out = None, []
    for row in x.unbind(1):
        state = net.cell(net.embed(row), state)
        out.append(net.h(state).unsqueeze(1))
    return torch.cat(out, dim=1), net.h(state)


def last_only(net: Cells, x):
    state = None
    for row in torch.tanh(net.embed(x)).unbind(1):
        state = net.cell(row, state)
    return net.fc(net.h(state)), state


def head_inside(net: Cells, x):
    state, out = None, []
    for t in range(x.shape[1]):
        state = net.cell(torch.relu(x[:, t]) * 0.5 + x[:, t], state)
        out.append(torch.softmax(net.fc(net.h(state)), 1))
    return torch.stack(out).transpose(0, 1)


def two_cells(net: Cells, x):
    first = second = None
    out = []
    for t in range(x.shape[1]):
        first = net.cell(x[:, t], first)
        second = net.second(net.h(first), second)
        out.append(net.fc(net.h(second)))
    return torch.stack(out, 1), net.h(second)


def rows_below_each_other(net: Cells, x):
    state, out = None, []
    for t in range(x.shape[1]):
        state = net.cell(x[:, t], state)
        out.append(net.h(state))
    return net.fc(torch.cat(out))


def changed_in_place(net: Cells, x):
    x = net.embed(x)
    x.relu_()
    return by_index(net, x)


def backwards(net: Cells, x):
    state, out = None, []
    for t in reversed(range(STEPS)):
        state = net.cell(x[:, t], state)
        out.append(net.h(state))
    return torch.stack(out[::-1], 1), net.h(state)


LOOPS = [
    backwards, by_index, by_unbind, changed_in_place, head_inside, last_only, negative_dims,
    rows_below_each_other, two_cells,
]  # fmt: skip


def leaves(result: Any) -> np.ndarray:
    return np.concatenate([t.numpy().ravel() for t in torch.utils._pytree.tree_leaves(result)])


PAIRS = [(loop, "lstm") for loop in LOOPS]
PAIRS += zip(LOOPS, ["gru", "rnn", "relu", "gru", "rnn", "relu", "gru", "rnn", "gru"], strict=True)


@pytest.mark.parametrize(
    ("loop", "kind"), PAIRS, ids=lambda value: getattr(value, "__name__", value)
)
def test_loop(loop, kind: str) -> None:
    module, x = Cells(kind, loop).eval(), torch.randn(1, STEPS, 3)
    model = load(module, x)
    assert model.cross_check.startswith("agrees with torch ")
    cells = [layer for layer in model.layers if "w_hh" in vars(layer)]
    assert [cell.name for cell in cells] == (["cell", "second"] if loop is two_cells else ["cell"])
    assert not model.delays
    with torch.no_grad():
        got = model.run({"x": x[0].numpy()}).values()
        np.testing.assert_allclose(
            np.concatenate([v.ravel() for v in got]), leaves(module(x)), atol=1e-5
        )


def test_time_first_and_initial_state() -> None:
    def run(net: Cells, x, state):
        out = []
        for row in x:
            state = net.cell(row, state)
            out.append(net.h(state))
        return torch.stack(out), state

    for kind, count in (("lstm", 2), ("gru", 1)):
        states = [torch.randn(1, 4) for _ in range(count)]
        model = load(WithState(kind, run), (torch.randn(STEPS, 1, 3), *states))
        assert model.cross_check.startswith("agrees with torch ")
        assert [(i.name, i.rate) for i in model.inputs][1:] == [
            (name, "sequence") for name in "hc"[:count]
        ]


def test_more_steps_than_were_exported() -> None:
    """The loop was written out for 5 steps; the layer runs for any number."""
    module = Cells("gru", by_index).eval()
    model = load(module, torch.randn(1, STEPS, 3))
    x = torch.randn(1, 12, 3)
    with torch.no_grad():
        wanted = module(x)[0].numpy()
    np.testing.assert_allclose(model.run({"x": x[0].numpy()})["y"], wanted, atol=1e-5)


def some_steps(net: Cells, x):
    state = None
    for t in range(3):
        state = net.cell(x[:, t], state)
    return state


def stack_of_some_steps(net: Cells, x):
    return by_index(net, x), torch.stack([torch.relu(x[:, 0]), torch.relu(x[:, 1])], dim=1)


def skipping(net: Cells, x):
    first = net.cell(x[:, 0])
    return net.cell(x[:, 2], first)


def an_inner_step(net: Cells, x):
    states = [net.cell(x[:, 0])]
    for t in range(1, STEPS):
        states.append(net.cell(x[:, t], states[-1]))
    return states[2]


def its_own_constant_per_step(net: Cells, x):
    state, out = None, []
    for t in range(STEPS):
        state = net.cell(x[:, t], state)
        out.append(state + torch.ones(STEPS, 1, 1))
    return torch.stack(out, 1)


def weights_of_its_own(net: Cells, x):
    state = None
    for t in range(STEPS):
        state = net.cell(x[:, t] if t == 2 else net.embed(x[:, t]), state)
    return state


def state_of_another_step(net: Cells, x):
    states = [net.cell(x[:, 0]), net.cell(x[:, 1])]
    for t in range(2, STEPS):
        states.append(net.cell(x[:, t], states[-2]))
    return states[-1]


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        (some_steps, "picks time step 1; supported are"),
        (stack_of_some_steps, "picks time step 1; supported are"),
        (skipping, "picks time step 2; supported are"),
        (an_inner_step, "picks time step 1; supported are"),
        (weights_of_its_own, "picks time step 1; supported are"),
        (state_of_another_step, "picks time step 2; supported are"),
        (its_own_constant_per_step, r"a constant of shape \[5, 1, 1\] for 4 features"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_other_loops_are_refused(loop, words: str) -> None:
    with pytest.raises(Rnn2cError, match=words):
        load(Cells("gru", loop), torch.randn(1, STEPS, 3), cross_check=False)


def test_loop_without_a_batch() -> None:
    def run(net: Cells, x):
        state = None
        for row in x:
            state = net.cell(row, state)
        return state

    model = load(Cells("gru", run), torch.randn(STEPS, 3))
    assert model.cross_check.startswith("agrees with torch ")
    assert [layer.name for layer in model.layers] == ["cell", "cell.last"]


def _a_state_changed_in_place(net: Cells, x):
    state = None
    for t in range(STEPS):
        state = net.cell(x[:, t], state)
        state.mul_(0.5)
    return state


def test_a_state_that_is_changed_between_the_steps_is_a_delay() -> None:
    model = load(Cells("gru", _a_state_changed_in_place), torch.randn(1, STEPS, 3))
    assert model.cross_check.startswith("agrees with torch ")
    assert [delay.value for delay in model.delays] == ["affine0"]


def test_loop_in_a_pt2_file(tmp_path: Path) -> None:
    module, x = Cells("lstm", two_cells).eval(), torch.randn(1, STEPS, 3)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module, (x,)), tmp_path / "net.pt2")
    model = load(tmp_path / "net.pt2")
    assert model.cross_check.startswith("agrees with torch ")
    assert [layer.name for layer in model.layers][:2] == ["cell", "second"]


OLDER = [(loop, kind, False) for loop, kind in PAIRS]
NEWER = [(by_unbind, "lstm", True), (two_cells, "gru", True), (last_only, "rnn", True)]


@pytest.mark.parametrize(("loop", "kind", "newer"), OLDER + NEWER)
def test_loop_in_an_onnx_file(loop, kind: str, newer: bool, tmp_path: Path) -> None:
    """Both exporters write every step out, with the first one's zeros folded in or not."""
    module, x = Cells(kind, loop).eval(), torch.randn(1, STEPS, 3)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x,), str(tmp_path / "net.onnx"), dynamo=newer, input_names=["x"],
            **({"external_data": False} if newer else {}),
        )  # fmt: skip
    model = load(tmp_path / "net.onnx")
    assert model.cross_check.startswith("agrees with onnxruntime ")
    cells = [layer for layer in model.layers if "w_hh" in vars(layer)]
    assert [cell.name for cell in cells] == (["cell", "second"] if loop is two_cells else ["cell"])
