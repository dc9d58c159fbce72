"""Convolutions and pooling on integers: what onnxruntime's quantizers write, by hand too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from core_models import data, integer, program
from given_models import stored
from onnx import helper, numpy_helper
from onnxruntime import quantization as ort
from quantized_onnx import INPUTS, Data, codes, fake, save

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph, temporal

STEPS, ROWS, OUTPUTS = 14, 4, 2
SHAPE = (1, INPUTS, STEPS)


class Filtered(Data):
    """[1, features, time]"""

    def __init__(self) -> None:
        random = np.random.default_rng(6)
        self.left = [{"x": random.normal(size=SHAPE).astype(np.float32)} for _ in range(6)]


def float_network(folder: Path, end: str = "AveragePool") -> Path:
    """Causal and depthwise convolutions, pooling, a linear layer."""
    random = np.random.default_rng(0)
    arrays = {
        "W": random.normal(0, 0.5, (ROWS, INPUTS, 3)), "b": random.normal(0, 0.2, ROWS),
        "D": random.normal(0, 0.5, (ROWS, 1, 2)), "M": random.normal(0, 0.5, (ROWS, OUTPUTS)),
    }  # fmt: skip
    pooling = {"kernel_shape": [2]} if end == "AveragePool" else {}
    nodes = [
        helper.make_node("Conv", ["x", "W", "b"], ["c"], pads=[2, 0], name="front"),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2], strides=[2], name="largest"),
        helper.make_node("Conv", ["p", "D"], ["d"], group=ROWS, name="depthwise"),
        helper.make_node(end, ["d"], ["a"], name="average", **pooling),
        helper.make_node("Transpose", ["a"], ["t"], perm=[0, 2, 1], name="turn"),
        helper.make_node("MatMul", ["t", "M"], ["y"], name="head"),
    ]
    held = {n: a.astype(np.float32) for n, a in arrays.items()}
    return save(folder, nodes, held, shape=SHAPE, opset=17, name="float")


def static(folder: Path, end: str, **how: object) -> Path:
    path = folder / "static.onnx"
    how["quant_format"] = ort.QuantFormat.QOperator
    ort.quantize_static(float_network(folder, end), path, Filtered(), **how)
    return path


def dynamic(folder: Path, **how: object) -> Path:
    path = folder / "dynamic.onnx"
    ort.quantize_dynamic(float_network(folder), path, **how)
    return path


def integers(path: Path) -> dict[str, np.ndarray]:
    """The matrices of a file as rows, one tap after the other."""
    found = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    middle = {np.dtype(np.uint8): 128, np.dtype(np.int8): 0}
    rows = {n: found[f"{n}_quantized"] for n in ("W", "D", "M")}
    rows = {n: a.astype(int) - middle[a.dtype] for n, a in rows.items()}
    flat = {n: a.transpose(0, 2, 1).reshape(ROWS, -1) for n, a in rows.items() if n != "M"}
    return {**flat, "M": rows["M"].T}


def assert_kept(model: graph.Model, path: Path) -> None:
    layers = [p for p in model.layers if isinstance(p, graph.Linear)]
    assert [type(p) for p in layers] == [temporal.Conv1d, temporal.Conv1d, graph.Linear]
    matrices = stored(program(integer(model)))  # a convolution's tap by tap
    held = [np.hstack(m) for m in (matrices[:3], matrices[3:5], matrices[5:])]
    for layer, rows, kept in zip(layers, integers(path).values(), held, strict=True):
        assert np.array_equal(layer.weight.data, rows)
        assert np.array_equal(kept, rows)


@pytest.mark.parametrize("end", ["AveragePool", "GlobalAveragePool"])
@pytest.mark.parametrize(
    ("activation", "per_channel"), [(ort.QuantType.QUInt8, True), (ort.QuantType.QInt8, False)]
)
def test_a_static_network_keeps_its_integers(
    tmp_path: Path, activation: ort.QuantType, per_channel: bool, end: str
):
    path = static(tmp_path, end, activation_type=activation, per_channel=per_channel)
    operators = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert {"QLinearConv", "MaxPool", f"QLinear{end}"} <= set(operators)
    model = rnn2c.load(path)
    assert model.cross_check.startswith("agrees with onnxruntime")
    assert_kept(model, path)
    x = data(model).sequences[0]
    step = next(p for p in reversed(model.layers) if isinstance(p, graph.Rounded)).form.scale
    for options in ({}, {"profile": "compact"}):
        compiled = rnn2c.compile(rnn2c.quantize(model, [x], **options))
        assert np.abs(compiled.run(x)["y"] - model.run(x)["y"]).max() <= 5 * step
        assert rnn2c.verify(compiled, [x]).bit_exact


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_dynamic_network_keeps_its_integers(tmp_path: Path, per_channel: bool):
    path = dynamic(tmp_path, weight_type=ort.QuantType.QInt8, per_channel=per_channel)
    operators = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert operators["ConvInteger"] == 2
    model = rnn2c.load(path)
    assert "it rounds activations to 8 bits while it runs" in model.cross_check
    assert_kept(model, path)
    x = data(model).sequences[0]
    assert rnn2c.verify(rnn2c.compile(integer(model)), [x]).bit_exact


def test_a_symbolic_length_is_time(tmp_path: Path):
    path = dynamic(tmp_path, weight_type=ort.QuantType.QInt8)
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "steps"
    onnx.save(proto, path)
    model = rnn2c.load(path)
    assert model.cross_check.startswith("agrees with onnxruntime")
    assert model.inputs[0].size == INPUTS


def by_hand(folder: Path, operator: str, inputs: list[str], **changed: object) -> Path:
    """x -> QuantizeLinear (or DynamicQuantizeLinear) -> one operator -> floats."""
    settings = changed.pop("settings", {})
    arrays = {
        "X_s": np.float32(0.05), "X_z": np.uint8(120), "W": codes((ROWS, INPUTS, 3)),
        "W_s": np.full(ROWS, 0.01, np.float32), "W_z": np.zeros(ROWS, np.int8),
        "Y_s": np.float32(0.1), "Y_z": np.uint8(130), "C": 2**24 + 2 * np.arange(4, dtype=np.int32),
        "F": np.full((ROWS, 1), 0.01, np.float32), **changed,
    }  # fmt: skip
    if operator == "QLinearConv":
        nodes = [
            fake("x", "", "X")[0],
            helper.make_node(operator, inputs, ["y_i"], name="conv", **settings),
            helper.make_node("DequantizeLinear", ["y_i", "Y_s", "Y_z"], ["y"]),
        ]
    else:
        nodes = [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["X_i", "X_r", "X_d"]),
            helper.make_node("Mul", ["X_r", "F"], ["factor"]),
            helper.make_node(operator, inputs, ["sum"], name="conv", **settings),
            helper.make_node("Cast", ["sum"], ["real"], to=1),
            helper.make_node("Mul", ["real", "factor"], ["y"]),
        ]
    return save(folder, nodes, arrays, shape=SHAPE)


STATIC = ["X_i", "X_s", "X_z", "W", "W_s", "W_z", "Y_s", "Y_z"]
DYNAMIC = ["X_i", "W", "X_d"]


def test_a_bias_of_32_bits_is_exact(tmp_path: Path):
    path = by_hand(tmp_path, "QLinearConv", [*STATIC, "C"], Y_s=np.float32(900.0))
    (layer,) = (p for p in rnn2c.load(path).layers if isinstance(p, graph.Linear))
    step = float(np.float32(0.05)) * float(np.float32(0.01))
    assert np.allclose(layer.bias / step, 2**24 + 2 * np.arange(4), rtol=1e-12)


def test_padding_is_the_zero_point(tmp_path: Path):
    pads = {"settings": {"pads": [2, 0], "strides": [2], "dilations": [2]}}
    for operator, inputs in (("QLinearConv", STATIC), ("ConvInteger", DYNAMIC)):
        model = rnn2c.load(by_hand(tmp_path, operator, inputs, **pads))
        assert model.cross_check.startswith("agrees with onnxruntime")


def test_an_output_has_a_scale_of_its_own(tmp_path: Path):
    factor = np.array([[0.01], [0.02], [0.03], [0.04]], np.float32)
    model = rnn2c.load(by_hand(tmp_path, "ConvInteger", DYNAMIC, F=factor))
    (layer,) = model.layers
    assert isinstance(layer, temporal.Conv1d)
    assert np.array_equal(layer.weight.scale, factor[:, 0].astype(np.float64))


BAD = {
    "zero point of a weight": (
        "QLinearConv", STATIC, {"W_z": np.full(ROWS, 3, np.int8)},
        "zero point 3 away from the middle of their range need 9 bits; quantize weights symm",
    ),
    "zero points of dynamic weights": (
        "ConvInteger", [*DYNAMIC, "W_z"], {"W_z": np.full(ROWS, 5, np.int8)},
        "zero point 5 away from the middle",
    ),
    "two scales along time": (
        "ConvInteger", DYNAMIC, {"F": np.full(STEPS - 2, 0.01, np.float32)},
        "scales of shape [12] for 4 outputs of a convolution; give one, or [4, 1]",
    ),
    "zero point of data": (
        "ConvInteger", DYNAMIC[:2], {}, "the zero point of A is not that of its integers",
    ),
    "computed weight": (
        "QLinearConv", [*STATIC[:3], "X_i", "X_s", "X_z", *STATIC[6:]], {},
        "the weight is computed; make it an initializer",
    ),
    "same padding with a stride": (
        "QLinearConv", STATIC, {"settings": {"auto_pad": "SAME_UPPER", "strides": [3]}}, "'same'",
    ),
    "scales of a weight": (
        "QLinearConv", STATIC, {"W_s": np.full(3, 0.1, np.float32), "W_z": np.zeros(3, np.int8)},
        "scales of shape [3] for axis 0 of [4, 3, 3]",
    ),
    "int16 data": (
        "QLinearConv", STATIC, {"W": codes((ROWS, INPUTS, 3)).astype(np.int32)},
        "zero point 'W_z' has the wrong type int8, expected int32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_right_is_refused(tmp_path: Path, case: str):
    operator, inputs, changed, message = BAD[case]
    path = by_hand(tmp_path, operator, inputs, **changed)
    with pytest.raises(Rnn2cError) as caught:
        rnn2c.load(path, cross_check=False)
    assert message in str(caught.value)
    assert "'conv'" in str(caught.value) or "Mul" in str(caught.value)


def test_pooling_of_rows_of_features_is_refused(tmp_path: Path):
    path = static(tmp_path, "AveragePool")
    proto = onnx.load(path)
    node = next(n for n in proto.graph.node if n.op_type == "QLinearAveragePool")
    node.attribute.append(helper.make_attribute("channels_last", 1))
    onnx.save(proto, path)
    with pytest.raises(Rnn2cError, match="channels_last=1 is not supported"):
        rnn2c.load(path)
