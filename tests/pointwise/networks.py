"""Torch networks, one per elementwise operator and form, and the way to a checked Program."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from rnn2c.calibration import SequenceSet
from rnn2c.ir.graph import Model
from rnn2c.ir.program import Program
from rnn2c.pipeline import QuantizeOptions, compile_model
from rnn2c.target import load_target

FEATURES, UNITS, STEPS = 4, 6, 12
Use = Callable[["Network", torch.Tensor, torch.Tensor], torch.Tensor]

RANDOM = torch.Generator().manual_seed(5)
SCALE = torch.rand(UNITS, generator=RANDOM) + 0.5
OFFSET = torch.randn(UNITS, generator=RANDOM)


class Network(nn.Module):
    """A GRU whose h and input are handed to `use`."""

    def __init__(self, use: Use) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.gru = nn.GRU(FEATURES, UNITS, batch_first=True)
        self.second = nn.GRU(UNITS, UNITS, batch_first=True)
        self.fc = nn.Linear(UNITS, UNITS)
        self.wide = nn.Linear(2 * UNITS, 3)
        self.thin = nn.Linear(UNITS // 2, 3)
        self.bn = nn.BatchNorm1d(UNITS)
        self.bn_x = nn.BatchNorm1d(FEATURES)
        for bn in (self.bn, self.bn_x):
            size = bn.num_features
            bn.running_mean.copy_(torch.randn(size))
            bn.running_var.copy_(torch.rand(size) + 0.3)
            bn.weight.data.copy_(torch.rand(size) + 0.5)
            bn.bias.data.copy_(torch.randn(size))
        self.register_buffer("scale", SCALE)
        self.register_buffer("offset", OFFSET)
        self.use = use

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.use(self, x, self.gru(x)[0])


def normalized(n: Network, y: torch.Tensor) -> torch.Tensor:
    """BatchNorm1d over the features of [batch, time, features]."""
    return n.bn(y.transpose(1, 2)).transpose(1, 2)


AFFINE: dict[str, Use] = {
    "times a number": lambda n, x, h: h * 0.7,
    "a number times": lambda n, x, h: 0.7 * h,
    "times a vector": lambda n, x, h: h * n.scale,
    "a vector times": lambda n, x, h: n.scale * h,
    "plus a number": lambda n, x, h: h + 3,
    "plus a vector": lambda n, x, h: n.offset + h,
    "minus a vector": lambda n, x, h: h - n.offset,
    "a vector minus": lambda n, x, h: n.offset - h,
    "one minus": lambda n, x, h: 1 - h,
    "divided": lambda n, x, h: h / n.scale,
    "divided by a number": lambda n, x, h: h / 3.0,
    "negated": lambda n, x, h: -h,
    "negated input": lambda n, x, h: n.gru(-x)[0],
    "sensor normalization": lambda n, x, h: n.gru((x - 0.5) / 2.0)[0],
    "norm of 2 dimensions": lambda n, x, h: n.bn(h[:, -1]),
    "norm of 3 dimensions": lambda n, x, h: normalized(n, h),
    "norm after linear": lambda n, x, h: normalized(n, n.fc(h)),
    "norm before linear": lambda n, x, h: n.fc(n.bn(h[:, -1])),
    "norm of the input": lambda n, x, h: n.gru(n.bn_x(x.transpose(1, 2)).transpose(1, 2))[0],
    "norm between layers": lambda n, x, h: n.second(normalized(n, h))[0],
    "linear plus": lambda n, x, h: n.fc(h) * n.scale + n.offset - 1,
    "chain": lambda n, x, h: ((h * 2 + 1) * n.scale - n.offset) / 4,
    "alpha": lambda n, x, h: torch.add(h, n.offset, alpha=0.5),
    "last step": lambda n, x, h: (h * n.scale)[:, -1] + 1,
}


def exported(use: Use, path: Path, *, dynamo: bool) -> Path:
    """The network as an ONNX file of the new or the old exporter."""
    module, x = Network(use).eval(), torch.randn(1, STEPS, FEATURES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            program = torch.onnx.export(module, (x,), dynamo=True, verbose=False, input_names=["x"])
            onnx.save(program.model_proto, path)
        else:
            torch.onnx.export(module, (x,), path, dynamo=False, input_names=["x"])
    return path


def data(model: Model, count: int = 4, seed: int = 1) -> SequenceSet:
    """Normal noise for every input of the model."""
    rng = np.random.default_rng(seed)
    made = ({i.name: rng.normal(size=(40, i.size)) for i in model.inputs} for _ in range(count))
    return SequenceSet(tuple(made))


def compiled(model: Model, target: str = "host", **options: str) -> Program:
    """Quantized on `data`, lowered and proven."""
    chosen = QuantizeOptions(**options)  # type: ignore[arg-type]
    return compile_model(model, data(model), load_target(target), chosen).program


def error(model: Model, program: Program) -> float:
    """Largest difference of integer and float results on other data, relative to their reach."""
    worst = 0.0
    for inputs in data(model, 2, seed=9).sequences:
        exact, got = model.run(inputs), program.run(inputs)
        for name, wanted in exact.items():
            reach = max(float(np.abs(wanted).max()), 1e-9)
            worst = max(worst, float(np.abs(got[name] - wanted).max()) / reach)
    return worst
