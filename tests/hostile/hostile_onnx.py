"""ONNX models with one LSTM and one thing wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, UNITS, STEPS = 2, 3, 4
ROWS = 4 * UNITS


def lstm(
    *,
    arrays: dict[str, np.ndarray] | None = None,
    inputs: Sequence[str] = ("X", "W", "R"),
    shape: Sequence[int | str] = (STEPS, 1, FEATURES),
    before: Sequence[onnx.NodeProto] = (),
    names: dict[str, str] | None = None,
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
    **attributes: object,
) -> onnx.ModelProto:
    """X [T, 1, 2] -> LSTM -> Y.  names: X, W, Y, node, graph -> a name to use instead."""
    random = np.random.default_rng(0)
    held = {
        "W": random.standard_normal((1, ROWS, FEATURES)).astype(np.float32),
        "R": random.standard_normal((1, ROWS, UNITS)).astype(np.float32),
        **(arrays or {}),
    }
    called = {"X": "X", "W": "W", "Y": "Y", "node": "cell", "graph": "g", **(names or {})}
    attributes = {"hidden_size": UNITS, **attributes}
    node = helper.make_node(
        "LSTM", [called.get(i, i) for i in inputs], [called["Y"]], name=called["node"], **attributes
    )
    graph = helper.make_graph(
        [*before, node],
        called["graph"],
        [helper.make_tensor_value_info(called["X"], kind, shape)],
        [helper.make_tensor_value_info(called["Y"], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(a, called.get(n, n)) for n, a in held.items()],
        doc_string=called["graph"],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def external(location: str, offset: int = 0, *, attribute: bool = False) -> onnx.ModelProto:
    """W, or the value of a Constant node, lives in another file."""
    tensor = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[1, ROWS, FEATURES])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", "96")):
        tensor.external_data.add(key=key, value=value)
    if attribute:
        node = helper.make_node("Constant", [], ["K"], name="W_constant")
        node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
        return lstm(before=[node], inputs=("X", "K", "R"))
    model = lstm()
    model.graph.initializer[0].CopyFrom(tensor)
    return model


def with_dims(dims: Sequence[int]) -> onnx.ModelProto:
    """W claims other dimensions than its bytes have."""
    model = lstm()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    return model


def weight(index: tuple[int, int, int], value: float) -> onnx.ModelProto:
    """One element of W is `value`."""
    w = np.zeros((1, ROWS, FEATURES), np.float32)
    w[index] = value
    return lstm(arrays={"W": w})


def fold(operator: str, inputs: Sequence[str], shape: Sequence[int]) -> onnx.ModelProto:
    """A few bytes that unfold to many: `operator` makes the constant `big`, used as h0."""
    node = helper.make_node(operator, list(inputs), ["big"], name="bomb")
    arrays = {
        "shape": np.array(shape, np.int64),
        "zero": np.int64(0), "far": np.int64(2**40), "one": np.int64(1),
    }  # fmt: skip
    return lstm(before=[node], arrays=arrays, inputs=("X", "W", "R", "", "", "big"))


def quantized(scale: float, zero: np.generic) -> onnx.ModelProto:
    """X through QuantizeLinear and DequantizeLinear."""
    nodes = [
        helper.make_node("QuantizeLinear", ["X", "s", "z"], ["q"], name="quant"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["Q"]),
    ]
    arrays = {"s": np.float32(scale), "z": zero}
    return lstm(before=nodes, inputs=("Q", "W", "R"), arrays=arrays)


def control_flow(operator: str, depth: int) -> onnx.ModelProto:
    """`operator` with a body that holds the same operator, `depth` times."""
    graph = helper.make_graph([helper.make_node("Identity", ["X"], ["b"])], "body", [], [])
    for level in range(depth):
        node = helper.make_node(operator, ["X"], [f"n{level}"], name="flow", body=graph)
        graph = helper.make_graph([node], "body", [], [])
    return lstm(before=graph.node)


def bottomless(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph, and so on; no library writes such bytes."""
    data = b""
    for _ in range(depth):
        for field in (1, 5, 6):  # graph.node, node.attribute, attribute.g, from the outside in
            data = bytes([field << 3 | 2]) + _varint(len(data)) + data
    return bytes([7 << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes([low | 0x80]) + _varint(number >> 7) if number > 0x7F else bytes([low])
