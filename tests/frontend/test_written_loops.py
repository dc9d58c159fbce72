"""Cells that people write themselves, in a loop over time steps, become recurrent layers; any other
step becomes the body of a loop with delays.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph
from rnn2c.pipeline import prepare

STEPS, UNITS = 5, 4


class Written(nn.Module):
    """h and c from zero or from `start`, all h through a head, and the last h."""

    start = 0.0

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.w, self.u = nn.Linear(3, 4 * UNITS), nn.Linear(UNITS, 4 * UNITS)
        self.all = nn.Linear(3 + UNITS, 4 * UNITS)
        self.gates = nn.ModuleList(nn.Linear(3 + UNITS, UNITS) for _ in range(4))
        self.fc = nn.Linear(UNITS, 2)

    def step(self, x, h, c):
        raise NotImplementedError

    def forward(self, x):
        h = c = torch.full((x.shape[0], UNITS), self.start)
        out = []
        for t in range(x.shape[1]):
            h, c = self.step(x[:, t], h, c)
            out.append(h)
        return self.fc(torch.stack(out, 1)), h


def lstm(i, f, g, o, c):
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


class LstmOfTwo(Written):
    def step(self, x, h, c):
        return lstm(*(self.w(x) + self.u(h)).chunk(4, -1), c)


class LstmJoined(Written):
    def step(self, x, h, c):
        return lstm(*self.all(torch.cat([x, h], 1)).chunk(4, 1), c)


class LstmGateByGate(Written):
    def step(self, x, h, c):
        both = torch.cat([h, x], 1)
        return lstm(*(gate(both) for gate in self.gates), c)


class GruResetAfter(Written):
    def step(self, x, h, c):
        r, z, n, _ = self.w(x).chunk(4, -1)
        r_h, z_h, n_h, _ = self.u(h).chunk(4, -1)
        n = torch.tanh(n + torch.sigmoid(r + r_h) * n_h)
        z = torch.sigmoid(z + z_h)
        return (1 - z) * n + z * h, c


class GruResetBefore(Written):
    """Cho et al.: the gate is the share of what is new."""

    def step(self, x, h, c):
        both = torch.cat([x, h], 1)
        r, z = torch.sigmoid(self.gates[0](both)), torch.sigmoid(self.gates[1](both))
        n = torch.tanh(self.gates[2](torch.cat([x, r * h], 1)))
        return (1 - z) * h + z * n, c


class GruByDifference(Written):
    def step(self, x, h, c):
        both = torch.cat([x, h], 1)
        r, z = torch.sigmoid(self.gates[0](both)), torch.sigmoid(self.gates[1](both))
        n = torch.tanh(self.gates[2](torch.cat([x, r * h], 1)))
        return h + z * (n - h), c


class RnnJoined(Written):
    def step(self, x, h, c):
        return torch.relu(self.gates[0](torch.cat([x, h], 1))), c


class Leaky(Written):
    def step(self, x, h, c):
        return 0.9 * h + 0.1 * torch.tanh(self.gates[0](torch.cat([x, h], 1))), c


class LeakyFromOne(Leaky):
    start = 1.0


class GruFromHalf(GruResetBefore):
    start = 0.5


class LstmFromHalf(LstmJoined):
    start = 0.5


CELLS = {
    LstmOfTwo: graph.Lstm, LstmJoined: graph.Lstm, LstmGateByGate: graph.Lstm,
    LstmFromHalf: graph.Lstm, GruResetAfter: graph.Gru, GruResetBefore: graph.Gru,
    GruByDifference: graph.Gru, GruFromHalf: graph.Gru, RnnJoined: graph.Rnn,
}  # fmt: skip


def same_for_more_steps(model: graph.Model, module: nn.Module) -> None:
    x = torch.randn(1, 2 * STEPS + 1, 3)
    with torch.no_grad():
        y, h = module(x)
    got = list(model.run({"x": x[0].numpy()}).values())
    np.testing.assert_allclose(got[0], y[0], atol=1e-5)
    np.testing.assert_allclose(got[1], h[0], atol=1e-5)


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_cell(kind: type[Written]) -> None:
    module = kind().eval()
    model = load(module, torch.randn(1, STEPS, 3))
    assert model.cross_check.startswith("agrees with torch ")
    cells = [CELLS[kind], graph.Linear, graph.LastStep]
    assert [type(layer) for layer in model.layers] == cells
    assert model.layers[0].name == f"{CELLS[kind].__name__.lower()}0"
    assert not model.delays
    same_for_more_steps(model, module)


@pytest.mark.parametrize("kind", [LstmGateByGate, LstmFromHalf, GruResetAfter, RnnJoined, Leaky])
def test_onnx(kind: type[Written], tmp_path: Path) -> None:
    module, path = kind().eval(), tmp_path / "net.onnx"
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.randn(1, STEPS, 3),), str(path), dynamo=False, input_names=["x"]
        )
    model = load(path)
    assert model.cross_check.startswith("agrees with onnxruntime ")
    cells = [type(p) for p in model.layers if isinstance(p, graph.Recurrent)]
    assert cells == ([CELLS[kind]] if kind in CELLS else [])
    same_for_more_steps(model, module)


def test_a_step_that_is_no_cell_is_a_loop_with_a_delay() -> None:
    module = Leaky().eval()
    model = load(module, torch.randn(1, STEPS, 3))
    assert len(model.delays) == 1
    same_for_more_steps(model, module)
    same_for_more_steps(prepare(model), module)


def test_a_loop_that_is_no_cell_starts_from_zero() -> None:
    with pytest.raises(Rnn2cError, match="a loop starts from a state that is not zero; only those"):
        load(LeakyFromOne().eval(), torch.randn(1, STEPS, 3))


def test_a_first_step_that_is_another_one_is_no_loop() -> None:
    class Skips(LstmJoined):
        def forward(self, x):
            h = c = torch.zeros(1, UNITS)
            for t in range(x.shape[1]):
                h, c = self.step(x[:, t], h, c)
                if t == 0:
                    c = c * 0.5
            return h

    with pytest.raises(Rnn2cError, match="give --state h=h_out"):
        load(Skips().eval(), torch.randn(1, STEPS, 3))


def test_initial_states_as_arguments() -> None:
    class Given(LstmJoined):
        def forward(self, x, h, c):
            for t in range(x.shape[1]):
                h, c = self.step(x[:, t], h, c)
            return h

    state = (torch.randn(1, UNITS), torch.randn(1, UNITS))
    model = load(Given().eval(), (torch.randn(1, STEPS, 3), *state))
    assert model.cross_check.startswith("agrees with torch ")
    assert [(i.name, i.rate) for i in model.inputs][1:] == [("h", "sequence"), ("c", "sequence")]
    assert isinstance(model.layers[0], graph.Lstm)
