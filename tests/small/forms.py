"""Small things that people write between layers, one output each of one module."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from torch import nn

FEATURES, UNITS, STEPS = 4, 6, 9
Use = Callable[["Net", torch.Tensor], torch.Tensor]
MASK = torch.tensor([True, False] * 3)
f = nn.functional


class Net(nn.Module):
    """A GRU whose h is handed to every `use`."""

    def __init__(self, *uses: Use) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gru = nn.GRU(FEATURES, UNITS, batch_first=True)
        self.second = nn.GRU(UNITS, UNITS, batch_first=True)
        self.fc = nn.Linear(UNITS, UNITS)
        self.wide = nn.Linear(2 * UNITS, 3)
        self.gates = nn.Linear(UNITS, 2 * UNITS)
        self.prelu = nn.PReLU(UNITS)
        self.prelu.weight.data.copy_(torch.rand(UNITS))
        self.group = nn.GroupNorm(1, UNITS)
        self.v = nn.Parameter(torch.randn(UNITS))
        self.uses = uses

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        h = self.gru(x)[0]
        return tuple(use(self, h) for use in self.uses)


def _accumulated(n: Net, h: torch.Tensor) -> torch.Tensor:
    y = n.fc(h)
    y += h
    y *= 2
    return y


def _without_rebinding(n: Net, h: torch.Tensor) -> torch.Tensor:
    y = n.fc(h)
    f.relu_(y)
    return y


FUNCTIONS: dict[str, Use] = {
    "selu": lambda n, h: f.selu(n.fc(h)),
    "celu": lambda n, h: f.celu(n.fc(h)),
    "celu with alpha": lambda n, h: f.celu(n.fc(h), 2.0),
    "mish": lambda n, h: f.mish(3 * n.fc(h)),
    "log sigmoid": lambda n, h: f.logsigmoid(n.fc(h)),
    "slope per channel": lambda n, h: n.prelu(h.transpose(1, 2)).transpose(1, 2),
    "slope per channel of the last step": lambda n, h: n.prelu(h[:, -1]),
    "softplus": lambda n, h: f.softplus(n.fc(h)),
    "softplus with beta": lambda n, h: f.softplus(n.fc(h), beta=2.0),
    "tanhshrink": lambda n, h: f.tanhshrink(h),
    "softmin": lambda n, h: f.softmin(h, -1),
    "log of a softmax": lambda n, h: torch.log(f.softmax(n.fc(h), -1)),
    "sigmoid by hand": lambda n, h: 1 / (1 + torch.exp(-h)),
    "square": lambda n, h: h.square(),
    "to the power of 3": lambda n, h: h**3,
    "square of a relu": lambda n, h: f.relu(h) ** 2,
    "maximum with a number": lambda n, h: torch.maximum(h, torch.tensor(0.1)),
    "minimum with a vector": lambda n, h: torch.minimum(h, n.v),
    "maximum of two": lambda n, h: torch.maximum(h, n.fc(h)),
    "minimum of two": lambda n, h: torch.minimum(h, n.fc(h)),
    "choice of two": lambda n, h: torch.where(MASK, h, n.fc(h)),
    "choice or zero": lambda n, h: torch.where(MASK, h, torch.tensor(0.0)),
    "masked fill": lambda n, h: h.masked_fill(MASK, 0.5),
    "glu": lambda n, h: f.glu(n.gates(h)),
    "normalization by hand": lambda n, h: (
        (h - h.mean(-1, keepdim=True)) / torch.sqrt(h.var(-1, keepdim=True, unbiased=False) + 1e-5)
    ),
    "root mean square by hand": lambda n, h: (
        h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + 1e-6)
    ),
    "mean of the features": lambda n, h: h.mean(-1, keepdim=True),
    "sum of the features": lambda n, h: h.sum(-1, keepdim=True),
    "minus its mean": lambda n, h: h - h.mean(-1, keepdim=True),
    "lerp": lambda n, h: torch.lerp(h, n.fc(h), 0.3),
    "addcmul": lambda n, h: torch.addcmul(h, n.fc(h), h, value=0.5),
}

MOVES: dict[str, Use] = {
    "features padded": lambda n, h: f.pad(h, (1, 2)),
    "features repeated": lambda n, h: h.repeat(1, 1, 2),
    "repeated once": lambda n, h: h.repeat(1, 1, 1) + 1,
    "expanded to itself": lambda n, h: h.expand(-1, -1, UNITS) + 1,
    "one of the features": lambda n, h: h.unbind(-1)[2],
    "stacked and flattened": lambda n, h: torch.stack([h[:, -1], n.fc(h)[:, -1]], 1).flatten(1),
    "einsum": lambda n, h: torch.einsum("btf,of->bto", h, n.fc.weight),
    "einsum of the last step": lambda n, h: torch.einsum("of,bf->bo", n.fc.weight, h[:, -1]),
    "times a matrix": lambda n, h: h @ n.fc.weight,
    "functional linear": lambda n, h: f.linear(h, n.fc.weight, n.v),
    "last step by index tensors": lambda n, h: h[torch.arange(1), torch.tensor([STEPS - 1])],
    "last step by gather": lambda n, h: torch.gather(
        h, 1, torch.full((1, 1, UNITS), STEPS - 1)
    ).squeeze(1),
    "last step by index_select": lambda n, h: torch.index_select(
        h, 1, torch.tensor([STEPS - 1])
    ).squeeze(1),
    "features rolled": lambda n, h: h.roll(1, -1),
    "features flipped": lambda n, h: h.flip(-1),
    "narrow": lambda n, h: h.narrow(-1, 1, 3),
    "chunk": lambda n, h: h.chunk(3, -1)[1],
    "swapaxes": lambda n, h: h.swapaxes(1, 2).swapaxes(2, 1) + 1,
    "relu in place": lambda n, h: f.relu(n.fc(h), inplace=True),
    "accumulated": _accumulated,
    "changed without rebinding": _without_rebinding,
    "zero states": lambda n, h: n.second(h, torch.zeros(1, h.size(0), UNITS))[0],
    "times ones": lambda n, h: h * torch.ones(UNITS) + torch.full((UNITS,), 0.5),
    "times a range": lambda n, h: h * torch.arange(UNITS),
    "times an identity": lambda n, h: h @ torch.eye(UNITS),
    "type of another": lambda n, h: n.fc(h.type_as(n.v)),
    "dropout of features": lambda n, h: f.dropout1d(h, 0.5, n.training) + 1,
}

MODULE_ONLY: dict[str, Use] = {
    "softshrink": lambda n, h: f.softshrink(n.fc(h), 0.2),
    "threshold": lambda n, h: f.threshold(h, 0.1, 0.1),
    "threshold to zero": lambda n, h: f.threshold(n.fc(h), 0.1, 0.0),
    "log of 1 + exp": lambda n, h: torch.log1p(torch.exp(h)),
    "limits of vectors": lambda n, h: torch.clamp(h, min=-n.v.abs(), max=n.v.abs()),
    "hstack": lambda n, h: torch.hstack([h[:, -1], n.fc(h)[:, -1]]),
    "tensor_split": lambda n, h: torch.tensor_split(h, 4, -1)[0],
    "movedim": lambda n, h: h.movedim(1, 2).mT + 1,
    "last of all steps": lambda n, h: h.unbind(1)[-1],
    "one group": lambda n, h: n.group(h[:, -1]),
}
"""Forms that an exporter refuses, or takes apart into something that is not supported."""


def exported(uses: dict[str, Use], path: Path, *, dynamo: bool) -> Path:
    """All of them as one ONNX file of the new or the old exporter."""
    module, x = Net(*uses.values()).eval(), torch.randn(1, STEPS, FEATURES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            program = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
            onnx.save(program.model_proto, path)
        else:
            torch.onnx.export(module, (x,), path, dynamo=False)
    return path
