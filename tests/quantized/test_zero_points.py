"""Weights whose zero point is not in the middle of their range: exact through the sum of x."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from core_models import data, integer, program
from given_models import given, head, stored
from onnx import helper
from onnxruntime import quantization as ort
from quantized_onnx import INPUTS, OUTPUTS, STEPS, codes, dequantize, float_network, save

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Model, Tensor
from rnn2c.ir.model_text import model_text
from rnn2c.passes import fold_affine


def shifted(activation: str = "", per_row: bool = True) -> Model:
    """A Linear layer with zero points."""
    source = given(head(activation))
    (layer,) = source.layers
    zero = np.array([37, -128, 0, 5]) if per_row else np.full(4, -9)
    weight = dataclasses.replace(layer.weight, zero=zero)
    return source.with_layers((dataclasses.replace(layer, weight=weight),))


@pytest.mark.parametrize("profile", ["accurate", "compact"])
@pytest.mark.parametrize("activation", ["", "sigmoid"])
def test_the_program_is_exact(activation: str, profile: str):
    source = shifted(activation)
    made = integer(source, profile=profile)
    assert np.array_equal(stored(program(made))[0], source.layers[0].weight.data)
    (fine,) = made.layers
    form = made.numerics.formats["x"]
    x = data(source).sequences[0]["x"]
    seen = {"x": form.dequantize(form.quantize(x))}
    exact = source.run(seen)["y"]
    ours = rnn2c.compile(made).run(seen)["y"]
    limit = 0.01 if activation else 1.001 * made.numerics.formats["fc"].scale
    assert np.abs(ours - exact).max() <= limit
    assert fine.weight.zero is not None


@pytest.mark.parametrize("target", ["host", "cortex-m4", "atmega2560"])
def test_the_program_runs_bit_for_bit(target: str):
    source = shifted(per_row=False)
    made = rnn2c.compile(integer(source), target)
    assert rnn2c.verify(made, data(source, steps=4).sequences[:1]).bit_exact


def test_int16_activations_need_no_more_than_32_bits_or_are_refused():
    source = shifted()
    made = rnn2c.compile(integer(source, activations="int16"))
    x = data(source).sequences[0]
    assert np.abs(made.run(x)["y"] - source.run(x)["y"]).max() < 0.01
    wide = Tensor(np.full((1, 3000), 127), scale=np.ones(1), bits=8, zero=np.full(1, -128))
    layer = graph.Linear(name="fc", inputs=("x",), weight=wide, bias=np.zeros(1))
    large = Model("n", (graph.Input("x", 3000),), (layer,), (graph.Output("y", "fc"),))
    with pytest.raises(Rnn2cError, match=r"more than 32 bits; use activations int8"):
        rnn2c.compile(integer(large, activations="int16"))


def test_float32_and_text_know_zero_points():
    source = shifted()
    (rows,) = stored(rnn2c.compile(source))
    assert np.array_equal(rows, source.layers[0].weight.real().astype(np.float32))
    assert "zero points in [-128, 37]" in model_text(source)


def test_a_negative_factor_turns_zero_points_round():
    source = shifted()
    (layer,) = source.layers
    tame = dataclasses.replace(layer.weight, data=np.maximum(layer.weight.data, -127))
    minus = graph.Affine(name="s", inputs=("fc",), scale=-np.ones(4), offset=np.zeros(4))
    both = source.with_layers((dataclasses.replace(layer, weight=tame), minus))
    both = dataclasses.replace(both, outputs=(graph.Output("y", "s"),))
    folded = fold_affine(both)
    x = data(source).sequences[0]
    assert len(folded.layers) == 1
    assert np.allclose(folded.run(x)["y"], both.run(x)["y"])


def test_impossible_zero_points_are_refused():
    source = shifted()
    (layer,) = source.layers
    for zero, message in ((np.zeros(3, int), "shape"), (np.full(4, 300), "out of range")):
        weight = dataclasses.replace(layer.weight, zero=zero)
        with pytest.raises(Rnn2cError, match=f"zero point of weight .*{message}"):
            check_model(source.with_layers((dataclasses.replace(layer, weight=weight),)))


def test_uint8_weights_of_quantize_dynamic(tmp_path: Path):
    path = tmp_path / "dynamic.onnx"
    how = {"weight_type": ort.QuantType.QUInt8, "per_channel": True}
    ort.quantize_dynamic(float_network(tmp_path), path, **how)
    model = rnn2c.load(path)
    assert "agrees with onnxruntime" in model.cross_check
    (layer,) = (p for p in model.layers if isinstance(p, graph.Linear))
    assert layer.weight.zero is not None
    x = data(model).sequences[0]
    made = rnn2c.compile(integer(model))
    assert np.abs(made.run(x)["y"] - model.run(x)["y"]).max() < 0.05


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_dequantized_weights_with_a_zero_point(tmp_path: Path, kind: str):
    q = codes((INPUTS, OUTPUTS), kind)
    arrays = {"W_q": q, "W_s": np.float32(0.01), "W_z": np.array(7, q.dtype)}
    nodes = [dequantize("W", zero=True), helper.make_node("MatMul", ["x", "W"], ["y"])]
    (layer,) = rnn2c.load(save(tmp_path, nodes, arrays, shape=(STEPS, INPUTS))).layers
    middle = 128 if kind == "uint8" else 0
    assert np.array_equal(layer.weight.data, q.astype(np.int64).T - middle)
    assert np.array_equal(layer.weight.zero, np.full(OUTPUTS, 7 - middle))


def table(folder: Path, kind: str, zero: int, scale: object = 0.01) -> Path:
    """tokens -> Gather -> y; the table is dequantized."""
    q = codes((9, 4), kind)
    arrays = {
        "W_q": q,
        "W_s": np.asarray(scale, np.float32),
        "W_z": np.full(np.shape(scale), zero, q.dtype),
    }
    axis = {"axis": 0} if np.ndim(scale) else {}
    nodes = [dequantize("W", zero=True, **axis), helper.make_node("Gather", ["W", "x"], ["y"])]
    return save(folder, nodes, arrays, shape=(1, STEPS), tokens=True)


@pytest.mark.parametrize(("kind", "zero"), [("int8", 0), ("uint8", 140), ("int4", 0)])
def test_a_table_keeps_its_integers(tmp_path: Path, kind: str, zero: int):
    path = table(tmp_path, kind, zero)
    model = rnn2c.load(path)
    (layer,) = model.layers
    tokens = {"x": np.arange(9)[:, None]}
    made = rnn2c.quantize(model, tokens)
    assert np.allclose(rnn2c.compile(made).run(tokens)["y"], layer.table.real(), rtol=1e-6)
    middle = 128 if kind == "uint8" else 0
    wanted = codes((9, 4), kind).astype(np.int64) - middle
    assert np.array_equal(program(made).weights[0].matrices[0][:, 0], wanted)


def test_an_affine_after_a_table_stays_apart_from_its_integers(tmp_path: Path):
    model = rnn2c.load(table(tmp_path, "int8", 0), cross_check=False)
    (source,) = model.layers
    factor = {"scale": np.full(4, 2.0), "offset": np.zeros(4)}
    twice = graph.Affine(name="s", inputs=(source.name,), **factor)
    both = model.with_layers((*model.layers, twice))
    both = dataclasses.replace(both, outputs=(graph.Output("y", "s"),))
    kept, _ = fold_affine(both).layers
    assert np.array_equal(kept.table.data, source.table.data)
    assert kept.table.scale is not None


def test_a_table_with_a_scale_for_each_row_is_refused(tmp_path: Path):
    model = rnn2c.load(table(tmp_path, "int8", 0, np.linspace(0.01, 0.02, 9)))
    with pytest.raises(Rnn2cError, match="the table came with a scale for each row"):
        rnn2c.quantize(model, {"x": np.arange(9)[:, None]})


def test_integers_that_another_operator_would_change_are_refused(tmp_path: Path):
    arrays = {"W_q": codes((INPUTS, OUTPUTS)), "W_s": np.float32(0.01), "two": np.float32(2)}
    nodes = [
        dequantize("W"), helper.make_node("Mul", ["W", "two"], ["V"], name="twice"),
        helper.make_node("MatMul", ["x", "V"], ["y"]),
    ]  # fmt: skip
    with pytest.raises(Rnn2cError, match=r"'twice' .*changes the integer weights 'W'; "):
        rnn2c.load(save(tmp_path, nodes, arrays, shape=(STEPS, INPUTS)))
