"""Elementwise forms that are not supported, each refused in one line that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Input, Layer, Model, Output

F = nn.functional
STEPS, FEATURES, UNITS = 5, 4, 3


class Net(nn.Module):
    def __init__(self, use: Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]):
        super().__init__()
        self.gru = nn.GRU(FEATURES, UNITS, batch_first=True)
        self.bn = nn.BatchNorm1d(STEPS)
        self.untracked = nn.BatchNorm1d(UNITS, track_running_stats=False)
        self.per_channel = nn.PReLU(UNITS)
        self.register_buffer("ramp", torch.arange(STEPS * UNITS).reshape(STEPS, UNITS) / 10.0)
        self.register_buffer("mask", torch.tensor([True, False, True]))
        self.use = use

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.use(self, x, self.gru(x)[0])


REFUSED = {
    "per step constant": (lambda n, x, h: h + n.ramp, r"constant of shape \[5, 3\] for 3 features"),
    "rates": (lambda n, x, h: h + h[:, -1:], "combines"),
    "rank": (lambda n, x, h: h + h[:, -1], "combines|both must be per step"),
    "quotient": (lambda n, x, h: h / (h + 2), "divides by the computed tensor"),
    "inverse": (lambda n, x, h: 1 / (h + 2), "reciprocal is supported only as a part"),
    "zero": (lambda n, x, h: h / 0.0, "divides by zero"),
    "rounding": (lambda n, x, h: torch.div(h, 2, rounding_mode="floor"), "rounding_mode"),
    "norm over time": (lambda n, x, h: n.bn(h), "normalizes axis 1.*must be the features"),
    "norm without statistics": (
        lambda n, x, h: n.untracked(h.transpose(1, 2)),
        "statistics|training mode",
    ),
    "limits": (lambda n, x, h: torch.clamp(h, 0.5, 0.1), "least must be the smaller"),
    "softplus": (lambda n, x, h: F.softplus(h, threshold=2), "threshold at least 15"),
    "mask": (lambda n, x, h: h[..., n.mask], "mask"),
    "labels": (lambda n, x, h: h.argmax(-1, keepdim=True) + 1, "class indices"),
    "time joined": (lambda n, x, h: torch.cat([h, h], 1), "concatenates along time"),
    "power": (lambda n, x, h: h**5, "powers 1 to 4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_module(case: str) -> None:
    use, message = REFUSED[case]
    with pytest.raises(Rnn2cError, match=message) as caught:
        load(Net(use).eval(), torch.randn(1, STEPS, FEATURES))
    assert "\n" not in str(caught.value)


HUGE = {
    "scale": (helper.make_node("Mul", ["X", "c"], ["z"]), "makes a constant of"),
    "slice": (helper.make_node("Slice", ["X", "from", "to", "axis"], ["z"]), "at most 65536"),
}


@pytest.mark.parametrize("case", HUGE)
def test_a_huge_feature_size_in_a_small_file_costs_no_memory(case: str, tmp_path: Path) -> None:
    node, message = HUGE[case]
    arrays = {
        "c": np.array(2.0, np.float32),
        "from": np.array([1]),
        "to": np.array([2**39]),
        "axis": np.array([2]),
    }
    made = helper.make_graph(
        [node],
        "huge",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, (1, 1, 2**40))],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )
    path = tmp_path / "huge.onnx"
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(Rnn2cError, match=message):
        load(path)


def scaled(size: int) -> graph.Affine:
    return graph.Affine(name="y", inputs=("a",), scale=np.ones(size), offset=np.zeros(size))


INVALID: dict[str, tuple[Layer, str]] = {
    "affine": (scaled(2), r"scale has shape \[2\], expected \[3\]"),
    "sum": (graph.Sum(name="y", inputs=("a", "b")), r"pair of inputs has shape \[3, 4\]"),
    "product": (graph.Product(name="y", inputs=("a", "b")), "pair of inputs"),
    "pick": (graph.Pick(name="y", inputs=("a",), indices=(0, 3)), r"picks elements \[0, 3\] of 3"),
    "nothing": (graph.Pick(name="y", inputs=("a",), indices=()), "picks elements"),
    "function": (graph.Activation(name="y", inputs=("a",), function="cosh"), "no function 'cosh'"),
}


@pytest.mark.parametrize("case", INVALID)
def test_layer(case: str) -> None:
    layer, message = INVALID[case]
    made = Model("bad", (Input("a", 3), Input("b", 4)), (layer,), (Output("o", "y"),))
    with pytest.raises(Rnn2cError, match=message):
        check_model(made)


def test_layers_of_two_rates() -> None:
    last = graph.LastStep(name="l", inputs=("a",))
    both = graph.Sum(name="y", inputs=("a", "l"))
    made = Model("bad", (Input("a", 3),), (last, both), (Output("o", "y"),))
    with pytest.raises(Rnn2cError, match="one vector per step with one per sequence"):
        check_model(made)
