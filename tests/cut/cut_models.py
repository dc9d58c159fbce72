"""A network behind and before operators that no front end reads, to be cut out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FEATURES, UNITS = 3, 5
RNG = np.random.default_rng(11)


def info(name: str, shape: list[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def weights() -> dict[str, np.ndarray]:
    shapes = {
        "W": (1, 3 * UNITS, FEATURES), "R": (1, 3 * UNITS, UNITS), "B": (1, 6 * UNITS),
        "fc": (UNITS, 2), "outside": (4, FEATURES),
    }  # fmt: skip
    return {n: RNG.normal(size=s).astype(np.float32) / 2 for n, s in shapes.items()}


def surrounded(first: str = "Sin", *, value_info: bool = False) -> onnx.ModelProto:
    """signal -> FIRST -> MatMul -> features -> GRU -> seq -> MatMul -> scores -> Cos -> late."""
    nodes = [
        helper.make_node(first, ["signal"], ["raw"], domain="" if first == "Sin" else "vendor"),
        helper.make_node("MatMul", ["raw", "outside"], ["features"]),
        helper.make_node(
            "GRU", ["features", "W", "R", "B"], ["all", "final"], hidden_size=UNITS,
            linear_before_reset=1, name="/cell/GRU",
        ),
        helper.make_node("Squeeze", ["all", "one"], ["seq"]),
        helper.make_node("MatMul", ["seq", "fc"], ["scores"]),
        helper.make_node("Cos", ["scores"], ["late"]),
        helper.make_node("Sin", ["final"], ["late_final"]),
    ]  # fmt: skip
    constants = {**weights(), "one": np.array([1], np.int64)}
    graph = helper.make_graph(
        nodes,
        "surrounded",
        [info("signal", ["T", 1, 4])],
        [info("late", ["T", 1, 2]), info("late_final", [1, 1, UNITS])],
        [numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    if value_info:
        graph.value_info.append(info("features", ["T", 1, FEATURES]))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("vendor", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "net.onnx"
    onnx.save(model, path)
    return path


def tensors_of(model: onnx.ModelProto, wanted: list[str], steps: int = 6) -> dict[str, np.ndarray]:
    """Any tensors of the whole graph on random input, as onnxruntime computes them."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.extend(onnx.ValueInfoProto(name=n) for n in wanted)
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = {"signal": RNG.normal(size=(steps, 1, 4)).astype(np.float32)}
    return dict(zip(wanted, session.run(wanted, feed), strict=True))
