"""What onnxruntime's quantize_dynamic writes: integer weights are kept, activations stay real."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from core_models import data, integer, program
from given_models import stored
from onnx import helper, numpy_helper
from onnxruntime import quantization as ort
from quantized_onnx import INPUTS, OUTPUTS, STEPS, UNITS, codes, float_network, save

import rnn2c
from rnn2c.cli import main
from rnn2c.errors import Rnn2cError
from rnn2c.frontend.gates import from_onnx
from rnn2c.ir import graph
from rnn2c.ir.graph import Model


def dynamic(folder: Path, **how: object) -> Path:
    path = folder / "dynamic.onnx"
    ort.quantize_dynamic(float_network(folder), path, **how)
    return path


def held(path: Path) -> dict[str, np.ndarray]:
    """Integer matrices of a file by the operator and the input that reads them."""
    proto = onnx.load(path).graph
    arrays = {t.name: numpy_helper.to_array(t) for t in proto.initializer}
    return {
        f"{node.op_type} {k}": arrays[name]
        for node in proto.node
        for k, name in enumerate(node.input)
        if name in arrays and arrays[name].dtype in (np.int8, np.uint8) and arrays[name].ndim > 1
    }


def layers(model: Model) -> tuple[graph.Lstm, graph.Linear]:
    (cell,) = (p for p in model.layers if isinstance(p, graph.Lstm))
    (head,) = (p for p in model.layers if isinstance(p, graph.Linear))
    return cell, head


@pytest.mark.parametrize("per_channel", [False, True])
def test_quantize_dynamic_keeps_its_integers(tmp_path: Path, per_channel: bool):
    path = dynamic(tmp_path, per_channel=per_channel)
    model, there = rnn2c.load(path), held(path)
    cell, head = layers(model)
    for tensor, k in ((cell.w_ih, 1), (cell.w_hh, 2)):
        rows = there[f"DynamicQuantizeLSTM {k}"][0].T
        assert np.array_equal(tensor.data, from_onnx("LSTM", rows))
    assert np.array_equal(head.weight.data, there["MatMulInteger 1"].T)
    assert len(stored(program(integer(model)))) == 3


def test_the_agreement_says_what_dynamic_rounding_may_do(tmp_path: Path):
    text = rnn2c.load(dynamic(tmp_path)).cross_check
    found = re.search(
        r"to (\S+); it rounds activations to 8 bits while it runs, which is not done here and may"
        r" move outputs by (\S+)",
        text,
    )
    assert found
    assert float(found[1]) < float(found[2]) < 0.05


def test_an_import_that_is_wrong_is_not_put_down_to_rounding(tmp_path: Path, monkeypatch):
    path = dynamic(tmp_path)
    monkeypatch.setattr("rnn2c.frontend.onnx_dynamic.np.swapaxes", wrong_swap)
    with pytest.raises(Rnn2cError, match=r"differs from onnxruntime"):
        rnn2c.load(path)


def wrong_swap(array: np.ndarray, a: int, b: int) -> np.ndarray:
    """Two neighbouring units of a gate change places."""
    rows = array.transpose(0, 2, 1).copy()
    rows[:, [0, 1]] = rows[:, [1, 0]]
    return rows


def test_the_program_of_a_dynamic_model_runs_bit_for_bit(tmp_path: Path):
    model = rnn2c.load(dynamic(tmp_path), cross_check=False)
    x = data(model).sequences[0]
    made = rnn2c.compile(integer(model))
    assert np.abs(made.run(x)["y"] - model.run(x)["y"]).max() < 0.05
    assert rnn2c.verify(made, [{"x": x["x"][:4]}]).bit_exact


def matmul(folder: Path, **changed: object) -> Path:
    """x -> DynamicQuantizeLinear -> MatMulInteger -> Cast -> Mul -> y, some of it changed."""
    arrays = {
        "W": codes((INPUTS, OUTPUTS)), "s": np.float32(0.01), "z": np.int8(0),
        "half": np.float32(0.5),
        **{n: a for n, a in changed.items() if isinstance(a, np.generic | np.ndarray)},
    }  # fmt: skip
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"], name="dynamic"),
        helper.make_node("Mul", [*changed.get("scales", ["qs", "s"])], ["scales"], name="scales"),
        helper.make_node("MatMulInteger", [*changed.get("product", ["q", "W", "qz", "z"])], ["i"],
                         name="product"),
        helper.make_node("Cast", ["i"], ["f"], to=changed.get("to", 1), name="cast"),
        helper.make_node("Mul", [*changed.get("end", ["f", "scales"])], ["y"], name="end"),
    ]  # fmt: skip
    return save(folder, nodes, arrays, shape=(STEPS, INPUTS))


def test_scales_of_columns_and_absent_zero_points(tmp_path: Path):
    scale = np.linspace(0.01, 0.02, OUTPUTS).astype(np.float32)
    path = matmul(tmp_path, s=scale, product=["q", "W", "qz"], scales=["s", "qs"])
    (layer,) = rnn2c.load(path).layers
    assert np.allclose(layer.weight.scale, scale, rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"product": ["q", "W"]}, "'product' .*the zero point of A is not that of its integers"),
        ({"product": ["q", "W", "qz", "half"]}, "zero point 'half' has the wrong type float32"),
        ({"z": np.zeros(3, np.int8)}, r"scales of shape \[3\] for axis 1 of \[3, 4\]"),
        ({"W": codes((INPUTS, OUTPUTS), "int16")}, "integer weights of type int16"),
        ({"to": 6}, "'cast' .*only sums to float32 are cast"),
        ({"end": ["f", "half"]}, "'end' .*by something that is no scale"),
        ({"end": ["f", "f"]}, "'end' .*by something that is no scale"),
        ({"s": np.float32(-1)}, "a scale must be positive"),
        ({"s": np.float32(np.inf)}, r"'s'.* is inf"),
    ],
    ids=str,
)
def test_another_pattern_is_refused(tmp_path: Path, changed: dict[str, object], message: str):
    with pytest.raises(Rnn2cError, match=message):
        rnn2c.load(matmul(tmp_path, **changed))


def fused(folder: Path, operator: str) -> Path:
    """What onnxruntime's own optimizer makes of that pattern."""
    arrays = {
        "W": codes((INPUTS, OUTPUTS), "uint8"), "s": np.float32(0.01), "z": np.uint8(128),
        "b": np.ones(OUTPUTS, np.float32),
    }  # fmt: skip
    if operator == "DynamicQuantizeMatMul":
        inputs, nodes = ["x", "W", "s", "z", "b"], []
    else:
        inputs = ["q", "W", "qs", "s", "qz", "z", "b"]
        nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"])]
    nodes.append(helper.make_node(operator, inputs, ["y"], domain="com.microsoft", name="fused"))
    return save(folder, nodes, arrays, shape=(STEPS, INPUTS))


@pytest.mark.parametrize("operator", ["DynamicQuantizeMatMul", "MatMulIntegerToFloat"])
def test_fused_operators(tmp_path: Path, operator: str):
    model = rnn2c.load(fused(tmp_path, operator))
    (layer,) = model.layers
    assert np.array_equal(layer.weight.data, codes((3, 4), "uint8").T.astype(np.int64) - 128)
    assert np.array_equal(layer.bias, np.ones(OUTPUTS))


def lstm(folder: Path, **changed: np.ndarray) -> Path:
    rows = 4 * UNITS
    arrays = {
        "W": codes((1, INPUTS, rows)), "R": codes((1, UNITS, rows)),
        "Ws": np.full(1, 0.004, np.float32), "Wz": np.zeros(1, np.int8),
        "Rs": np.full(1, 0.004, np.float32), "Rz": np.zeros(1, np.int8),
        "one": np.array([1], np.int64), **changed,
    }  # fmt: skip
    inputs = ["x", "W", "R", "", "", "", "", "", "Ws", "Wz", "Rs", "Rz"]
    node = helper.make_node(
        "DynamicQuantizeLSTM", inputs, ["h"], domain="com.microsoft", hidden_size=UNITS, name="cell"
    )
    return save(folder, [node, helper.make_node("Squeeze", ["h", "one"], ["y"])], arrays)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Ws": np.zeros(1, np.float32)}, "'cell' .*scale 'Ws' is 0"),
        ({"Ws": np.ones((1, 7), np.float32)}, r"scales \[1, 7\]; expected"),
        ({"Rz": np.zeros(1, np.int32)}, "zero point 'Rz' has the wrong type int32"),
        ({"W": codes((1, 4 * UNITS, INPUTS))}, "'cell'.*shape"),
        ({"R": np.zeros((1, UNITS, 4 * UNITS), np.float32)}, "integer weights of type float32"),
        ({"Rz": np.full(1, 5, np.int8)}, "zero point 5 away from the middle .* need 9 bits"),
    ],
    ids=str,
)
def test_a_bad_dynamic_lstm_is_refused(
    tmp_path: Path, changed: dict[str, np.ndarray], message: str
):
    with pytest.raises(Rnn2cError, match=message):
        rnn2c.load(lstm(tmp_path, **changed))


def test_inspect_says_which_weights_came_quantized(tmp_path: Path):
    path = str(dynamic(tmp_path, per_channel=True))
    text = CliRunner().invoke(main, ["inspect", path]).output
    assert "; w_ih and w_hh came as int8 with one scale for each row" in text
    assert "int4" not in text  # the integers have 8 bits and keep them
    record = json.loads(CliRunner().invoke(main, ["inspect", path, "--json"]).output)
    head = {"matrix": "weight", "bits": 8, "scales": "row"}
    assert record["layers"][-1]["quantized"] == [head]
