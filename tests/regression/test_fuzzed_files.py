"""What fuzzing of model files found: one test per kind of escape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load


def model(*nodes: onnx.NodeProto, **arrays: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", 1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("good", "bad"), [(b"/named", b"/n\xffmed"), (b"Relu", b"R\xfflu"), (b"middle", b"mi\xffdle")]
)
def test_names_that_are_no_utf8(good: bytes, bad: bytes, tmp_path: Path):
    nodes = (
        helper.make_node("Relu", ["x"], ["middle"], name="/named/Relu"),
        helper.make_node("Tanh", ["middle"], ["y"], name="last"),
    )
    data = model(*nodes).SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(data.replace(good, bad))
    with pytest.raises(Rnn2cError, match=r"^node .* is no UTF-8 text; export the model again$"):
        load(path, cross_check=False)


def test_cast_of_a_constant_that_does_not_fit(tmp_path: Path):
    nodes = (
        helper.make_node("Cast", ["large"], ["shape"], name="cast", to=TensorProto.INT64),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model(*nodes, large=np.array([1e25], np.float32)).SerializeToString())
    with pytest.raises(Rnn2cError, match=r"'cast' .Cast.*do not fit"):
        load(path, cross_check=False)


def test_signalling_nan_gives_no_warning(tmp_path: Path):
    weights = np.array([0x7F800001, 0], "<u4").view("<f4").reshape(2, 1)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = tmp_path / "model.onnx"
    path.write_bytes(model(node, w=weights).SerializeToString())
    with pytest.raises(Rnn2cError, match=r"'w': element \[0, 0\] is nan"):
        load(path, cross_check=False)
