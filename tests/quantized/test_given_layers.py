"""Integers in convolutions and in the variations of the cells: kept as in the plain layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core_models import data, integer, program
from given_models import stored
from onnx import helper
from quantized_onnx import INPUTS, STEPS, UNITS, codes, dequantize, fake, save

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph


def conv(folder: Path, groups: int, *, zero: int = 0) -> Path:
    """x [1, 4, T], rounded -> causal Conv with integer weights and an int32 bias -> y."""
    shape = (8, 4 // groups, 3)
    scale = np.linspace(0.01, 0.02, 8).astype(np.float32)
    arrays = {
        "W_q": codes(shape), "W_s": scale,
        "W_z": np.full(8, zero, np.int8), "B_q": np.arange(8, dtype=np.int32) * 1000,
        "B_s": scale * np.float32(0.05), "X_s": np.float32(0.05), "X_z": np.int8(3),
    }  # fmt: skip
    nodes = [dequantize("W", zero=True, axis=0), dequantize("B", axis=0), *fake("x", "xq", "X")]
    nodes.append(
        helper.make_node("Conv", ["xq", "W", "B"], ["y"], pads=[2, 0], group=groups, name="conv")
    )
    return save(folder, nodes, arrays, shape=(1, 4, "T"))


@pytest.mark.parametrize(("groups", "profile"), [(1, "compact"), (2, "accurate"), (4, "accurate")])
def test_a_convolution_keeps_its_integers(tmp_path: Path, groups: int, profile: str):
    model = rnn2c.load(conv(tmp_path, groups))
    assert "agrees with onnxruntime" in model.cross_check
    (layer,) = (p for p in model.layers if isinstance(p, graph.Linear))
    wanted = codes((8, 4 // groups, 3)).astype(np.int64).transpose(0, 2, 1).reshape(8, -1)
    assert np.array_equal(layer.weight.data, wanted)
    made = integer(model, profile=profile)
    x = data(model).sequences[0]
    compiled = rnn2c.compile(made)
    form = made.numerics.formats[layer.name]
    assert np.abs(compiled.run(x)["y"] - model.run(x)["y"]).max() <= 1.1 * form.scale
    assert rnn2c.verify(compiled, [{"x": x["x"][:6]}]).bit_exact


def test_a_convolution_with_zero_points_is_refused(tmp_path: Path):
    with pytest.raises(Rnn2cError, match=r"'conv' \(Conv\): weights with a zero point 5 away"):
        rnn2c.load(conv(tmp_path, 1, zero=5))


VARIATIONS = {
    "peepholes": ("LSTM", {}, True),
    "clip": ("LSTM", {"clip": 0.7}, False),
    "coupled gates": ("LSTM", {"input_forget": 1}, False),
    "activations of LSTM": ("LSTM", {"activations": ["HardSigmoid", "Softsign", "Tanh"]}, False),
    "activations of GRU": ("GRU", {"activations": ["HardSigmoid", "Relu"]}, False),
    "reset after": ("GRU", {"linear_before_reset": 1}, False),
    "relu": ("RNN", {"activations": ["Relu"]}, False),
}


@pytest.mark.parametrize("name", VARIATIONS)
def test_a_varied_cell_keeps_its_integers(tmp_path: Path, name: str):
    kind, attributes, peepholes = VARIATIONS[name]
    rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * UNITS
    random = np.random.default_rng(0)
    arrays = {
        "W_q": codes((1, rows, INPUTS)), "W_s": np.float32(0.004),
        "R_q": codes((1, rows, UNITS), seed=1), "R_s": np.float32(0.003),
        "P": random.normal(0, 0.3, (1, 3 * UNITS)).astype(np.float32),
        "one": np.array([1], np.int64),
    }  # fmt: skip
    inputs = ["x", "W", "R", *([""] * 4 + ["P"] if peepholes else [])]
    nodes = [
        dequantize("W"), dequantize("R"),
        helper.make_node(kind, inputs, ["h"], hidden_size=UNITS, **attributes),
        helper.make_node("Squeeze", ["h", "one"], ["y"]),
    ]  # fmt: skip
    model = rnn2c.load(save(tmp_path, nodes, arrays, shape=(STEPS, 1, INPUTS)))
    (layer,) = (p for p in model.layers if isinstance(p, graph.Recurrent))
    made = program(integer(model))
    held = {m.tobytes() for m in stored(made)}
    used = np.ones(rows, bool)
    if "input_forget" in attributes:
        used[UNITS : 2 * UNITS] = False  # f is 1 - i, its rows are not stored
    if kind != "GRU" or attributes.get("linear_before_reset"):
        assert held == {t.data[used].tobytes() for t in (layer.w_ih, layer.w_hh)}
    x = data(model).sequences[0]
    ours = rnn2c.compile(integer(model)).run(x)["y"]
    reach = max(1.0, float(np.abs(model.run(x)["y"]).max()))
    assert np.abs(ours - model.run(x)["y"]).max() < 0.06 * reach


def both_ways(folder: Path) -> Path:
    """Rounded x -> LSTM in both directions -> rounded -> MatMul."""
    rows = 4 * UNITS
    arrays = {
        "W_q": codes((2, rows, INPUTS)), "W_s": np.float32(0.004),
        "R_q": codes((2, rows, UNITS)), "R_s": np.float32(0.003),
        "M_q": codes((2 * UNITS, 4)), "M_s": np.float32(0.01),
        "X_s": np.float32(0.02), "X_z": np.int8(1), "Y_s": np.float32(0.01), "Y_z": np.uint8(128),
        "shape": np.array([0, 0, -1], np.int64),
    }  # fmt: skip
    cell = {"hidden_size": UNITS, "direction": "bidirectional"}
    nodes = [
        *(dequantize(n) for n in "WRM"), *fake("x", "xq", "X"),
        helper.make_node("LSTM", ["xq", "W", "R"], ["h"], **cell),
        helper.make_node("Transpose", ["h"], ["t"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["t", "shape"], ["f"]), *fake("f", "fq", "Y"),
        helper.make_node("MatMul", ["fq", "M"], ["y"]),
    ]  # fmt: skip
    return save(folder, nodes, arrays, shape=("T", 1, INPUTS))


def test_both_directions_keep_their_integers(tmp_path: Path):
    model = rnn2c.load(both_ways(tmp_path))
    cells = [p for p in model.layers if isinstance(p, graph.Recurrent)]
    for k, layer in enumerate(cells):
        wanted = codes((2, 4 * UNITS, INPUTS))[k]
        assert sorted(layer.w_ih.data.ravel()) == sorted(wanted.ravel())
    made = rnn2c.compile(integer(model), max_steps=8)
    x = data(model, steps=5).sequences[0]
    assert np.abs(made.run(x)["y"] - model.run(x)["y"]).max() < 0.1
    assert rnn2c.verify(made, [x]).bit_exact
