"""Takes .pt2 files apart and puts changed ones together."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

PROGRAM = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
Change = Callable[[Any], object]


class Net(nn.Module):
    """Two inputs features, three units, two results."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(2, 3, batch_first=True)
        self.head = nn.Linear(3, 2)
        self.register_buffer("mean", torch.ones(2))

    def forward(self, x):
        y = self.rnn(x - self.mean)[0]
        first, second = self.head(y[:, -1]).split(1, -1)
        return {"a": torch.cat([second, first], -1).clamp(min=-1.0), "b": y}


class Loop(nn.Module):
    """A cell in a loop over time, in a batch of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(2, 3)

    def forward(self, x):
        state, out = None, []
        for row in x.unbind(1):
            state = self.cell(torch.tanh(row), state)
            out.append(state[0] * 2)
        return torch.stack(out, 1), state[1]


@cache
def net() -> bytes:
    """A good file."""
    return exported(Net(), torch.randn(1, 5, 2), None)


@cache
def loop() -> bytes:
    """Another one."""
    return exported(Loop(), torch.randn(2, 3, 2), {"x": {0: torch.export.Dim("batch")}})


def exported(module: nn.Module, x: torch.Tensor, dynamic: Any) -> bytes:
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        program = torch.export.export(module.eval(), (x,), dynamic_shapes=dynamic)
        torch.export.save(program, buffer)
    return buffer.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    """By name inside the one folder of the archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def archived(held: dict[str, bytes], folder: str = "model/", **options: int) -> bytes:
    """The inverse of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:  # type: ignore[arg-type]
        for name, data in held.items():
            archive.writestr(folder + name, data)
    return buffer.getvalue()


def node(program: Any, target: str) -> Any:
    """The first call of torch.ops.aten.TARGET."""
    every = program["graph_module"]["graph"]["nodes"]
    return next(n for n in every if n["target"] == f"torch.ops.aten.{target}")


def argument(program: Any, target: str, name: str) -> Any:
    """The tagged union of one of its arguments."""
    return next(i["arg"] for i in node(program, target)["inputs"] if i["name"] == name)


def refused(limited, held: dict[str, bytes], change: dict[str, bytes | None], **options) -> str:
    """The line about the archive with some members replaced, or removed (None)."""
    mixed = {**held, **change}
    data = archived({k: v for k, v in mixed.items() if v is not None}, **options)
    return limited.refused("build", limited.model(data, "model.pt2"))


def with_json(held: dict[str, bytes], member: str, change: Change) -> dict[str, bytes | None]:
    found = json.loads(held[member])
    change(found)
    return {member: json.dumps(found).encode()}
