"""Weights that a .pt2 file computes of its parameters: computed without torch, compared with it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune, weight_norm

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load


class Own(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return self.function(weight)


def own(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[nn.Module], object]:
    return lambda fc: parametrize.register_parametrization(fc, "weight", Own(function))


WAYS: dict[str, Callable[[nn.Module], object]] = {
    "weight norm": parametrizations.weight_norm,
    "weight norm of all": lambda fc: parametrizations.weight_norm(fc, dim=None),
    "older weight norm": weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "cayley": lambda fc: parametrizations.orthogonal(fc, orthogonal_map="cayley"),
    "pruned": lambda fc: prune.l1_unstructured(fc, "weight", 0.5),
    "symmetric": own(lambda w: w.triu() + w.triu(1).transpose(-1, -2)),
    "elementwise": own(lambda w: nn.functional.softplus(w) * torch.exp(-w.abs()).clamp(max=0.9)),
    "normalized": own(lambda w: w / w.pow(2).sum(dim=0, keepdim=True).sqrt() + w.norm()),
}


def exported(way: Callable[[nn.Module], object], path: Path) -> Path:
    torch.manual_seed(5)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.fc = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 4)
            way(self.fc)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.rnn(x)[0])

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(Net().eval(), (torch.randn(1, 5, 3),)), path)
    return path


@pytest.mark.parametrize("name", WAYS)
def test_parameters_computed_of_others(name: str, tmp_path: Path) -> None:
    model = load(exported(WAYS[name], tmp_path / "net.pt2"))
    assert model.cross_check.startswith("agrees with torch ")
    assert [layer.name for layer in model.layers] == ["rnn", "fc"]


def test_what_is_not_finite_is_refused(tmp_path: Path) -> None:
    path = exported(own(lambda w: torch.log(w - 10.0)), tmp_path / "net.pt2")
    with pytest.raises(Rnn2cError, match=r"'log' .*makes a constant that is not finite"):
        load(path)
