"""Operators on integers, as quantize_static writes them in its QOperator form."""

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
from quantized_onnx import INPUTS, STEPS, Data, codes, fake, save

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph

SIZE = 4


class Rows(Data):
    """Normal noise of two dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.left = [{"x": feed["x"][:, 0]} for feed in self.left]


def float_network(folder: Path) -> Path:
    """Every operator that has a form on integers."""
    random = np.random.default_rng(0)
    arrays = {
        "A": random.normal(0, 0.6, (SIZE, INPUTS)), "a": random.normal(0, 0.3, SIZE),
        "B": random.normal(0, 0.6, (SIZE, SIZE)), "c": random.uniform(0.5, 2, SIZE),
        "d": random.normal(0, 0.5, SIZE),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gemm", ["x", "A", "a"], ["g"], transB=1, name="first"),
        helper.make_node("LeakyRelu", ["g"], ["l"], alpha=0.2, name="leaky"),
        helper.make_node("MatMul", ["l", "B"], ["m"], name="second"),
        helper.make_node("Sigmoid", ["m"], ["s"], name="gate"),
        helper.make_node("Mul", ["s", "l"], ["p"], name="product"),
        helper.make_node("Add", ["p", "g"], ["r"], name="residual"),
        helper.make_node("Mul", ["r", "c"], ["t"], name="scale"),
        helper.make_node("Add", ["t", "d"], ["y"], name="offset"),
    ]
    held = {n: a.astype(np.float32) for n, a in arrays.items()}
    return save(folder, nodes, held, shape=(STEPS, INPUTS), opset=17, name="float")


def static(folder: Path, **how: object) -> Path:
    path = folder / "static.onnx"
    ort.quantize_static(
        float_network(folder), path, Rows(), quant_format=ort.QuantFormat.QOperator, **how
    )
    return path


@pytest.mark.parametrize(
    ("activation", "per_channel"), [(ort.QuantType.QUInt8, True), (ort.QuantType.QInt8, False)]
)
def test_a_network_on_integers(tmp_path: Path, activation: ort.QuantType, per_channel: bool):
    path = static(tmp_path, activation_type=activation, per_channel=per_channel)
    operators = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert {"QGemm", "QLinearMatMul", "QLinearAdd", "QLinearMul"} <= set(operators)
    model = rnn2c.load(path)
    assert "agrees with onnxruntime" in model.cross_check
    first, second = (p for p in model.layers if isinstance(p, graph.Linear))
    held = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    assert np.array_equal(first.weight.data, held["A_quantized"])
    assert np.array_equal(second.weight.data, held["B_quantized"].T)
    made = integer(model)
    assert len(stored(program(made))) == 2
    x = data(model).sequences[0]
    step = next(p for p in reversed(model.layers) if isinstance(p, graph.Rounded)).form.scale
    compiled = rnn2c.compile(made)
    assert np.abs(compiled.run(x)["y"] - model.run(x)["y"]).max() <= 5 * step
    assert rnn2c.verify(compiled, [{"x": x["x"][:4]}]).bit_exact


def qgemm(folder: Path, inputs: list[str], **changed: object) -> Path:
    arrays = {
        "X_s": np.float32(0.05), "X_z": np.int8(3), "W": codes((INPUTS, SIZE)),
        "W_s": np.float32(0.01), "W_z": np.int8(0), "C": np.arange(SIZE, dtype=np.int32),
        "Y_s": np.float32(0.1), "Y_z": np.int8(0), **changed,
    }  # fmt: skip
    nodes = [
        fake("x", "", "X")[0],
        helper.make_node("QGemm", inputs, ["y"], domain="com.microsoft", name="gemm"),
    ]
    return save(folder, nodes, arrays, shape=(STEPS, INPUTS))


ALL = ["X_i", "X_s", "X_z", "W", "W_s", "W_z", "C"]


def test_qgemm_may_give_floats_and_keeps_its_bias(tmp_path: Path):
    model = rnn2c.load(qgemm(tmp_path, ALL))
    (layer,) = (p for p in model.layers if isinstance(p, graph.Linear))
    step = float(np.float32(0.05)) * layer.weight.scale
    assert np.allclose(layer.bias / step, np.arange(SIZE), atol=1e-12)


BAD = {
    "float data": (["x", *ALL[1:]], {}, "integers 'x' is not a constant"),
    "computed weight": ([*ALL[:3], "X_i", *ALL[4:]], {}, "reads with scale 0.01 what was written"),
    "scale of data": (ALL, {"W_s": np.float32(-1)}, "scale 'W_s' is -1; a scale must be positive"),
    "zero point": (ALL, {"W_z": np.uint8(0)}, "zero point 'W_z' has the wrong type uint8"),
    "type of the result": (
        [*ALL, "Y_s", "Y_z"], {"Y_z": np.int32(0)}, "quantizes to int32; 4, 8 and 16 bits",
    ),
    "vector": (ALL, {"W": codes((INPUTS,))}, "the weight is no constant matrix"),
    "integers as output": ([*ALL, "Y_s", "Y_z"], {}, "output 'y' holds quantized integers"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_right_is_refused(tmp_path: Path, case: str):
    inputs, changed, message = BAD[case]
    with pytest.raises(Rnn2cError, match=message):
        rnn2c.load(qgemm(tmp_path, inputs, **changed))
