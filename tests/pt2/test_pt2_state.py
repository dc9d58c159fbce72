"""Files of PyTorch whose state is an argument and a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pt2_files import saved
from torch import nn

import rnn2c
from rnn2c.errors import Rnn2cError

X = np.random.default_rng(3).normal(size=(7, 3)).astype(np.float32)

FACTORY = """
import torch
from torch import nn

class Step(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x, h):
        h = self.cell(x, h)
        return {"y": h * 2, "h_n": h}

def step():
    return Step(), (torch.zeros(1, 3), torch.zeros(1, 4))
"""


class Step(nn.Module):
    """One step of a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x, h):
        h = self.cell(x, h)
        return {"y": h * 2, "h_n": h}


def wanted(module: nn.Module) -> np.ndarray:
    h, rows = torch.zeros(1, 4), []
    with torch.no_grad():
        for row in torch.from_numpy(X):
            found = module(row[None], h)
            h = found["h_n"]
            rows.append(found["y"][0].numpy())
    return np.stack(rows)


@pytest.mark.parametrize("kind", ["pt2", "pt", "module"])
def test_a_cell_that_is_fed_back(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    module, example = Step().eval(), (torch.zeros(1, 3), torch.zeros(1, 4))
    state, path = {"h": "h_n"}, tmp_path / f"net.{kind}"
    if kind == "pt2":
        model = rnn2c.load(saved(module, example, path), state=state)
    elif kind == "pt":
        torch.save(module.state_dict(), path)
        (tmp_path / "step.py").write_text(FACTORY)
        model = rnn2c.load(path, module=f"{tmp_path / 'step.py'}:step", state=state)
    else:
        model = rnn2c.load(module, example, state=state)
    assert model.cross_check.startswith("agrees with torch ")
    assert [(i.name, i.rate) for i in model.inputs] == [("x", "step")]
    np.testing.assert_allclose(model.run({"x": X})["y"], wanted(module), atol=1e-5)


def test_parts_of_a_pt2_file_are_refused(tmp_path: Path) -> None:
    path = saved(Step(), (torch.zeros(1, 3), torch.zeros(1, 4)), tmp_path / "net.pt2")
    with pytest.raises(Rnn2cError, match=r"--from, --to and --shape go with an \.onnx file"):
        rnn2c.load(path, to=["y"])
    with pytest.raises(Rnn2cError, match="'nothing'"):
        rnn2c.load(path, state={"nothing": "h_n"})
