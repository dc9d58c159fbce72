"""Small torch networks of the test matrix, and comparison of a Model with torch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from rnn2c.ir.graph import Model

INPUTS, UNITS, CLASSES, STEPS = 3, 4, 2, 4


@dataclass(frozen=True)
class Case:
    cell: str  # LSTM, GRU, RNN_TANH, RNN_RELU
    layers: int
    batch_first: bool
    head: str  # none, sequence, last, softmax, argmax, hn
    state: bool

    def __str__(self) -> str:
        order = "btf" if self.batch_first else "tbf"
        return f"{self.cell}-{self.layers}-{order}-{self.head}-{'state' if self.state else 'zero'}"


class Network(nn.Module):
    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case
        kind, _, function = case.cell.partition("_")
        extra = {"nonlinearity": function.lower()} if function else {}
        self.rnn = getattr(nn, kind)(
            INPUTS, UNITS, case.layers, batch_first=case.batch_first, dropout=0.0, **extra
        )
        self.drop = nn.Dropout(0.5)
        if case.head != "none":
            self.fc = nn.Linear(UNITS, CLASSES)

    def forward(self, x, h0=None, c0=None):
        state = h0 if c0 is None else (h0, c0)
        y, last = self.rnn(x, state)
        head = self.case.head
        if head == "none":
            return y, last
        if head == "sequence":
            return self.fc(self.drop(y))
        hidden = last[0] if isinstance(last, tuple) else last
        final = hidden[-1] if head == "hn" else (y[:, -1] if self.case.batch_first else y[-1])
        scores = self.fc(self.drop(final))
        if head == "softmax":
            return torch.softmax(scores, -1)
        if head == "argmax":
            return scores.argmax(-1)
        return scores


def network(case: Case) -> tuple[Network, tuple[torch.Tensor, ...]]:
    """A network in eval mode with random weights, and its arguments."""
    torch.manual_seed(1)
    shape = (1, STEPS, INPUTS) if case.batch_first else (STEPS, 1, INPUTS)
    arguments = [torch.randn(shape)]
    if case.state:
        count = 2 if case.cell == "LSTM" else 1
        arguments += [torch.randn(case.layers, 1, UNITS) for _ in range(count)]
    return Network(case).eval(), tuple(arguments)


def export(
    module: nn.Module,
    arguments: tuple[torch.Tensor, ...],
    path: Path,
    *,
    dynamo: bool,
    dynamic: bool = False,
    batch_first: bool = True,
) -> Path:
    names = ["x", "h0", "c0"][: len(arguments)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            # Weights in a file beside the model would be refused; save one file.
            program = torch.onnx.export(
                module, arguments, dynamo=True, verbose=False, input_names=names
            )
            onnx.save(program.model_proto, path)
        else:
            axes = {"x": {0: "a", 1: "b"}} if dynamic else None
            torch.onnx.export(
                module, arguments, path, dynamo=False, input_names=names, dynamic_axes=axes
            )
    return path


def inputs_of(model: Model, arguments: tuple[torch.Tensor, ...]) -> dict[str, np.ndarray]:
    """The arguments of the module as the Model takes them."""
    arrays = dict(zip(["x", "h0", "c0"], [a.numpy() for a in arguments], strict=False))
    inputs = {}
    for i in model.inputs:
        name, _, layer = i.name.partition(".")
        array = arrays[name]
        inputs[i.name] = (
            array.reshape(-1, i.size) if i.rate == "step" else array[int(layer or 0)].reshape(-1)
        )
    return inputs


def assert_same(model: Model, module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
    """Model.run equals torch to 1e-5, output by output."""
    inputs = inputs_of(model, arguments)
    wanted = [t.numpy().ravel() for t in _tensors(module(*arguments))]
    got = [v.ravel() for v in model.run(inputs).values()]
    np.testing.assert_allclose(np.concatenate(got), np.concatenate(wanted), rtol=0, atol=1e-5)


def _tensors(result) -> list[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        return [result.detach()]
    return [t for r in result for t in _tensors(r)]
