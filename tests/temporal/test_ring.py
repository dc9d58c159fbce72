"""A convolution that streams through its ring equals a plain one over the whole sequence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporal_models import Maker, sequences

from rnn2c.ir.graph import FloatArray, Model
from rnn2c.ir.temporal import Conv1d, Pool
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model
from rnn2c.target import load_target


def plain_convolution(x: FloatArray, layer: Conv1d) -> FloatArray:
    """[T, n] -> [K, out], one output, group and tap after the other."""
    padded = np.concatenate([np.zeros((layer.pads[0], x.shape[1])), x])
    rows, width = layer.weight.shape[0] // layer.groups, x.shape[1] // layer.groups
    weight = layer.weight.real()
    results = []
    start = 0
    while start + layer.span < len(padded):
        y = layer.bias.copy()
        for r in range(len(y)):
            for k in range(layer.kernel):
                for c in range(width):
                    value = padded[start + k * layer.dilation, r // rows * width + c]
                    y[r] += weight[r, k * width + c] * value
        results.append(y)
        start += layer.stride
    return np.array(results).reshape(-1, len(layer.bias))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Model, int]:
    kernel, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    groups, height, width = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 2)),
    )
    span = dilation * (kernel - 1)
    m = Maker(draw(st.integers(0, 9)), groups * width)
    m.conv(
        "y", "x", groups * height, kernel, groups,
        stride=draw(st.integers(1, 4)), dilation=dilation, pads=(draw(st.integers(0, span)), 0),
    )  # fmt: skip
    return m.model("y"), span + draw(st.integers(1, 20))


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_streaming_equals_a_plain_convolution(case: tuple[Model, int]) -> None:
    model, steps = case
    (layer,) = model.layers
    assert isinstance(layer, Conv1d)
    x = sequences(model, steps).sequences[0]
    wanted = plain_convolution(x["x"], layer)
    assert np.allclose(model.run(x)["y_out"], wanted, atol=1e-12)
    got = compile_float32(model, load_target("host")).program.run(x)["y_out"]
    assert got.shape == wanted.shape
    assert np.allclose(got, wanted, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(convolutions(), st.sampled_from(["accurate", "compact"]))
def test_integers_are_within_the_quantization_error(case: tuple[Model, int], profile: str) -> None:
    model, steps = case
    data = sequences(model, steps + 20)
    made = compile_model(model, data, load_target("host"), QuantizeOptions(profile=profile))  # type: ignore[arg-type]
    x = data.sequences[0]
    wanted, got = model.run(x)["y_out"], made.program.run(x)["y_out"]
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 0.03 * max(1.0, np.abs(wanted).max())


def test_padding_stands_for_zero_where_zero_has_another_integer() -> None:
    m = Maker(0, 2)
    m.conv("y", "x", 2, 4, pads=(3, 0))
    model = m.model("y")
    data = sequences(model)
    shifted = type(data)(tuple({"x": s["x"] + 4.0} for s in data.sequences))
    made = compile_model(model, shifted, load_target("host"), QuantizeOptions())
    assert made.program.inputs[0].format.zero_point != 0
    x = shifted.sequences[0]
    wanted, got = model.run(x)["y_out"], made.program.run(x)["y_out"]
    assert np.abs(got - wanted)[:4].max() < 0.1


@pytest.mark.parametrize("function", ["max", "average"])
@pytest.mark.parametrize(("pad", "stride"), [(0, 1), (2, 1), (1, 3), (4, 2)])
def test_pooling_of_values_below_zero(function: str, pad: int, stride: int) -> None:
    """Padding never is the largest, and counts as zero in an average."""
    m = Maker(0, 3)
    m.pool("y", "x", 3, function, stride=stride, dilation=2, pads=(pad, 0))
    model = m.model("y")
    x = sequences(model).sequences[0]["x"] - 5.0
    fill = -np.inf if function == "max" else 0.0
    padded = np.concatenate([np.full((pad, 3), fill), x])
    frames = [padded[s : s + 5 : 2] for s in range(0, len(padded) - 4, stride)]
    wanted = np.array([f.max(axis=0) if function == "max" else f.mean(axis=0) for f in frames])
    (layer,) = model.layers
    assert isinstance(layer, Pool)
    assert np.allclose(model.run({"x": x})["y_out"], wanted)
    program = compile_float32(model, load_target("host")).program
    assert np.allclose(program.run({"x": x})["y_out"], wanted, atol=1e-5)
    data = type(sequences(model))(({"x": x},))
    for profile in ("accurate", "compact"):
        made = compile_model(model, data, load_target("host"), QuantizeOptions(profile=profile))  # type: ignore[arg-type]
        got = made.program.run({"x": x})["y_out"]
        assert np.abs(got - wanted).max() < 0.06
