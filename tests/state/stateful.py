"""Modules that take their state as an argument and return the new one, as people export them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

FEATURES, UNITS = 3, 4


class Layers(nn.Module):
    """An LSTM or GRU of several layers and a head; x [1, T, features], states [layers, 1, n]."""

    def __init__(self, kind: str, layers: int) -> None:
        super().__init__()
        self.rnn = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](FEATURES, UNITS, layers, batch_first=True)
        self.head = nn.Linear(UNITS, 2)

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y, new = self.rnn(x, state if len(state) == 2 else state[0])
        return self.head(y), *(new if isinstance(new, tuple) else (new,))


class LastOfOne(Layers):
    """The same with the head on the last step alone."""

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y, new = self.rnn(x, state if len(state) == 2 else state[0])
        return self.head(y[:, -1]), *(new if isinstance(new, tuple) else (new,))


class Cell(nn.Module):
    """One cell and a head."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.cell = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}[kind](
            FEATURES, UNITS
        )
        self.head = nn.Linear(UNITS, 2)

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        new = self.cell(x, state if len(state) == 2 else state[0])
        new = new if isinstance(new, tuple) else (new,)
        return self.head(new[0]), *new


class Echo(nn.Module):
    """No cell at all: its last answer is part of the next question."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(FEATURES + 2, UNITS)
        self.head = nn.Linear(UNITS, 2)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answer = torch.tanh(self.head(torch.relu(self.inner(torch.cat([x, h], dim=-1)))))
        return answer * 2 + 1, answer


@dataclass(frozen=True)
class Stateful:
    """A module, its arguments for one call, and whether it wants a time axis."""

    make: Callable[[], nn.Module]
    x: tuple[int, ...]
    states: tuple[tuple[int, ...], ...]

    @property
    def state(self) -> dict[str, str]:
        return {f"s{k}": f"n{k}" for k in range(len(self.states))}

    def module(self) -> nn.Module:
        torch.manual_seed(3)
        return self.make().eval()

    def arguments(self) -> tuple[torch.Tensor, ...]:
        return (torch.zeros(self.x), *(torch.zeros(s) for s in self.states))

    def export(self, folder: Path, *, dynamo: bool) -> Path:
        path = folder / "net.onnx"
        names = {
            "input_names": ["x", *self.state],
            "output_names": ["y", *self.state.values()],
        }
        torch.onnx.export(
            self.module(), self.arguments(), path, dynamo=dynamo, external_data=False, **names
        )
        return path

    def stepped(self, x: torch.Tensor) -> torch.Tensor:
        """y of each call for the rows of x, each state fed back."""
        module, state, rows = self.module(), self.arguments()[1:], []
        with torch.no_grad():
            for row in x:
                y, *state = module(row.reshape(self.x), *state)
                rows.append(y.reshape(-1))
        return torch.stack(rows)


def _layers(kind: str, layers: int, make: type[Layers] = Layers) -> Stateful:
    count = 2 if kind == "lstm" else 1
    return Stateful(lambda: make(kind, layers), (1, 1, FEATURES), ((layers, 1, UNITS),) * count)


def _cell(kind: str) -> Stateful:
    count = 2 if kind == "lstm" else 1
    return Stateful(lambda: Cell(kind), (1, FEATURES), ((1, UNITS),) * count)


CASES: dict[str, Stateful] = {
    **{f"{kind} cell": _cell(kind) for kind in ("lstm", "gru", "rnn")},
    **{f"{kind} of {n}": _layers(kind, n) for kind in ("lstm", "gru") for n in (1, 2)},
    "last step of one": _layers("lstm", 1, LastOfOne),
    "echo": Stateful(Echo, (1, FEATURES), ((1, 2),)),
}
CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
