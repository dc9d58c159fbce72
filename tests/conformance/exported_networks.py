"""Torch networks as people write them: a front, a recurrent stack, a head; for every exporter.

The matrix is a covering array: every pair of choices of two dimensions occurs in some network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch_models import export

from rnn2c.frontend import load
from rnn2c.ir.graph import Model

STEPS, CLASSES = 7, 3
WAYS = ("module", "onnx", "dynamo")


@dataclass(frozen=True)
class Network:
    """sizes: of the input and of the hidden state; state: h (and c) go in and come out."""

    cell: str
    layers: int
    bidirectional: bool
    batch_first: bool
    front: str
    head: str
    state: bool
    bias: bool
    sizes: tuple[int, int]

    def __str__(self) -> str:
        words = {
            "bi": self.bidirectional, "btf": self.batch_first, "state": self.state,
            "nobias": not self.bias,
        }  # fmt: skip
        shown = [self.cell, str(self.layers), *(k for k, v in words.items() if v)]
        return "-".join([*shown, self.front, self.head, "x".join(map(str, self.sizes))])


def covering(count: int, seed: int = 0) -> list[Network]:
    """`count` networks, each the one of a few drawn that has the most new pairs of choices."""
    rng = np.random.default_rng(seed)
    seen: set[tuple[object, ...]] = set()
    found: list[Network] = []
    while len(found) < count:
        drawn = [_drawn(rng) for _ in range(30)]
        fresh = [n for n in drawn if n not in found]
        best = max(fresh, key=lambda n: len(pairs(n) - seen))
        seen |= pairs(best)
        found.append(best)
    return found


def pairs(network: Network) -> set[tuple[object, ...]]:
    """What a covering array is about: any two choices of a network."""
    named = [(f.name, v) for f, v in zip(fields(network), astuple(network), strict=True)]
    return set(combinations(named, 2))


def _drawn(rng: np.random.Generator) -> Network:
    return Network(**{k: v[rng.integers(len(v))] for k, v in CHOICES.items()})  # type: ignore[arg-type]


class Module(nn.Module):
    """The network of a `Network`; x is [N, T, n] or [T, N, n]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.net = network
        inputs, units = network.sizes
        kind, _, function = network.cell.partition("_")
        extra = {"nonlinearity": function.lower()} if function else {}
        self.front = FRONTS[network.front](inputs)
        self.rnn = getattr(nn, kind)(
            self.front.size, units, network.layers, bidirectional=network.bidirectional,
            batch_first=network.batch_first, bias=network.bias, **extra,
        )  # fmt: skip
        width = units * (2 if network.bidirectional else 1)
        self.fc = nn.Linear(width, CLASSES, bias=network.bias)
        if network.head.startswith("mlp"):
            norm = nn.BatchNorm1d if network.head == "mlp_batchnorm" else nn.LayerNorm
            self.mlp = nn.Sequential(nn.Linear(width, 6), norm(6), nn.ReLU(), nn.Dropout(0.3))
            self.fc = nn.Linear(6, CLASSES)

    def forward(self, x, h0=None, c0=None):
        state = h0 if c0 is None else (h0, c0)
        if self.net.front != "none":
            x = (
                self.front(x)
                if self.net.batch_first
                else self.front(x.transpose(0, 1)).transpose(0, 1)
            )
        y, last = self.rnn(x, state)
        result = HEADS[self.net.head](self, y, last)
        return (result, last) if self.net.state and self.net.head != "none" else result


def _last(module: Module, y: torch.Tensor) -> torch.Tensor:
    return y[:, -1] if module.net.batch_first else y[-1]


def _hidden(module: Module, last) -> torch.Tensor:
    h = last[0] if isinstance(last, tuple) else last
    return torch.cat((h[-2], h[-1]), -1) if module.net.bidirectional else h[-1]


def _mean(module: Module, y: torch.Tensor) -> torch.Tensor:
    return y.mean(1 if module.net.batch_first else 0)


HEADS = {
    "none": lambda m, y, last: (y, last),
    "linear": lambda m, y, last: m.fc(y),
    "mlp_batchnorm": lambda m, y, last: m.fc(m.mlp(_last(m, y))),
    "mlp_layernorm": lambda m, y, last: m.fc(m.mlp(y)),
    "softmax": lambda m, y, last: torch.softmax(m.fc(_last(m, y)), -1),
    "log_softmax": lambda m, y, last: functional.log_softmax(m.fc(y), -1),
    "mean": lambda m, y, last: m.fc(_mean(m, y)),
    "last": lambda m, y, last: m.fc(_last(m, y)),
    "hn": lambda m, y, last: m.fc(_hidden(m, last)),
    "argmax": lambda m, y, last: m.fc(y).argmax(-1),
}


class Front(nn.Module):
    """Base: does nothing; `size`: features it gives."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.size = inputs


class LinearFront(Front):
    def __init__(self, inputs: int) -> None:
        super().__init__(5)
        self.fc = nn.Linear(inputs, 5)

    def forward(self, x):
        return torch.relu(self.fc(x))


class BatchNormFront(Front):
    def __init__(self, inputs: int) -> None:
        super().__init__(inputs)
        self.norm = nn.BatchNorm1d(inputs)

    def forward(self, x):
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


class ConvFront(Front):
    """padding: of both ends; left: of the beginning alone."""

    def __init__(self, inputs: int, stride: int = 1, padding: int = 0, left: int = 0) -> None:
        super().__init__(4)
        self.conv = nn.Conv1d(inputs, 4, 3, stride=stride, padding=padding)
        self.left = left

    def forward(self, x):
        x = functional.pad(x.transpose(1, 2), (self.left, 0)) if self.left else x.transpose(1, 2)
        return torch.relu(self.conv(x)).transpose(1, 2)


class EmbeddingFront(Front):
    """x holds tokens [N, T]."""

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs + 1)
        self.table = nn.Embedding(11, inputs + 1)

    def forward(self, x):
        return self.table(x)


FRONTS = {
    "none": Front,
    "linear": LinearFront,
    "batchnorm": BatchNormFront,
    "conv_causal": lambda n: ConvFront(n, left=2),
    "conv_valid": ConvFront,
    "conv_strided": lambda n: ConvFront(n, stride=2),
    "conv_same": lambda n: ConvFront(n, padding=1),
    "embedding": EmbeddingFront,
}


CHOICES: dict[str, Sequence[object]] = {
    "cell": ("LSTM", "GRU", "RNN_TANH", "RNN_RELU"),
    "layers": (1, 2, 3),
    "bidirectional": (False, True),
    "batch_first": (True, False),
    "front": tuple(FRONTS),
    "head": tuple(HEADS),
    "state": (False, True),
    "bias": (True, False),
    "sizes": ((3, 4), (1, 8), (6, 5)),
}


def made(network: Network) -> tuple[Module, tuple[torch.Tensor, ...]]:
    """The module in eval mode with random weights and statistics, and its arguments."""
    torch.manual_seed(3)
    module = Module(network).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2.0)
    inputs, units = network.sizes
    shape = (1, STEPS) if network.batch_first else (STEPS, 1)
    tokens = network.front == "embedding"
    x = torch.randint(0, 11, shape) if tokens else torch.randn(*shape, inputs)
    count = (2 if network.cell == "LSTM" else 1) if network.state else 0
    stack = network.layers * (2 if network.bidirectional else 1)
    states = (torch.tanh(torch.randn(stack, 1, units)) for _ in range(count))
    return module, (x, *states)


def imported(network: Network, way: str, folder: Path) -> tuple[Model, Module, tuple]:
    """The network through one way in, with what `torch_models.assert_same` needs."""
    module, arguments = made(network)
    if way == "module":
        return load(module, arguments, cross_check=False), module, arguments
    path = export(module, arguments, folder / "m.onnx", dynamo=way == "dynamo")
    return load(path, cross_check=False), module, arguments
