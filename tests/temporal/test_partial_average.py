"""Averages over time that leave out padding: exact at every border, in every stage."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from temporal_models import Maker, sequences

import rnn2c
from rnn2c.ir.graph import Model
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, verify
from rnn2c.target import load_target

MOST = 12
HOST = load_target("host")


def averages(x: np.ndarray, kernel: int, pads: tuple[int, int], stride: int, dilation: int):
    """[T, n] -> [K, n], one window after the other, of the steps that are there."""
    rows, start = [], -pads[0]
    while start + dilation * (kernel - 1) < len(x) + pads[1]:
        taps = [start + dilation * k for k in range(kernel)]
        rows.append(x[[t for t in taps if 0 <= t < len(x)]].mean(axis=0))
        start += stride
    return np.array(rows)


def pooled(**more: object) -> Model:
    m = Maker(0, 2)
    m.pool("y", "x", function="average", count_pads=False, **more)  # type: ignore[arg-type]
    return m.model("y")


def check(model: Model, numbers: dict[str, object], max_steps: int | None, lengths) -> None:
    """float32 near the averages, integers equal to those of integers, to the nearest."""
    data = sequences(model, MOST)
    real = compile_float32(model, HOST, max_steps=max_steps).program
    for profile in ("accurate", "compact"):
        options = QuantizeOptions(profile=profile)  # type: ignore[arg-type]
        program = compile_model(model, data, HOST, options, max_steps=max_steps).program
        for steps in lengths:
            x = data.sequences[0]["x"][:steps] + 0.7
            wanted = averages(x, **numbers)  # type: ignore[arg-type]
            assert np.allclose(model.run({"x": x})["y_out"], wanted)
            assert np.allclose(real.run({"x": x})["y_out"], wanted, atol=1e-5)
            q = program.inputs[0].format.quantize(x)
            exact = np.floor(averages(q, **numbers) + 0.5)  # type: ignore[arg-type]
            assert np.array_equal(program.run_integer({"x": q})["y_out"], exact)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_step_by_step_the_first_averages_are_of_fewer_steps(draw: st.DataObject) -> None:
    kernel, dilation = draw.draw(st.integers(2, 5)), draw.draw(st.integers(1, 3))
    span = dilation * (kernel - 1)
    pads = (draw.draw(st.integers(1, span)), 0)
    numbers = {"kernel": kernel, "pads": pads, "stride": draw.draw(st.integers(1, 3))}
    numbers["dilation"] = dilation
    check(pooled(**numbers), numbers, None, [max(span, kernel), MOST])


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_over_a_stored_sequence_both_ends_are_of_fewer_steps(draw: st.DataObject) -> None:
    kernel, dilation = draw.draw(st.integers(2, 5)), draw.draw(st.integers(1, 3))
    span = dilation * (kernel - 1)
    before = draw.draw(st.integers(0, span - 1))
    numbers = {"kernel": kernel, "pads": (before, span - before), "stride": 1}
    numbers["dilation"] = dilation
    check(pooled(**numbers), numbers, MOST, [max(span, kernel), MOST])


def behind_a_stride() -> Model:
    """A ring whose inputs come at every second step."""
    m = Maker(3, 3)
    m.conv("front", "x", 4, 3, stride=2)
    m.pool("y", "front", 3, "average", count_pads=False, pads=(2, 0), stride=2)
    m.gru("cell", "y", 3)
    return m.model("y", "cell")


def in_reverse() -> Model:
    """Pooling in the loop of a reverse cell, and behind it."""
    m = Maker(4, 3)
    around = {"count_pads": False, "function": "average"}
    m.pool("before", "x", 4, pads=(1, 2), **around)  # type: ignore[arg-type]
    m.gru("cell", "before", 3)
    m.layers[-1] = replace(m.layers[-1], direction="reverse")
    m.pool("y", "cell", 3, pads=(1, 1), **around)  # type: ignore[arg-type]
    return m.model("y", "before")


MODELS = {"behind a stride": (behind_a_stride, None), "in reverse": (in_reverse, MOST)}
TARGETS = [
    *(("host", "accurate"), ("host", "compact"), ("host", "float32")),
    *(("cortex-m0plus", "accurate"), ("atmega2560", "compact")),
]


@pytest.mark.parametrize(("target", "options"), TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_the_c_equals_the_reference(name: str, target: str, options: str) -> None:
    make, most = MODELS[name]
    model, chosen = make(), load_target(target)
    data = sequences(model, MOST)
    if options == "float32":
        program = compile_float32(model, chosen, max_steps=most).program
    else:
        made = QuantizeOptions(profile=options)  # type: ignore[arg-type]
        program = compile_model(model, data, chosen, made, max_steps=most).program
    report = verify(program, [data.sequences[0]], stress_steps=7)
    assert report.agrees, report.to_json()


@pytest.mark.parametrize("name", MODELS)
def test_float32_equals_the_model_for_every_length(name: str) -> None:
    make, most = MODELS[name]
    model = make()
    program = compile_float32(model, HOST, max_steps=most).program
    for steps in (3, 4, 8, MOST):
        x = {"x": sequences(model, MOST).sequences[0]["x"][:steps]}
        for output, wanted in model.run(x).items():
            assert np.allclose(program.run(x)[output], wanted, atol=1e-5)


class Smooth(torch.nn.Module):
    """A smoothed signal in front of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = torch.nn.AvgPool1d(5, 1, padding=2, count_include_pad=False)
        self.conv = torch.nn.Conv1d(3, 4, 3, padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(self.pool(x))
        return y


@pytest.mark.parametrize("way", ["module", "legacy", "dynamo"])
def test_it_is_imported(way: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, x = Smooth().eval(), torch.randn(1, 3, MOST) + 2.0
    if way == "module":
        model = rnn2c.load(module, x)
    else:
        path = tmp_path / "smooth.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module, (x,), path, dynamo=way == "dynamo", verbose=False, external_data=False
            )
        model = rnn2c.load(path)
    assert model.cross_check.startswith("agrees with ")
    wanted = module(x).detach().numpy()[0].T
    inputs = {model.inputs[0].name: x.numpy()[0].T}
    (got,) = compile_float32(model, HOST, max_steps=MOST).program.run(inputs).values()
    assert np.abs(got - wanted).max() < 1e-5


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [4], "pads": [3, 0], "strides": [2]},
        {"kernel_shape": [4], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [4], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [3], "auto_pad": "SAME_LOWER", "strides": [2]},
        {"kernel_shape": [4], "auto_pad": "SAME_UPPER", "strides": [4]},
        {"kernel_shape": [3], "pads": [2, 2], "dilations": [2]},
        {"kernel_shape": [3], "pads": [2, 0], "count_include_pad": 1},
    ],
)
def test_padding_of_onnx_counts_where_it_says_so(attributes, tmp_path: Path) -> None:
    shape = [1, 2, MOST]
    made = helper.make_graph(
        [helper.make_node("AveragePool", ["x"], ["y"], **attributes)], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.save(model, tmp_path / "pool.onnx")
    loaded = rnn2c.load(tmp_path / "pool.onnx")
    assert loaded.cross_check.startswith("agrees with onnxruntime")
    x = np.random.default_rng(2).normal(3, 1, (MOST, 2))
    waits = loaded.rates()[loaded.layers[-1].name] == "window"
    program = compile_float32(loaded, HOST, max_steps=MOST if waits else None).program
    assert np.allclose(program.run({"x": x})["y"], loaded.run({"x": x})["y"], atol=1e-5)
