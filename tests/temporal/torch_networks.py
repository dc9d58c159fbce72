"""Torch modules with convolutions, pooling and reductions over time, by what they are."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


class Sensor(nn.Module):
    """[N, C, T]: strided convolution, batch norm, relu, causal depthwise, GRU, the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Conv1d(6, 16, 5, stride=2)
        self.norm = nn.BatchNorm1d(16)
        self.depthwise = nn.Conv1d(16, 16, 3, groups=16)
        self.gru = nn.GRU(16, 24, batch_first=True)
        self.head = nn.Linear(24, 4)
        with torch.no_grad():
            self.norm.running_mean.normal_()  # type: ignore[union-attr]
            self.norm.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm(self.front(x)))
        y = self.depthwise(functional.pad(y, (2, 0)))
        out, _ = self.gru(y.transpose(1, 2))
        last: torch.Tensor = self.head(out[:, -1])
        return last


class Chomp(nn.Module):
    """A block of a temporal convolutional network: padded on both sides, the end cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(3, 8, 3, padding=2)
        self.b = nn.Conv1d(8, 8, 3, padding=4, dilation=2)
        self.down = nn.Conv1d(3, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.a(x)[:, :, :-2])
        y = functional.relu(self.b(y)[:, :, :-4].contiguous())
        return functional.relu(y + self.down(x)).transpose(1, 2)


class Classifier(nn.Module):
    """[N, T, C] outside, pooled twice and averaged over time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 4, dilation=2)
        self.mixed = nn.Conv1d(6, 4, 2, groups=2)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.max_pool1d(torch.tanh(self.conv(x.permute(0, 2, 1))), 2)
        y = functional.avg_pool1d(self.mixed(y), 3, stride=1)
        out: torch.Tensor = self.head(y.mean(dim=2))
        return out


class Reductions(nn.Module):
    """Every reduction over time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 5, 3)
        self.average, self.largest = nn.AdaptiveAvgPool1d(1), nn.AdaptiveMaxPool1d(1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.conv(x)
        pooled = self.average(y).flatten(1), self.largest(y).squeeze(-1)
        return *pooled, y.sum(dim=2), torch.amin(y, dim=-1), torch.amax(y, 2)


class LstmMean(nn.Module):
    """The mean over time of all hidden states."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 7, batch_first=True)
        self.head = nn.Linear(7, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, _ = self.lstm(x)
        y: torch.Tensor = self.head(out.mean(1))
        return y


class Convolutions(nn.Module):
    """[N, C, T] in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(3, 5, 4, stride=2, bias=False)
        self.b = nn.Conv1d(5, 5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.b(torch.sigmoid(self.a(x)))
        return y


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "sensor": (Sensor, (1, 6, 24)),
    "chomp": (Chomp, (1, 3, 20)),
    "classifier": (Classifier, (1, 24, 4)),
    "reductions": (Reductions, (1, 2, 16)),
    "lstm mean": (LstmMean, (1, 9, 3)),
    "convolutions": (Convolutions, (1, 3, 17)),
}


def network(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A module in eval mode and an input for it."""
    make, shape = NETWORKS[name]
    torch.manual_seed(3)
    return make().eval(), torch.randn(shape)
