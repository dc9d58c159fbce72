"""Modules with convolutions and pooling from torch and through both ONNX exporters."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch_networks import NETWORKS, network

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.graph import Model
from rnn2c.ir.temporal import Conv1d
from rnn2c.pipeline import compile_float32, prepare
from rnn2c.target import load_target

WAYS = ("module", "legacy", "dynamo")


def imported(name: str, way: str, folder: Path, **more: object) -> Model:
    module, x = network(name)
    return rnn2c.load(module, x) if way == "module" else exported(module, x, way, folder, **more)


def exported(
    module: torch.nn.Module, x: torch.Tensor, way: str, folder: Path, **more: object
) -> Model:
    path = folder / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x,), path, dynamo=way == "dynamo", input_names=["x"], verbose=False,
            external_data=False, **more,  # type: ignore[arg-type]
        )  # fmt: skip
    return rnn2c.load(path)


def in_time(name: str, array: np.ndarray) -> np.ndarray:
    """One sequence [T, n], whichever layout the network has."""
    is_last = NETWORKS[name][1][2] < NETWORKS[name][1][1]
    return array[0] if is_last else array[0].T


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_way_in_agrees_with_its_runtime(name: str, way: str, tmp_path: Path) -> None:
    model = imported(name, way, tmp_path)
    assert model.cross_check.startswith("agrees with ")
    module, x = network(name)
    with torch.no_grad():
        found = module(x)
    wanted = [y.numpy()[0] for y in (found if isinstance(found, tuple) else (found,))]
    inputs = {model.inputs[0].name: in_time(name, x.numpy())}
    program = compile_float32(model, load_target("host")).program
    for run in (model.run, program.run):
        for ours, theirs in zip(run(inputs).values(), wanted, strict=True):
            theirs = theirs.T if ours.shape != theirs.shape else theirs
            assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("name", ["sensor", "chomp", "convolutions"])
def test_a_dynamic_length(name: str, tmp_path: Path) -> None:
    model = imported(name, "legacy", tmp_path, dynamic_axes={"x": {2: "steps"}})
    assert model.cross_check.startswith("agrees with ")


def test_batch_normalization_and_padding_are_part_of_the_convolution(tmp_path: Path) -> None:
    kinds = [type(p).__name__ for p in prepare(imported("sensor", "module", tmp_path)).layers]
    assert kinds == ["Conv1d", "Conv1d", "Gru", "LastStep", "Linear"]
    depthwise = imported("sensor", "module", tmp_path).layer("depthwise")
    assert isinstance(depthwise, Conv1d)
    assert (depthwise.pads, depthwise.groups) == ((2, 0), 16)


def test_a_kernel_of_one_step_is_a_linear_layer(tmp_path: Path) -> None:
    model = imported("chomp", "module", tmp_path)
    assert type(model.layer("down")) is graph.Linear


def conv_file(
    folder: Path, weight: tuple[int, ...], shape: list[object], **attributes: object
) -> Path:
    data = np.random.default_rng(0).normal(size=weight).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="conv", **attributes)]
    made = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(data, "w")],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "conv.onnx"
    onnx.save(model, path)
    return path


def test_a_convolution_of_images_of_height_one(tmp_path: Path) -> None:
    path = conv_file(tmp_path, (4, 3, 1, 5), [1, 3, 1, 20], kernel_shape=[1, 5], strides=[1, 2])
    model = rnn2c.load(path)
    assert model.cross_check.startswith("agrees with ")
    assert model.run({"x": np.ones((20, 3))})["y"].shape == (8, 4)


@pytest.mark.parametrize(
    ("weight", "shape", "attributes", "text"),
    [
        ((4, 3, 2, 5), [1, 3, 4, 9], {}, "a kernel of [2, 5]; only [1, k] along time"),
        ((4, 3, 5), [1, 3, 9], {"auto_pad": "SAME_UPPER", "strides": [2]}, "puts 2 of its rows"),
        ((4, 3, 5), [1, 3, "T"], {"auto_pad": "SAME_LOWER", "strides": [2]}, "depends on the leng"),
        ((4, 3, 2), [1, 3, 9], {"auto_pad": "SAME_UPPER", "strides": [3]}, "less than no padding"),
        ((4, 2, 5), [1, 3, 9], {}, "in 1 groups for 3 features"),
        ((4, 3, 5), [1, 3, 4], {}, "4 steps are too few for a kernel that spans 5"),
        ((4, 3, 5), [2, 3, 9], {}, "batch size 2"),
        ((4, 3, 5), [1, 3, 9], {"pads": [9, 0]}, "at most 4 are supported"),
        ((4, 3, 5), [1, 3, 9], {"kernel_shape": [3]}, "kernel_shape [3] for a weight"),
        ((4, 3, 5), [1, 3, "T"], {"dilations": [60_000]}, "a kernel of 5 taps that spans 240001"),
        ((4, 3, 5), [1, 3, "T"], {"strides": [65_536]}, "at most 65535 in all can be counted"),
    ],
)
def test_refused_convolutions(
    weight: tuple[int, ...], shape: list[object], attributes: dict[str, object], text: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    with pytest.raises(Rnn2cError) as caught:
        rnn2c.load(conv_file(tmp_path, weight, shape, **attributes), cross_check=False)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x * 0.5 + 1.0,
        lambda x: (x - MEANS) / 2.0,
        lambda x: torch.nn.functional.pad(torch.relu(x) * 2.0, (1, 0)),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_arithmetic_in_front_of_a_convolution(call: object, way: str, tmp_path: Path) -> None:
    """[N, C, T] is known from the convolution behind it."""
    module, x = Front(call).eval(), torch.randn(1, 2, 9)
    if way == "module":
        assert rnn2c.load(module, x).cross_check.startswith("agrees with torch")
        return
    model = exported(module, x, way, tmp_path)
    assert model.cross_check.startswith("agrees with onnxruntime")


MEANS = torch.tensor([[[0.3], [0.7]]])


class Front(torch.nn.Module):
    """A convolution on the result of a function."""

    def __init__(self, call: object) -> None:
        super().__init__()
        self.conv, self.call = torch.nn.Conv1d(2, 3, 2), call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(self.call(x))  # type: ignore[operator]
        return y


class Odd(torch.nn.Module):
    """One call of a function on a convolution's result."""

    def __init__(self, call: object) -> None:
        super().__init__()
        self.conv, self.call = torch.nn.Conv1d(2, 3, 2), call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.call(self.conv(x))  # type: ignore[operator]
        return y


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda y: y.mean(), "reduces all dimensions"),
        (lambda y: torch.amax(y, (1, 2)), "give one of them, time or the features"),
        (lambda y: y[:, :, 2:], "only the last time step"),
        (lambda y: torch.nn.functional.pad(y, (1, 0), value=2.0), "with other numbers than 0"),
        (lambda y: torch.nn.functional.avg_pool1d(y, 3, 2, ceil_mode=True), "ceil_mode=True"),
        (lambda y: torch.nn.functional.adaptive_avg_pool1d(y, 2), "pools to 2 steps; only to 1"),
    ],
)
def test_refused_calls(call: object, text: str) -> None:
    with pytest.raises(Rnn2cError, match=text):
        rnn2c.load(Odd(call), torch.zeros(1, 2, 9))
