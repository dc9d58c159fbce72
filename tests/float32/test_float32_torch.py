"""Torch modules, compiled to float32 C: the outputs of the C are those of torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from float_models import error, run_c
from torch import nn

import rnn2c
from rnn2c.ir.interface import FLOAT_TOLERANCE

CELLS = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")
INPUTS, UNITS, CLASSES, STEPS = 5, 16, 4, 50


class Classifier(nn.Module):
    """Two recurrent layers; class probabilities at every step and after the last."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        kind, _, function = cell.partition("_")
        extra = {"nonlinearity": function.lower()} if function else {}
        self.rnn = getattr(nn, kind)(INPUTS, UNITS, 2, batch_first=True, **extra)
        self.hidden = nn.Linear(UNITS, 8)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, _ = self.rnn(x)
        scores = self.out(torch.relu(self.hidden(y)))
        return torch.sigmoid(scores), torch.softmax(scores[:, -1], -1)


@pytest.mark.parametrize("target", ["host", "cortex-m4", "rv32imc"])
@pytest.mark.parametrize("cell", CELLS)
def test_c_equals_torch(cell: str, target: str, tmp_path: Path) -> None:
    torch.manual_seed(7)
    module = Classifier(cell).eval()
    x = torch.randn(1, STEPS, INPUTS)
    made = rnn2c.compile(rnn2c.load(module, x), target)
    (moving,) = made.inputs
    got = run_c(made, {moving.name: x[0].numpy()}, tmp_path)
    with torch.no_grad():
        wanted = [t[0].numpy() for t in module(x)]
    assert [g.shape for g in got.values()] == [(STEPS, CLASSES), (CLASSES,)]
    for expected, name in zip(wanted, got, strict=True):
        assert error(np.asarray(expected, np.float64), got[name]) <= FLOAT_TOLERANCE
