"""Cells that exporters write out layer by layer are cells again; near misses are left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stateful import CASES, FEATURES, UNITS
from torch import nn

import rnn2c
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Model
from rnn2c.pipeline import prepare

KINDS = {"lstm cell": graph.Lstm, "gru cell": graph.Gru, "rnn cell": graph.Rnn}
X = np.random.default_rng(9).normal(size=(8, FEATURES))


def imported(case: str) -> Model:
    stateful = CASES[case]
    state = {f"state_{k}": f"y{k + 1}" for k in range(len(stateful.states))}
    return rnn2c.load(stateful.module(), stateful.arguments(), state=state)


def same(model: Model, ready: Model) -> None:
    check_model(ready)
    for name, wanted in model.run({"x": X}).items():
        np.testing.assert_allclose(ready.run({"x": X})[name], wanted, atol=1e-12)


@pytest.mark.parametrize("case", KINDS)
def test_a_cell_and_a_head(case: str) -> None:
    model = imported(case)
    ready = prepare(model)
    assert model.delays
    assert not ready.delays
    assert [type(p) for p in ready.layers] == [KINDS[case], graph.Linear]
    same(model, ready)


@pytest.mark.parametrize("exporter", ["older", "newer"])
@pytest.mark.parametrize("case", KINDS)
def test_onnx(case: str, exporter: str, tmp_path: Path) -> None:
    stateful = CASES[case]
    path = stateful.export(tmp_path, dynamo=exporter == "newer")
    model = rnn2c.load(path, state=stateful.state, cross_check=False)
    ready = prepare(model)
    assert [type(p) for p in ready.layers] == [KINDS[case], graph.Linear]
    same(model, ready)


def test_two_cells_one_after_the_other() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.LSTMCell(FEATURES, UNITS), nn.GRUCell(UNITS, UNITS)

        def forward(
            self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor, g: torch.Tensor
        ) -> tuple[torch.Tensor, ...]:
            h, c = self.a(x, (h, c))
            g = self.b(h, g)
            return g + h, h, c, g

    zero = [torch.zeros(1, UNITS) for _ in range(3)]
    state = {"h": "y1", "c": "y2", "g": "y3"}
    model = rnn2c.load(Two().eval(), (torch.zeros(1, FEATURES), *zero), state=state)
    ready = prepare(model)
    assert [type(p) for p in ready.layers] == [graph.Lstm, graph.Gru, graph.Sum]
    same(model, ready)


def test_a_state_that_is_also_read_elsewhere_stays_a_delay() -> None:
    class Peeks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.GRUCell(FEATURES, UNITS), nn.Linear(2 * UNITS, 2)

        def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
            new = self.cell(x, h)
            return self.head(torch.cat([h, new], dim=-1)), new

    example = (torch.zeros(1, FEATURES), torch.zeros(1, UNITS))
    model = rnn2c.load(Peeks().eval(), example, state={"h": "y1"})
    ready = prepare(model)
    assert [d.name for d in ready.delays] == ["h"]
    assert [type(p) for p in ready.layers] == [graph.Gru, graph.Concat, graph.Linear]
    same(model, ready)


@pytest.mark.parametrize("case", KINDS)
def test_near_misses_are_left_alone(case: str) -> None:
    """One sigmoid or tanh of the cell is another function."""
    model = imported(case)
    for k, layer in enumerate(model.layers):
        if isinstance(layer, graph.Activation):
            other = replace(layer, function="softsign")
            changed = model.with_layers((*model.layers[:k], other, *model.layers[k + 1 :]))
            ready = prepare(changed)
            assert not any(isinstance(p, graph.Recurrent) for p in ready.layers)
            same(changed, ready)
