"""ONNX forms that no PyTorch exporter writes, compared with onnxruntime."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_models import FEATURES, STEPS, UNITS, build, save

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph

RANDOM = np.random.default_rng(2)


def agrees(model, tmp_path):
    loaded = load(save(model, tmp_path))
    assert loaded.cross_check.startswith("agrees with onnxruntime ")
    return loaded


@pytest.mark.parametrize("reset", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_gru_reset_before_and_after(reset, bias, tmp_path):
    inputs = ("X", "W", "R", "B")[: 4 if bias else 3]
    model = agrees(build("GRU", inputs=inputs, linear_before_reset=reset), tmp_path)
    layer = model.layers[0]
    assert isinstance(layer, graph.Gru)
    assert layer.reset_after == bool(reset)
    assert bool(layer.b_ih.any()) == bias


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_no_bias(cell, tmp_path):
    agrees(build(cell, inputs=("X", "W", "R")), tmp_path)


def test_relu_in_any_case(tmp_path):
    layer = agrees(build("RNN", activations=["Relu"]), tmp_path).layers[0]
    assert isinstance(layer, graph.Rnn)
    assert layer.activations == (graph.RELU,)


def test_absent_hidden_size_is_taken_from_the_weights(tmp_path):
    model = build("LSTM")
    attributes = model.graph.node[0].attribute
    attributes.remove(next(a for a in attributes if a.name == "hidden_size"))
    layer = load(save(model, tmp_path), cross_check=False).layers[0]
    assert isinstance(layer, graph.Lstm)
    assert layer.units == UNITS


def test_batch_first_layout_equals_time_first(tmp_path):
    # onnxruntime does not run layout=1, so the time-first twin, which it runs, is the oracle.
    x = RANDOM.standard_normal((STEPS, FEATURES))
    first = load(
        save(build("GRU", shape=(1, STEPS, FEATURES), layout=1), tmp_path), cross_check=False
    ).run({"X": x})
    second = agrees(build("GRU"), tmp_path).run({"X": x})
    for name in ("Y", "Y_h"):
        np.testing.assert_array_equal(first[name], second[name])


def test_sequence_lens_of_the_full_length(tmp_path):
    lengths = {"len": np.array([STEPS], np.int32)}
    agrees(build("GRU", inputs=("X", "W", "R", "B", "len"), arrays=lengths), tmp_path)


@pytest.mark.parametrize("opset", [9, 11, 13, 18])
def test_old_and_new_opsets_of_layout_operators(opset, tmp_path):
    squeeze = (
        helper.make_node("Squeeze", ["Y"], ["s"], axes=[1])
        if opset < 13
        else helper.make_node("Squeeze", ["Y", "one"], ["s"])
    )
    tail = (
        squeeze,
        helper.make_node("Slice", ["s", "minus", "end", "zero"], ["last"])
        if opset > 9
        else helper.make_node("Slice", ["s"], ["last"], starts=[-1], ends=[2**31 - 1], axes=[0]),
        helper.make_node("Flatten", ["last"], ["flat"], axis=2),
        helper.make_node("Gemm", ["flat", "M", "b"], ["z"], alpha=0.5, beta=2.0, transB=1),
        helper.make_node("Softmax", ["z"], ["p"], axis=1),
    )
    arrays = {
        "one": np.array([1]),
        "minus": np.array([-1]),
        "end": np.array([2**31 - 1]),
        "zero": np.array([0]),
        "M": RANDOM.standard_normal((2, UNITS)).astype(np.float32),
        "b": RANDOM.standard_normal(2).astype(np.float32),
    }
    agrees(
        build("LSTM", outputs=("Y",), after=tail, arrays=arrays, graph_outputs=("p",), opset=opset),
        tmp_path,
    )


def test_argmax_without_keepdims(tmp_path):
    tail = (
        helper.make_node("Squeeze", ["Y_h", "zero"], ["h"]),
        helper.make_node("ArgMax", ["h"], ["label"], axis=-1, keepdims=0),
    )
    model = build(
        "GRU",
        outputs=("", "Y_h"),
        after=tail,
        arrays={"zero": np.array([0])},
        graph_outputs=("label",),
    )
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    loaded = agrees(model, tmp_path)
    assert isinstance(loaded.layers[-1], graph.ArgMax)


def test_symbolic_dimensions(tmp_path):
    model = agrees(build("LSTM", shape=("t", "n", FEATURES)), tmp_path)
    assert [(i.name, i.size, i.rate) for i in model.inputs] == [("X", FEATURES, "step")]


def test_difference_names_the_first_layer(tmp_path, monkeypatch):
    """A wrong gate order in the second of two cells must be found, and blamed on that cell."""
    from rnn2c.frontend import onnx_cells

    second = helper.make_node("GRU", ["s", "W2", "R", "B"], ["Y2"], hidden_size=UNITS, name="two")
    tail = (helper.make_node("Squeeze", ["Y", "one"], ["s"]), second)
    arrays = {
        "one": np.array([1]),
        "W2": RANDOM.standard_normal((1, 3 * UNITS, UNITS)).astype(np.float32),
    }
    model = build("GRU", outputs=("Y",), after=tail, arrays=arrays, graph_outputs=("Y2",))
    right = onnx_cells.from_onnx
    monkeypatch.setattr(
        onnx_cells,
        "from_onnx",
        lambda cell, a: (
            a.astype(float)
            if a.shape == (9, UNITS) and a is not None and np.array_equal(a, arrays["W2"][0])
            else right(cell, a)
        ),
    )
    with pytest.raises(Rnn2cError, match="layer 'two': the imported model differs from onnxrunt"):
        load(save(model, tmp_path))


def test_without_onnxruntime_the_model_says_so(tmp_path, monkeypatch):
    from rnn2c.frontend import crosscheck

    monkeypatch.setattr(crosscheck.importlib.util, "find_spec", lambda name: None)
    loaded = load(save(build(), tmp_path))
    assert loaded.cross_check == "not cross-checked: onnxruntime is not installed"


def test_loading_imports_neither_torch_nor_onnxruntime(tmp_path):
    path = save(build(), tmp_path)
    code = (
        "import sys, rnn2c.frontend as f\n"
        "assert 'onnx' not in sys.modules\n"
        f"f.load({str(path)!r}, cross_check=False)\n"
        "print([m for m in ('torch', 'onnxruntime', 'onnx.reference') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
