"""Whatever is not supported is refused in one line that names the culprit."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from onnx_models import FEATURES, STEPS, UNITS, build, save
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load

LENGTH = {"len": np.array([STEPS + 1], np.int32)}

REFUSED = {
    "direction": ({"direction": "both"}, "direction 'both'; expected forward, reverse, bidirect"),
    "bidirectional": (
        {"direction": "bidirectional"},
        r"W 'W' has shape \[1, 12, 2\], expected \[2, 12, ",
    ),
    "unknown attribute": ({"wibble": 1}, "attribute 'wibble'"),
    "attribute type": ({"clip": "x"}, "attribute clip has the wrong type"),
    "layout": ({"layout": 7}, "layout=7"),
    "hidden_size": ({"hidden_size": 5}, r"W 'W' has shape \[1, 12, 2\], expected \[1, 20, "),
    "hidden_size zero": ({"hidden_size": 0}, "hidden_size=0"),
    "R shape": (
        {"arrays": {"R": np.zeros((1, 12, 4), np.float32)}},
        r"R 'R' has shape \[1, 12, 4\], expected \[1, 12, 3\]",
    ),
    "B shape": ({"arrays": {"B": np.zeros((1, 12), np.float32)}}, r"B 'B' has shape \[1, 12\]"),
    "input size": ({"shape": (STEPS, 1, 5)}, "X has 5 features, W .* expects 2"),
    "batch": ({"shape": (STEPS, 8, FEATURES)}, "batch size 8"),
    "no steps": ({"shape": (0, 1, FEATURES)}, "size 0"),
    "rank": ({"shape": (STEPS, FEATURES)}, "2 dimensions, expected 3"),
    "dynamic features": ({"shape": (STEPS, 1, "f")}, "input 'X': the last dimension must be"),
    "sequence_lens": (
        {"inputs": ("X", "W", "R", "B", "len"), "arrays": LENGTH},
        r"sequence_lens '5'; expected a length of at most all steps",
    ),
    "missing tensor": ({"inputs": ("X", "nope", "R")}, "reads 'nope', which nothing before it"),
    "computed weight": ({"inputs": ("X", "X", "R")}, "weight W 'X' is not a constant"),
    "nan": (
        {"arrays": {"W": np.full((1, 12, 2), np.nan, np.float32)}},
        r"initializer 'W': element \[0, 0, 0\] is nan",
    ),
    "double": ({"arrays": {"W": np.zeros((1, 12, 2))}}, "weight W 'W' has type float64"),
    "opset": ({"opset": 999}, "opset 999"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_recurrent_node(case, tmp_path):
    options, message = REFUSED[case]
    with pytest.raises(Rnn2cError, match=message) as caught:
        load(save(build("LSTM", **options), tmp_path))
    assert "\n" not in str(caught.value)


TAILS = {
    "unknown operator": (helper.make_node("Evil", ["Y"], ["z"]), "Evil.*supported are Abs, Add"),
    "unknown domain": (helper.make_node("Relu", ["Y"], ["z"], domain="com.x"), "com.x.Relu"),
    "hardmax": (helper.make_node("Hardmax", ["Y"], ["z"]), "Hardmax"),
    "softmax axis": (helper.make_node("Softmax", ["Y"], ["z"], axis=0), "axis 0; only the feat"),
    "second step": (helper.make_node("Gather", ["Y", "one"], ["z"]), "time step 1; supported are"),
    "features": (
        helper.make_node("Gather", ["Y", "six"], ["z"], axis=3),
        r"picks \[6, 2\] of 3 features",
    ),
    "window": (helper.make_node("Flatten", ["Y"], ["z"], axis=0), r"flattens \[4, 1, 1, 3\]"),
    "range": (helper.make_node("Slice", ["Y", "zero1", "two"], ["z"]), "slices 0:2"),
    "reshape": (helper.make_node("Reshape", ["Y", "six"], ["z"]), "reshapes"),
    "state to step": (
        helper.make_node("Add", ["Y", "Y_h"], ["z"]),
        "both must be per step or both",
    ),
    "quotient": (helper.make_node("Div", ["bias", "Y"], ["z"]), "reciprocal is supported only"),
    "zero divisor": (helper.make_node("Div", ["Y", "bias"], ["z"]), "divides by zero"),
    "constant sum": (helper.make_node("Add", ["Y", "W"], ["z"]), r"shape \[1, 12, 2\] for 3"),
    "redefinition": (helper.make_node("Relu", ["Y"], ["Y"]), "'Y' is defined a second time"),
    "bomb": (
        helper.make_node("ConstantOfShape", ["huge"], ["z"]),
        r"output 'z': makes a constant of 1073741824 elements; at most",
    ),
    "malformed": (helper.make_node("Reshape", ["W", "six"], ["z"]), "malformed inputs"),
    "float cast": (helper.make_node("Cast", ["Y"], ["z"], to=7), "another type"),
    "cell state": (
        helper.make_node("GRU", ["X", "W3", "R3", "", "", "Y_h"], ["z"], hidden_size=UNITS),
        "initial state is computed by layer 'cell.last'",
    ),
}
CONSTANTS = {
    "one": np.array(1),
    "zero1": np.array([0]),
    "two": np.array([2]),
    "six": np.array([6, 2]),
    "bias": np.zeros(UNITS, np.float32),
    "huge": np.array([2**15, 2**15]),
    "W3": np.zeros((1, 9, FEATURES), np.float32),
    "R3": np.zeros((1, 9, UNITS), np.float32),
}


@pytest.mark.parametrize("case", TAILS)
def test_node_after_the_cell(case, tmp_path):
    node, message = TAILS[case]
    with pytest.raises(Rnn2cError, match=message):
        load(save(build(after=(node,), arrays=CONSTANTS, graph_outputs=("z",)), tmp_path))


def test_many_small_constants_share_one_budget(tmp_path):
    nodes = tuple(
        helper.make_node("ConstantOfShape", ["million"], [f"k{k}"], name=f"n{k}") for k in range(9)
    )
    model = build(after=nodes, arrays={"million": np.array([10**6])})
    with pytest.raises(Rnn2cError, match=r"node 'n4' .* makes a constant of 1000000 elements"):
        load(save(model, tmp_path))


def test_one_matrix_used_many_times_is_bounded(tmp_path):
    nodes = tuple(helper.make_node("MatMul", ["Y", "M"], [f"k{k}"]) for k in range(40))
    model = build(after=nodes, arrays={"M": np.zeros((UNITS, 10**6), np.float32)})
    with pytest.raises(Rnn2cError, match="more than 33554432 weights"):
        load(save(model, tmp_path))


def damaged():
    good = build()
    data = good.SerializeToString()
    external = build()
    tensor = external.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    lying = build()
    lying.graph.initializer[0].dims[0] = 2**40
    sparse = build()
    sparse.graph.sparse_initializer.add().values.name = "SP"
    twice = build()
    twice.graph.initializer.append(twice.graph.initializer[0])
    unused = build()
    unused.graph.input.append(helper.make_tensor_value_info("u", TensorProto.FLOAT, [1, 3]))
    text = build()
    text.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    silent = build()
    del silent.graph.output[:]
    return {
        "empty": (b"", "holds no ONNX graph"),
        "truncated": (data[: len(data) // 2], "not an ONNX file|damaged"),
        "text": (b"hello world", "not an ONNX file|damaged"),
        "junk": (data + b"\xff" * 9, "not an ONNX file|damaged"),
        "external": (external.SerializeToString(), "initializer 'W': external data is not read"),
        "dimensions": (lying.SerializeToString(), "initializer 'W': dimensions .* need"),
        "sparse": (sparse.SerializeToString(), "sparse initializer 'SP'"),
        "duplicate": (twice.SerializeToString(), "initializer 'W' is defined twice"),
        "unused input": (unused.SerializeToString(), "input 'u': no output depends on it"),
        "string input": (text.SerializeToString(), "input 'X': element type string"),
        "no output": (silent.SerializeToString(), "no output"),
    }


@pytest.mark.parametrize("case", damaged())
def test_damaged_file(case, tmp_path):
    data, message = damaged()[case]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(Rnn2cError, match=message):
        load(path)


def test_paths(tmp_path):
    with pytest.raises(Rnn2cError, match="no such file"):
        load(tmp_path / "absent.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(Rnn2cError, match="not a regular file"):
        load(tmp_path / "folder.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(Rnn2cError, match="not a regular file"):
        load(tmp_path / "pipe.onnx")
    with pytest.raises(Rnn2cError, match=r"not an \.onnx, \.pt2, \.keras or \.h5 file"):
        load(tmp_path / "model.txt")
    with pytest.raises(Rnn2cError, match="cannot load a int"):
        load(3)


@pytest.mark.parametrize("suffix", ["pt", "pth"])
def test_weights_without_their_module(suffix, tmp_path):
    path = tmp_path / f"model.{suffix}"
    with pytest.raises(Rnn2cError, match="no such file"):
        load(path)
    torch.save(nn.GRU(2, 3).state_dict(), path)
    with pytest.raises(Rnn2cError, match=r"--module .*or export the model to ONNX"):
        load(path)


def test_names_cannot_break_the_line(tmp_path):
    model = build()
    model.graph.node[0].name = "a\nb\u2028c" + "x" * 500
    model.graph.node[0].attribute.add(name="wibble\n", type=2)
    with pytest.raises(Rnn2cError) as caught:
        load(save(model, tmp_path))
    assert re.fullmatch(r"[^\n\u2028]{1,400}", str(caught.value))


class Wrapped(nn.Module):
    def __init__(self, cell: nn.Module, use) -> None:
        super().__init__()
        self.cell, self.use = cell, use

    def forward(self, x):
        return self.use(self.cell(x))


MODULES = {
    "operator": (nn.GRU(2, 3), lambda r: r[0].cumsum(0), "cumsum.*not supported; supported are"),
    "cumsum": (nn.GRU(2, 3), lambda r: r[0].cumsum(-1), "cumsum"),
    "softmax dim": (nn.GRU(2, 3), lambda r: r[0].softmax(0), "axis 0; only the features"),
    "live dropout": (
        nn.GRU(2, 3),
        lambda r: nn.functional.dropout(r[0], 0.5, training=True),
        "dropout is on",
    ),
    "step": (nn.GRU(2, 3), lambda r: r[0][1], "time step 1; supported are"),
}


@pytest.mark.parametrize("case", MODULES)
def test_module(case):
    cell, use, message = MODULES[case]
    with pytest.raises(Rnn2cError, match=message):
        load(Wrapped(cell, use), torch.randn(4, 1, 2))


def test_module_arguments():
    with pytest.raises(Rnn2cError, match="needs example_input"):
        load(nn.GRU(2, 3))
    with pytest.raises(Rnn2cError, match="batch size 5"):
        load(nn.GRU(2, 3), torch.randn(4, 5, 2))
    with pytest.raises(Rnn2cError, match=r"torch\.export cannot record"):
        load(nn.GRU(2, 3), torch.randn(4, 1, 7))
