"""A small ONNX model for the tests of the command line, and the types of the `cli` fixture."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def gru(inputs: int, units: int) -> onnx.ModelProto:
    """An ONNX GRU with linear_before_reset, time-major, batch 1."""
    rng = np.random.default_rng(0)
    shapes = {"W": (1, 3 * units, inputs), "R": (1, 3 * units, units), "B": (1, 6 * units)}
    weights = [
        numpy_helper.from_array(rng.uniform(-0.5, 0.5, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    node = helper.make_node(
        "GRU", ["x", "W", "R", "B"], ["", "h"], hidden_size=units, linear_before_reset=1
    )
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", 1, inputs])],
        [helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, 1, units])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
