"""QuantizeLinear and DequantizeLinear: weights keep their integers, values their rounding."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnx
import pytest
from core_models import data, integer, program
from given_models import stored
from onnx import TensorProto, helper
from onnxruntime import quantization as ort
from quantized_onnx import (
    INPUTS,
    OUTPUTS,
    ROWS,
    STEPS,
    UNITS,
    Data,
    cell,
    codes,
    dequantize,
    fake,
    float_network,
    save,
)  # fmt: skip

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.frontend.gates import ONNX_ORDER
from rnn2c.ir import graph
from rnn2c.ir.graph import Format, Model

plain_load = functools.partial(rnn2c.load, cross_check=False)


def ours(kind: str, rows: np.ndarray) -> np.ndarray:
    """Rows in our gate order."""
    return rows.reshape(ROWS[kind], UNITS, -1)[list(ONNX_ORDER[kind])].reshape(rows.shape)


def rounded(model: Model) -> list[Format]:
    return [p.form for p in model.layers if isinstance(p, graph.Rounded)]


CELLS = [
    ("LSTM", "int8", True), ("LSTM", "uint8", False), ("LSTM", "uint4", True),
    ("GRU", "int8", False), ("GRU", "int4", True), ("RNN", "uint8", True), ("RNN", "int4", False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "integers", "per_row"), CELLS)
def test_a_cell_keeps_its_integers(tmp_path: Path, kind: str, integers: str, per_row: bool):
    path, plain = cell(tmp_path, kind, integers, per_row=per_row)
    model = rnn2c.load(path)
    assert "agrees with onnxruntime" in model.cross_check
    (layer,) = (p for p in model.layers if isinstance(p, graph.Recurrent))
    bits = int(integers[-1])
    for tensor, name in ((layer.w_ih, "W"), (layer.w_hh, "R")):
        assert np.array_equal(tensor.data, ours(kind, plain[name]))
        assert tensor.bits == bits


def test_the_program_holds_the_integers_of_the_file(tmp_path: Path):
    path, plain = cell(tmp_path, "LSTM")
    made = program(integer(plain_load(path)))
    w, r = stored(made)
    assert np.array_equal(w, ours("LSTM", plain["W"]))
    assert np.array_equal(r, ours("LSTM", plain["R"]))


def gemm(
    folder: Path, arrays: dict[str, np.ndarray], *, source: str = "x",
    dq: dict[str, int] | None = None, nodes: tuple[onnx.NodeProto, ...] = (), opset: int = 21,
    **attributes: object,
) -> Path:  # fmt: skip
    """x [6, 3] -> Gemm with weight W and bias B -> y."""
    held = {"W_q": codes((INPUTS, OUTPUTS)), "W_s": np.float32(0.01), **arrays}
    made = [dequantize("W", zero="W_z" in held, **(dq or {}))]
    inputs = [source, "W"]
    if "B_q" in held:
        made.append(dequantize("B"))
        inputs.append("B")
    made += [*nodes, helper.make_node("Gemm", inputs, ["y"], name="gemm", **attributes)]
    return save(folder, made, held, shape=(STEPS, INPUTS), opset=opset)


@pytest.mark.parametrize("straight", [0, 1])
def test_gemm_keeps_integers_and_an_int32_bias(tmp_path: Path, straight: int):
    shape = (OUTPUTS, INPUTS) if straight else (INPUTS, OUTPUTS)
    scale = np.random.default_rng(0).uniform(0.01, 0.02, OUTPUTS).astype(np.float32)
    bias = np.array([1000001, -77, 0, 2**23 + 1], np.int32)
    arrays = {
        "W_q": codes(shape), "W_s": scale, "B_q": bias,
        "B_s": (scale * np.float32(0.05)).astype(np.float32), "X_s": np.float32(0.05),
        "X_z": np.int8(3),
    }  # fmt: skip
    nodes = tuple(fake("x", "xq", "X"))
    dq = {"axis": 0 if straight else 1}
    held = [dequantize("W", **dq), dequantize("B", axis=0), *nodes]
    held.append(helper.make_node("Gemm", ["xq", "W", "B"], ["y"], transB=straight))
    model = rnn2c.load(save(tmp_path, held, arrays, shape=(STEPS, INPUTS)))
    layer = next(p for p in model.layers if isinstance(p, graph.Linear))
    q = arrays["W_q"] if straight else arrays["W_q"].T
    assert np.array_equal(layer.weight.data, q)
    made = integer(model)
    assert made.numerics.formats["x"] == Format(float(np.float32(0.05)), 8, zero_point=3)
    (const,) = (c for c in program(made).consts if c.name.endswith("bias"))
    assert np.array_equal(const.data, bias - 3 * q.astype(np.int64).sum(axis=1))


def test_alpha_scales_the_scale(tmp_path: Path):
    path = gemm(tmp_path, {}, alpha=0.5)
    (layer,) = plain_load(path).layers
    assert np.array_equal(layer.weight.data, codes((INPUTS, OUTPUTS)).T)
    with pytest.raises(Rnn2cError, match=r"'gemm' \(Gemm\): alpha=-1 with integer weights"):
        plain_load(gemm(tmp_path, {}, alpha=-1.0))


@pytest.mark.parametrize("operator", ["Transpose", "Reshape", "Identity"])
def test_weights_may_be_moved_before_they_are_used(tmp_path: Path, operator: str):
    q = codes((OUTPUTS, INPUTS) if operator == "Transpose" else (INPUTS, OUTPUTS))
    scale = np.linspace(0.01, 0.02, OUTPUTS).astype(np.float32)
    arrays = {"W_q": q, "W_s": scale, "shape": np.array([INPUTS, OUTPUTS], np.int64)}
    more = ["shape"] if operator == "Reshape" else []
    nodes = [
        dequantize("W", axis=0 if operator == "Transpose" else 1),
        helper.make_node(operator, ["W", *more], ["V"]),
        helper.make_node("MatMul", ["x", "V"], ["y"]),
    ]
    model = rnn2c.load(save(tmp_path, nodes, arrays, shape=(STEPS, INPUTS)))
    (layer,) = model.layers
    assert np.array_equal(layer.weight.data, q if operator == "Transpose" else q.T)
    assert np.allclose(layer.weight.scale, scale, rtol=1e-12)


def test_weights_rounded_in_the_graph_are_integers_too(tmp_path: Path):
    real = np.random.default_rng(0).normal(0, 0.5, (INPUTS, OUTPUTS)).astype(np.float32)
    arrays = {"R": real, "R_s": np.float32(0.01), "R_z": np.int8(0)}
    nodes = [*fake("R", "W", "R"), helper.make_node("MatMul", ["x", "W"], ["y"])]
    (layer,) = rnn2c.load(save(tmp_path, nodes, arrays, shape=(STEPS, INPUTS))).layers
    assert np.array_equal(
        layer.weight.data, np.clip(np.round(real / np.float32(0.01)), -128, 127).T
    )


@pytest.mark.parametrize(
    ("kind", "zero", "form"),
    [
        ("int8", 3, Format(0.25, 8, zero_point=3)),
        ("uint8", 131, Format(0.25, 8, zero_point=3)),
        ("int16", -7, Format(0.25, 16, zero_point=-7)),
        ("uint16", 32768, Format(0.25, 16)),
        ("int4", 1, Format(0.25, 8, zero_point=1, lo=-8, hi=7)),
        ("uint4", 9, Format(0.25, 8, zero_point=1, lo=-8, hi=7)),
    ],
)
def test_activations_are_rounded_as_the_source_rounds(
    tmp_path: Path, kind: str, zero: int, form: Format
):
    dtype = helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(kind.upper()))
    arrays = {"X_s": np.float32(0.25), "X_z": np.array(zero).astype(dtype)}
    path = gemm(tmp_path, arrays, source="xq", nodes=tuple(fake("x", "xq", "X")))
    model = rnn2c.load(path)
    assert rounded(model) == [form]
    assert "agrees" in model.cross_check
    assert integer(model).numerics.formats["x"] == form


def test_rounded_values_may_be_reshaped_as_integers(tmp_path: Path):
    quantize, back = fake("x", "xq", "X")
    back.input[0] = "moved"
    squeeze = helper.make_node("Squeeze", ["X_i", "axis"], ["moved"])
    arrays = {
        "X_s": np.float32(0.1), "X_z": np.uint8(128), "axis": np.array([1], np.int64),
        "W_q": codes((INPUTS, OUTPUTS)), "W_s": np.float32(0.01),
    }  # fmt: skip
    product = helper.make_node("MatMul", ["xq", "W"], ["y"])
    nodes = [quantize, squeeze, back, dequantize("W"), product]
    assert rounded(plain_load(save(tmp_path, nodes, arrays)))


@pytest.mark.parametrize(("kind", "per_channel"), [("LSTM", False), ("GRU", True)])
def test_a_network_of_quantize_static(tmp_path: Path, kind: str, per_channel: bool):
    source, path = float_network(tmp_path, kind), tmp_path / "static.onnx"
    ort.quantize_static(source, path, Data(), per_channel=per_channel)
    model = rnn2c.load(path)
    assert "agrees with onnxruntime" in model.cross_check
    assert len(rounded(model)) >= 3
    made = integer(model)
    x = {"x": data(model).sequences[0]["x"]}
    difference = np.abs(rnn2c.compile(made).run(x)["y"] - model.run(x)["y"])
    assert difference.max() <= 3 * rounded(model)[-1].scale
    report = rnn2c.verify(rnn2c.compile(made), [x])
    assert report.bit_exact


def dense(**changed: object) -> dict[str, np.ndarray]:
    return {"W_q": codes((INPUTS, OUTPUTS)), **changed}  # type: ignore[dict-item]


BAD = {
    "scale 0": (dense(W_s=np.float32(0)), {}, "'dq_W' .*scale 'W_s' is 0; a scale must be"),
    "scale negative": (dense(W_s=np.float32(-1)), {}, "scale 'W_s' is -1"),
    "scale nan": (dense(W_s=np.float32(np.nan)), {}, "scale 'W_s' is nan"),
    "scale huge": (dense(W_s=np.float32(1e30)), {}, r"scale 'W_s' is 1e\+30"),
    "one scale bad": (
        dense(W_s=np.array([1, 1, -1, 1], np.float32)), {"axis": 1}, "scale 'W_s' is -1",
    ),
    "scale double": (dense(W_s=np.float64(0.1)), {}, "scale 'W_s' has type float64"),
    "zero point type": (
        dense(W_s=np.float32(0.1), W_z=np.uint8(1)), {},
        "zero point 'W_z' has the wrong type uint8, expected int8",
    ),
    "zero point count": (
        dense(W_s=np.float32(0.1), W_z=np.zeros(4, np.int8)), {},
        "zero point 'W_z' has 4 elements for 1 scales",
    ),
    "axis beyond": (
        dense(W_s=np.ones(4, np.float32)), {"axis": 7}, r"'dq_W' .*axis",
    ),
    "axis of another size": (
        dense(W_s=np.ones(4, np.float32)), {"axis": 0},
        r"scales of shape \[4\] for axis 0 of \[3, 4\]",
    ),
    "axis of the inputs": (
        dense(W_s=np.linspace(1, 2, 3).astype(np.float32)), {"axis": 0},
        r"'gemm' \(Gemm\): the weights have more than one scale in a row; quantize them per tensor",
    ),
    "scales of two dimensions": (
        dense(W_s=np.ones((1, 1), np.float32)), {}, r"scales of shape \[1, 1\]; give a vector",
    ),
    "blocks": (
        dense(W_s=np.ones((1, 4), np.float32)), {"axis": 0, "block_size": 3}, "block_size",
    ),
    "int16 weights": (
        {"W_q": codes((3, 4), "int16"), "W_s": np.float32(0.1)}, {},
        "integer weights of 16 bits; weights of 8 and of 4 bits are kept",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_dequantization_of_weights_is_refused(tmp_path: Path, case: str):
    arrays, dq, message = BAD[case]
    with pytest.raises(Rnn2cError, match=message):
        rnn2c.load(gemm(tmp_path, arrays, dq=dq))


def test_int4_with_a_wrong_number_of_bytes_is_refused(tmp_path: Path):
    path = gemm(tmp_path, {"W_q": codes((INPUTS, OUTPUTS), "int4")})
    proto = onnx.load(path)
    tensor = next(t for t in proto.graph.initializer if t.name == "W_q")
    for dims, needed in (([3, 5], 8), ([3, 3], 5)):
        del tensor.dims[:]
        tensor.dims.extend(dims)
        onnx.save(proto, path)
        with pytest.raises(Rnn2cError, match=f"'W_q': .*need {needed} bytes, the file has 6"):
            rnn2c.load(path)


def test_an_odd_number_of_int4_is_read(tmp_path: Path):
    q = codes((3, 5), "int4")
    (layer,) = plain_load(gemm(tmp_path, {"W_q": q})).layers
    assert np.array_equal(layer.weight.data, q.astype(np.int64).T)
    assert layer.weight.bits == 4


WRONG = {
    "scales of data": ({"X_s": np.ones(3, np.float32), "X_z": np.zeros(3, np.int8)},
                       "'q_X' .*3 scales for computed data"),
    "type": ({"X_s": np.float32(1), "X_z": np.int32(0)}, "'X_z' has the wrong type int32"),
    "another scale": ({"X_s": np.float32(1), "X_z": np.int8(0), "Y_s": np.float32(2)},
                      "'d_X' .*reads with scale 2 what was written with 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_bad_quantization_of_data_is_refused(tmp_path: Path, case: str):
    arrays, message = WRONG[case]
    quantize, back = fake("x", "xq", "X")
    if "Y_s" in arrays:
        back.input[1] = "Y_s"
    with pytest.raises(Rnn2cError, match=message):
        rnn2c.load(gemm(tmp_path, arrays, source="xq", nodes=(quantize, back)))


def test_integers_do_not_leave_the_model_nor_meet_reals(tmp_path: Path):
    arrays = {"X_s": np.float32(1), "X_z": np.int8(0)}
    quantize = fake("x", "", "X")[0]
    relu = helper.make_node("Relu", ["X_i"], ["y"], name="relu")
    with pytest.raises(Rnn2cError, match=r"'relu' .*reads the integers of 'X_i'; dequantize"):
        rnn2c.load(save(tmp_path, [quantize, relu], arrays, shape=(STEPS, INPUTS)))
    quantize.output[0] = "y"
    with pytest.raises(Rnn2cError, match=r"output 'y' holds quantized integers; end the model"):
        rnn2c.load(save(tmp_path, [quantize], arrays, shape=(STEPS, INPUTS)))
