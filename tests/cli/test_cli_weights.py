"""Weights in a .pt file with the module that the user names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_onnx import Run
from torch import nn

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(3, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])

def net():
    return Net()

def wide():
    return nn.GRU(3, 6)

def number():
    return 7

def with_example():
    return Net(), torch.zeros(1, 5, 3)
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(NET)
    return path


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    parts = {"rnn": nn.GRU(3, 5, batch_first=True), "head": nn.Linear(5, 2)}
    return {f"{part}.{n}": t for part, m in parts.items() for n, t in m.state_dict().items()}


@pytest.mark.parametrize("entry", ["", "state_dict"])
def test_build_from_weights(
    entry: str, cli: Run, net: Path, state: dict[str, torch.Tensor], calib: Path, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    torch.save({entry: state, "epoch": 3} if entry else state, path)
    shape = ("--module", f"{net}:net", "--example-shape", "1,8,3", "--name", "net")
    done = cli("build", path, *shape, "--calib", calib, "--json", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert record["cross_checked"] is True
    assert record["macs"] == 3 * 5 * (3 + 5)
    assert (tmp_path / "out" / "net.c").is_file()
    inspected = cli("inspect", path, "--module", f"{net}:with_example", "--json")
    layers = json.loads(inspected.stdout)["layers"]
    largest = float(
        max(state["rnn.weight_ih_l0"].abs().max(), state["rnn.weight_hh_l0"].abs().max())
    )
    assert layers[0]["largest"] == pytest.approx(largest, rel=1e-6)


@pytest.mark.parametrize(
    ("function", "words"),
    [("wide", "does not fit the module"), ("number", "returned a int, expected a module")],
)
def test_module_that_does_not_fit(
    function: str, words: str, cli: Run, net: Path, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(state, path)
    done = cli("inspect", path, "--module", f"{net}:{function}", "--example-shape", "1,8,3")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert words in line


def test_same_numbers_as_the_module_itself(
    cli: Run, net: Path, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    from rnn2c.frontend import load

    path = tmp_path / "weights.pt"
    torch.save(state, path)
    model = load(path, module=f"{net}:with_example")
    x = np.random.default_rng(0).normal(size=(6, 3))
    gru, head = nn.GRU(3, 5, batch_first=True), nn.Linear(5, 2)
    gru.load_state_dict({k[4:]: v for k, v in state.items() if k.startswith("rnn.")})
    head.load_state_dict({k[5:]: v for k, v in state.items() if k.startswith("head.")})
    with torch.no_grad():
        wanted = head(gru(torch.tensor(x, dtype=torch.float32)[None])[0][:, -1])[0].numpy()
    np.testing.assert_allclose(model.run({"x": x})["y"], wanted, atol=1e-5)
