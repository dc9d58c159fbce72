"""Hand-made ONNX graphs with one recurrent node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FEATURES, UNITS, STEPS = 2, 3, 4


def weights(cell: str, *, bias: bool = True, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = GATES[cell] * UNITS
    shapes = {"W": (1, rows, FEATURES), "R": (1, rows, UNITS)}
    if bias:
        shapes["B"] = (1, 2 * rows)
    return {k: random.standard_normal(s).astype(np.float32) for k, s in shapes.items()}


def build(
    cell: str = "LSTM",
    *,
    inputs: tuple[str, ...] = ("X", "W", "R", "B"),
    outputs: tuple[str, ...] = ("Y", "Y_h"),
    arrays: dict[str, np.ndarray] | None = None,
    shape: tuple[int | str, ...] = (STEPS, 1, FEATURES),
    before: tuple[onnx.NodeProto, ...] = (),
    after: tuple[onnx.NodeProto, ...] = (),
    graph_outputs: tuple[str, ...] | None = None,
    opset: int = 14,
    **attributes: object,
) -> onnx.ModelProto:
    attributes = {"hidden_size": UNITS, **attributes}
    node = helper.make_node(cell, list(inputs), list(outputs), name="cell", **attributes)
    arrays = {**weights(cell), **(arrays or {})}
    graph = helper.make_graph(
        [*before, node, *after],
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in graph_outputs or outputs
            if name
        ],
        [numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path
