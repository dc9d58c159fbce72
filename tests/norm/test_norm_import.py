"""Layer normalization and log softmax through the front ends."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph

FEATURES, UNITS, STEPS = 4, 6, 9


class Net(nn.Module):
    """A GRU, and everything that is made of its h."""

    def __init__(self, *, exporting: bool = False) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.gru = nn.GRU(FEATURES, UNITS, batch_first=True)
        self.second = nn.GRU(UNITS, UNITS, batch_first=True)
        self.norm = nn.LayerNorm(UNITS)
        self.norm.weight.data.copy_(torch.randn(UNITS))
        self.norm.bias.data.copy_(torch.randn(UNITS))
        self.plain = nn.LayerNorm(UNITS, elementwise_affine=False, eps=1e-3)
        self.rms = nn.Identity() if exporting else nn.RMSNorm(UNITS)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        h = self.gru(x)[0]
        last = h[:, -1]
        return (
            self.norm(h),
            self.plain(h),
            nn.functional.layer_norm(h, (UNITS,), self.norm.weight),
            self.second(self.norm(h))[0],
            self.norm(last),
            self.rms(h),
            nn.functional.log_softmax(h, -1),
            nn.functional.log_softmax(last, dim=1),
            nn.functional.softmax(h.transpose(1, 2), 1).transpose(1, 2),
        )


def test_module() -> None:
    model = load(Net().eval(), torch.randn(1, STEPS, FEATURES))
    assert float(model.cross_check.rsplit(" ", 1)[1]) <= 1e-5
    kinds = [type(p) for p in model.layers]
    assert kinds.count(graph.LayerNorm) == 6
    assert kinds.count(graph.LogSoftmax) == 2


@pytest.mark.parametrize("dynamo", [True, False], ids=["new", "old"])
def test_onnx(dynamo: bool, tmp_path: Path) -> None:
    path, x = tmp_path / "m.onnx", torch.randn(1, STEPS, FEATURES)
    module = Net(exporting=True).eval()  # no exporter of an older opset knows RMSNorm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            made = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
            onnx.save(made.model_proto, path)
        else:
            torch.onnx.export(module, (x,), path, dynamo=False)
    model = load(path)
    assert float(model.cross_check.rsplit(" ", 1)[1]) <= 1e-5
    assert [type(p) for p in model.layers].count(graph.LayerNorm) == 4


def file(path: Path, operator: str, opset: int = 23, **attributes: object) -> Path:
    """One normalization of x [1, 5, 4]."""
    scale = numpy_helper.from_array(np.linspace(0.5, 2, 4, dtype=np.float32), "scale")
    names = ["x"] if operator == "LogSoftmax" else ["x", "scale"]
    outputs = ["y", "mean"] if attributes.pop("show_mean", False) else ["y"]
    node = helper.make_node(operator, names, outputs, name="n", **attributes)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 5, 4])
    shown = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    made = helper.make_graph([node], "g", [x], shown, [scale])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    onnx.save(model, path)
    return path


def test_the_operators_themselves(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    scale = np.linspace(0.5, 2, 4, dtype=np.float32)
    rms = load(file(tmp_path / "r.onnx", "RMSNormalization", epsilon=0.01), cross_check=False)
    wanted = scale * x / np.sqrt((x**2).mean(-1, keepdims=True) + np.float32(0.01))
    np.testing.assert_allclose(rms.run({"x": x})["y"], wanted, atol=1e-12)
    path = file(tmp_path / "l.onnx", "LayerNormalization", 17, axis=2)
    assert load(path).cross_check.startswith("agrees")


@pytest.mark.parametrize(
    ("operator", "attributes", "text"),
    [
        ("LayerNormalization", {"axis": 1}, "normalizes from axis 1 on; only the last axis"),
        ("LayerNormalization", {"show_mean": True}, "output 'mean' is not supported"),
        ("LayerNormalization", {"epsilon": float("inf")}, "epsilon is inf"),
        ("LogSoftmax", {"axis": 1}, "works on axis 1; only the features are supported"),
    ],
)
def test_refused(operator: str, attributes: dict[str, object], text: str, tmp_path: Path) -> None:
    with pytest.raises(Rnn2cError, match=text):
        load(file(tmp_path / "m.onnx", operator, 17, **attributes))


def test_two_dimensions_are_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.layer_norm(x, (STEPS, FEATURES))

    with pytest.raises(Rnn2cError, match="normalizes 2 dimensions; only the last one"):
        load(Two(), torch.randn(1, STEPS, FEATURES))
