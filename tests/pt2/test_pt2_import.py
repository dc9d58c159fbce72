"""Files of torch.export.save: the same network as the module that was saved."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from pt2_files import archived, assert_same, edited, members, saved
from torch import nn
from torch.export import Dim
from torch_cases import HEADS, Heads

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load, pytorch
from rnn2c.frontend.pt2 import import_pt2
from rnn2c.frontend.pytorch_graph import Node, of_program
from rnn2c.ir.model_text import model_text

CELLS = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
    "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k),
}
MATRIX = list(product(CELLS, (1, 2), (True, False), HEADS))
SAMPLE = [
    ("lstm", 2, True, "all"),
    ("lstm", 1, False, "normed"),
    ("gru", 1, True, "last"),
    ("gru", 2, False, "deep"),
    ("rnn", 1, True, "dictionary"),
    ("relu", 2, True, "scaled"),
]
"""cell, layers, batch_first, head"""


def check(case: tuple[str, int, bool, str], dynamic: bool, folder: Path) -> None:
    cell, layers, batch_first, head = case
    torch.manual_seed(2)
    module = Heads(CELLS[cell](3, 4, layers, batch_first=batch_first), head, batch_first).eval()
    batch = 2 if dynamic else 1  # torch takes a dynamic size of 1 for a fixed one
    shape = (batch, 6, 3) if batch_first else (6, batch, 3)
    sizes = {"x": {0 if batch_first else 1: Dim("batch")}} if dynamic else None
    path = saved(module, (torch.randn(shape),), folder / "net.pt2", sizes)
    assert_same(path, module, torch.randn((1, 6, 3) if batch_first else (6, 1, 3)))


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "batch"])
@pytest.mark.parametrize("case", SAMPLE, ids=str)
def test_sample(case, dynamic, tmp_path: Path) -> None:
    check(case, dynamic, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "batch"])
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_matrix(case, dynamic, tmp_path: Path) -> None:
    check(case, dynamic, tmp_path)


class PerStep(nn.Module):
    """No recurrent layer: torch.export allows a dynamic number of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))

    def forward(self, x):
        y = self.fc(x)
        return torch.relu(y).reshape(1, x.shape[1], 2) + torch.zeros(1, 1, 1)


def test_dynamic_time(tmp_path: Path) -> None:
    module, x = PerStep(), torch.randn(1, 7, 3)
    path = saved(module, (x,), tmp_path / "net.pt2", {"x": {1: Dim("T", min=2, max=500)}})
    model = assert_same(path, module, torch.randn(1, 30, 3))
    assert [i.rate for i in model.inputs] == ["step"]


def test_dynamic_time_of_a_cell(tmp_path: Path) -> None:
    """torch.export fixes the time of a cell; a symbol in its place is read all the same."""
    module = Heads(nn.LSTM(3, 4, batch_first=True), "last", True)
    path = saved(module, (torch.randn(1, 6, 3),), tmp_path / "net.pt2")
    for text in ("s27", "Symbol('s27', positive=True, integer=True)"):
        size = {"as_expr": {"expr_str": text, "hint": {"as_int": 6}}}

        def change(program, size=size):
            program["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][1] = size

        assert_same(edited(path, change), module, torch.randn(1, 17, 3))


def test_agreement_is_checked_by_torch_in_another_process(tmp_path: Path) -> None:
    module = Heads(nn.GRU(3, 4, 2, batch_first=True), "scaled", True)
    path = saved(module, (torch.randn(1, 6, 3),), tmp_path / "net.pt2")
    code = "import sys, rnn2c; print(rnn2c.load(sys.argv[1]).cross_check, 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("agrees with torch ")
    assert done.stdout.endswith(" False\n")


def test_without_torch_the_model_is_not_compared(tmp_path: Path, monkeypatch) -> None:
    module = Heads(nn.GRU(3, 4, batch_first=True), "last", True)
    path = saved(module, (torch.randn(1, 6, 3),), tmp_path / "net.pt2")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert load(path).cross_check == "not cross-checked: torch is not installed"


def test_every_node_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front end that misreads one operator is caught, and the layer named."""
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    path = saved(module, (torch.randn(1, 6, 3),), tmp_path / "net.pt2")
    monkeypatch.setitem(pytorch.OPERATORS, "tanh", pytorch.OPERATORS["sigmoid"])
    with pytest.raises(Rnn2cError, match=r"layer '1': the imported model differs from torch"):
        load(path)


class Shared(nn.Module):
    """Parameters that share bytes, a view with an offset, a transposed one, buffers, constants."""

    def __init__(self) -> None:
        super().__init__()
        base = torch.randn(5, 3)
        self.a = nn.Parameter(base[1:4])
        self.b = nn.Parameter(base.t()[:, :3].t())
        self.c = nn.Linear(3, 3)
        self.c.weight = self.b
        self.register_buffer("mean", torch.randn(3))
        self.register_buffer("scale", torch.rand(3) + 1, persistent=False)
        self.order = torch.tensor([2, 0, 1])

    def forward(self, signal):
        y = (signal - self.mean) * self.scale + torch.tensor([0.1, 0.2, 0.3])
        return self.c(torch.nn.functional.linear(y, self.a))[..., self.order]


def test_tensors_by_strides_and_offsets(tmp_path: Path) -> None:
    module = Shared()
    path = saved(module, (torch.randn(1, 6, 3),), tmp_path / "net.pt2")
    model = assert_same(path, module, torch.randn(1, 6, 3))
    assert [i.name for i in model.inputs] == ["signal"]


def test_keyword_none_and_number_arguments(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def forward(self, x, state=None, *, gain=2, other=None):
            return {"y": x * gain + other, "x": x}

    arguments = (torch.randn(1, 6, 3), None)
    path = saved(Scaled(), arguments, tmp_path / "net.pt2", gain=3, other=torch.randn(1, 6, 3))
    model = load(path)
    assert model.cross_check.startswith("agrees with torch ")
    assert [i.name for i in model.inputs] == ["x", "other"]
    assert [o.name for o in model.outputs] == ["y", "x"]
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    np.testing.assert_allclose(model.run({"x": x[0], "other": x[1]})["y"], 3 * x[0] + x[1])


FRONTS = ["both directions", "conv", "embedding", "norm", "projection"]


class Fronts(nn.Module):
    """Layers around a cell that are not in every network."""

    def __init__(self, front: str) -> None:
        super().__init__()
        self.front = front
        self.embedding, self.conv = nn.Embedding(20, 3), nn.Conv1d(3, 3, 3, padding=2)
        self.rnn = nn.LSTM(
            3, 4, batch_first=True, bidirectional=front == "both directions",
            proj_size=2 if front == "projection" else 0,
        )  # fmt: skip
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        if self.front == "embedding":
            x = self.embedding(x)
        if self.front == "conv":
            x = self.conv(x.transpose(1, 2))[:, :, :-2].transpose(1, 2)
        y = self.rnn(x)[0]
        return self.norm(y) if self.front == "norm" else y


@pytest.mark.parametrize("front", FRONTS)
def test_other_layers(front: str, tmp_path: Path) -> None:
    """The same Model as from the module."""
    x = torch.randint(0, 20, (1, 6)) if front == "embedding" else torch.randn(1, 6, 3)
    module = Fronts(front).eval()
    found = load(saved(module, (x,), tmp_path / "net.pt2"), name="net", cross_check=False)
    wanted = load(module, x, name="net", cross_check=False)
    assert model_text(found) == model_text(wanted)
    given = {"x": x[0].numpy()}
    np.testing.assert_array_equal(found.run(given)["y"], wanted.run(given)["y"])


def test_names_follow_the_module(tmp_path: Path) -> None:
    module = Heads(nn.LSTM(3, 4, 2), "all", False)
    path = saved(module, (torch.randn(6, 1, 3),), tmp_path / "Wake Word.pt2")
    model = load(path, cross_check=False)
    assert model.name == "Wake_Word"
    assert [x.name for x in model.layers] == ["rnn", "rnn.1", "fc"]
    assert load(path, name="net", cross_check=False).name == "net"


def test_the_same_records_as_of_the_module(tmp_path: Path) -> None:
    """Reading the file gives what torch.export gave, so both ways in share every handler."""
    module = Heads(nn.GRU(3, 4, 2, batch_first=True), "normed", True)
    path = saved(module, (torch.randn(1, 6, 3),), tmp_path / "net.pt2")
    ours, theirs = import_pt2(path).graph, of_program(torch.export.load(path))
    assert ours.sources == theirs.sources
    assert ours.results == theirs.results
    kept = {n.name for n in theirs.nodes}  # torch has computed the zeros
    nodes = [n for n in ours.nodes if n.name in kept]
    assert [described(n) for n in nodes] == [described(n) for n in theirs.nodes]
    assert all(np.array_equal(ours.constants[k], theirs.constants[k]) for k in ours.constants)


def described(node: Node) -> tuple[str, ...]:
    return (node.name, node.target, node.path, str({k: str(v) for k, v in node.arguments.items()}))


def test_other_members_do_not_matter(tmp_path: Path) -> None:
    """Sample inputs are a pickle: never opened, so whatever is there is as good as nothing."""
    module = Heads(nn.GRU(3, 4, batch_first=True), "last", True)
    path = saved(module, (torch.randn(1, 6, 3),), tmp_path / "net.pt2")
    held = members(path)
    held["data/sample_inputs/model.pt"] = b"cos\nabort\n(tR."
    held["extra/notes"] = b"\x00" * 100
    assert_same(archived(path, held), module, torch.randn(1, 6, 3))
