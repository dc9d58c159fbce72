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
    """A GRU whose h and input are handed to every `use`."""

    def __init__(self, *uses: Use) -> None:
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
        self.prelu = nn.PReLU(init=0.15)
        self.uses = uses

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...] | torch.Tensor:
        h = self.gru(x)[0]
        results = tuple(use(self, x, h) for use in self.uses)
        return results if len(results) > 1 else results[0]


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


PAIRS: dict[str, Use] = {
    "residual": lambda n, x, h: n.fc(h) + h,
    "residual between layers": lambda n, x, h: n.second(h)[0] + h,
    "difference": lambda n, x, h: h - n.fc(h),
    "alpha of two": lambda n, x, h: torch.sub(h, n.fc(h), alpha=0.3),
    "twice itself": lambda n, x, h: h + h,
    "residual into a layer": lambda n, x, h: n.second(n.fc(h) + h)[0],
    "product": lambda n, x, h: h * n.fc(h),
    "gate": lambda n, x, h: torch.sigmoid(n.fc(h)) * h,
    "gate of two": lambda n, x, h: (lambda g: g * h + (1 - g) * n.fc(h))(torch.sigmoid(h)),
    "square": lambda n, x, h: h * h,
    "per sequence": lambda n, x, h: h[:, -1] * n.fc(h[:, -1]) + h[:, -1],
    "sum then last": lambda n, x, h: n.fc(n.fc(h) + h)[:, -1],
    "join": lambda n, x, h: torch.cat([h, n.fc(h)], -1),
    "join into linear": lambda n, x, h: n.wide(torch.cat([n.second(h)[0], h], -1)),
    "join with the input": lambda n, x, h: torch.cat([x, h], 2),
    "join of last steps": lambda n, x, h: n.wide(torch.cat([h[:, -1], n.fc(h)[:, -1]], 1)),
    "slice": lambda n, x, h: h[..., 1:4],
    "slice into linear": lambda n, x, h: n.thin(h[:, :, 3:]),
    "slice with steps": lambda n, x, h: n.thin(h[..., ::2]),
    "slice of the input": lambda n, x, h: n.gru(torch.cat([x[..., 2:], x[..., :2]], -1))[0],
    "chunk": lambda n, x, h: h.chunk(2, -1)[0] * torch.sigmoid(h.chunk(2, -1)[1]),
    "split": lambda n, x, h: torch.cat(h.split([1, 2, 3], -1)[::-1], -1),
    "split evenly": lambda n, x, h: h.split(4, dim=-1)[0] + 1,
    "indices": lambda n, x, h: torch.index_select(h, 2, torch.tensor([5, 0, 3])),
    "list of indices": lambda n, x, h: h[..., [4, 4, 1]],
    "one feature": lambda n, x, h: h[..., 2],
}

FUNCTIONS: dict[str, Use] = {
    "leaky_relu": lambda n, x, h: nn.functional.leaky_relu(n.fc(h), 0.2),
    "leaky_relu default": lambda n, x, h: nn.functional.leaky_relu(h),
    "prelu": lambda n, x, h: n.prelu(h),
    "abs": lambda n, x, h: n.fc(h).abs(),
    "hardsigmoid": lambda n, x, h: nn.functional.hardsigmoid(4 * n.fc(h)),
    "hardswish": lambda n, x, h: nn.functional.hardswish(3 * n.fc(h)),
    "hardtanh": lambda n, x, h: nn.functional.hardtanh(2 * n.fc(h)),
    "hardtanh with limits": lambda n, x, h: nn.functional.hardtanh(h, -0.1, 0.3),
    "relu6": lambda n, x, h: nn.functional.relu6(9 * n.fc(h)),
    "clamp": lambda n, x, h: torch.clamp(n.fc(h), -0.2, 0.25),
    "clamp below": lambda n, x, h: torch.clamp(h, min=0.1),
    "clamp above": lambda n, x, h: torch.clamp(h, max=0.1),
    "clamp like relu": lambda n, x, h: torch.clamp(n.fc(h), min=0.0),
    "clamp of the input": lambda n, x, h: n.gru(torch.clamp(x, -1.0, 1.0))[0],
    "elu": lambda n, x, h: nn.functional.elu(4 * n.fc(h)),
    "elu with alpha": lambda n, x, h: nn.functional.elu(n.fc(h), 0.4),
    "softplus": lambda n, x, h: nn.functional.softplus(n.fc(h)),
    "softplus of large": lambda n, x, h: nn.functional.softplus(50 * n.fc(h)),
    "softplus with beta": lambda n, x, h: nn.functional.softplus(n.fc(h), beta=2.0),
    "softsign": lambda n, x, h: nn.functional.softsign(5 * n.fc(h)),
    "silu": lambda n, x, h: nn.functional.silu(4 * n.fc(h)),
    "silu of large": lambda n, x, h: nn.functional.silu(30 * n.fc(h)),
    "gelu": lambda n, x, h: nn.functional.gelu(2 * n.fc(h)),
    "erf": lambda n, x, h: torch.erf(n.fc(h)),
    "silu into a layer": lambda n, x, h: n.second(nn.functional.silu(n.fc(h)))[0],
    "elu into linear": lambda n, x, h: n.fc(nn.functional.elu(n.fc(h))),
    "silu of the input": lambda n, x, h: n.gru(nn.functional.silu(x))[0],
    "last step of elu": lambda n, x, h: n.fc(nn.functional.elu(n.fc(h)))[:, -1],
    "other layout": lambda n, x, h: nn.functional.elu(h.transpose(1, 2)).transpose(1, 2),
}

MODULE_ONLY: dict[str, Use] = {
    "gelu with tanh": lambda n, x, h: nn.functional.gelu(n.fc(h), approximate="tanh"),
}
"""Forms that an exporter to ONNX takes apart into operators that are not supported."""

TAKEN_APART = {"list of indices": "GatherND"}
"""What the new exporter makes of these has this operator, which is refused."""

NETWORKS = {**AFFINE, **PAIRS, **FUNCTIONS, **MODULE_ONLY}
TOGETHER = 9
GROUPS = tuple(tuple(list(NETWORKS)[k : k + TOGETHER]) for k in range(0, len(NETWORKS), TOGETHER))
"""Networks that are one model with an output each, so that a test compiles nine at a time."""


def title(names: tuple[str, ...]) -> str:
    """The id of a test."""
    return f"{names[0]}..{names[-1]}"


def network(*names: str) -> Network:
    """A module with one output for each of these networks, `y` or `y0`, `y1`, ..."""
    return Network(*(NETWORKS[name] for name in names)).eval()


def exported(names: tuple[str, ...], path: Path, *, dynamo: bool) -> Path:
    """The networks as an ONNX file of the new or the old exporter."""
    module, x = network(*names), torch.randn(1, STEPS, FEATURES)
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


def errors(model: Model, program: Program) -> dict[str, float]:
    """Largest difference of integer and float on other data, relative to the reach, by output."""
    worst = dict.fromkeys((o.name for o in model.outputs), 0.0)
    for inputs in data(model, 2, seed=9).sequences:
        exact, got = model.run(inputs), program.run(inputs)
        for name, wanted in exact.items():
            reach = max(float(np.abs(wanted).max()), 1e-9)
            off = float(np.abs(got[name] - wanted).max()) / reach
            worst[name] = max(worst[name], off)
    return worst
