"""A .pt2 file of torch.export.save on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_onnx import Run
from torch import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(3, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "net.pt2"
    with torch.no_grad():
        torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 8, 3),)), path)
    return path


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
def test_build_inspect_and_wrong_options(
    exported: Path, cli: Run, calib: Path, tmp_path: Path
) -> None:
    done = cli("build", exported, "--calib", calib, "--json", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert record["cross_checked"] is True
    assert record["macs"] == 4 * 5 * (3 + 5)
    assert (tmp_path / "out" / "net.c").is_file()
    done = cli("inspect", exported, "--json", "--no-crosscheck")
    found = json.loads(done.stdout)
    assert found["cross_checked"] is False
    assert [layer["name"] for layer in found["layers"]] == ["rnn", "rnn.last", "head"]
    done = cli("inspect", exported, "--module", "net.py:net")
    assert done.returncode == 2
    assert "go with a .pt file" in done.stderr
