"""ONNX models with integer weights and rounded activations, made here and by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization as ort

ROWS = {"LSTM": 4, "GRU": 3, "RNN": 1}
INPUTS, UNITS, OUTPUTS, STEPS = 3, 5, 4, 6


def codes(shape: Sequence[int], kind: str = "int8", seed: int = 0, most: int = 127) -> np.ndarray:
    """Integers over the range of a type; those of 4 bits as onnx wants them."""
    span = {"int8": (-128, 127), "uint8": (0, 255), "int4": (-8, 7), "uint4": (0, 15)}
    lo, hi = span.get(kind, (-most, most))
    drawn = np.random.default_rng(seed).integers(lo, hi + 1, shape)
    return drawn.astype(helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(kind.upper())))


def save(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    arrays: dict[str, np.ndarray],
    *,
    opset: int = 21,
    shape: Sequence[int | str] = (STEPS, 1, INPUTS),
    name: str = "q",
    tokens: bool = False,
) -> Path:
    """x, numbers or tokens -> nodes -> y, in a file."""
    kind = TensorProto.INT64 if tokens else TensorProto.FLOAT
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    path = folder / f"{name}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=10), path)
    return path


def dequantize(name: str, *, zero: bool = False, **attributes: int) -> onnx.NodeProto:
    """NAME_q, NAME_s (and NAME_z) -> NAME."""
    inputs = [f"{name}_q", f"{name}_s", *([f"{name}_z"] if zero else [])]
    return helper.make_node("DequantizeLinear", inputs, [name], name=f"dq_{name}", **attributes)


def fake(source: str, result: str, name: str) -> list[onnx.NodeProto]:
    """SOURCE -> QuantizeLinear -> DequantizeLinear -> RESULT, with NAME_s and NAME_z."""
    number = [f"{name}_s", f"{name}_z"]
    return [
        helper.make_node("QuantizeLinear", [source, *number], [f"{name}_i"], name=f"q_{name}"),
        helper.make_node("DequantizeLinear", [f"{name}_i", *number], [result], name=f"d_{name}"),
    ]


def cell(
    folder: Path, kind: str, integers: str = "int8", *, per_row: bool = True, **attributes: int
) -> tuple[Path, dict[str, np.ndarray]]:
    """A cell whose W and R are dequantized constants; also the integers, [rows, columns]."""
    rows = ROWS[kind] * UNITS
    random = np.random.default_rng(1)
    w, r = codes((1, rows, INPUTS), integers), codes((1, rows, UNITS), integers, seed=2)
    count = rows if per_row else 1
    step = 0.7 / 2 ** (4 if "4" in integers else 8)
    arrays = {
        "W_q": w, "W_s": (step * random.uniform(0.5, 1.0, count)).astype(np.float32),
        "R_q": r, "R_s": (step * random.uniform(0.5, 1.0, count)).astype(np.float32),
        "B": random.normal(0, 0.2, (1, 2 * rows)).astype(np.float32),
    }  # fmt: skip
    middle = {"uint8": 128, "uint4": 8}.get(integers)
    if middle is not None:
        arrays |= {f"{n}_z": np.full(count, middle).astype(w.dtype) for n in "WR"}
    if not per_row:
        arrays |= {n: a.reshape(()) for n, a in arrays.items() if n[-2:] in ("_s", "_z")}
    axis = {"axis": 1} if per_row else {}
    nodes = [dequantize(n, zero=middle is not None, **axis) for n in "WR"]
    nodes += [
        helper.make_node(kind, ["x", "W", "R", "B"], ["h"], hidden_size=UNITS, **attributes),
        helper.make_node("Squeeze", ["h", "one"], ["y"]),
    ]
    arrays["one"] = np.array([1], np.int64)
    plain = {n: a[0].astype(np.int64) - (middle or 0) for n, a in (("W", w), ("R", r))}
    return save(folder, nodes, arrays), plain


def float_network(folder: Path, kind: str = "LSTM") -> Path:
    """A cell, then MatMul and Add, in float32."""
    random = np.random.default_rng(4)
    rows = ROWS[kind] * UNITS
    arrays = {
        "W": random.normal(0, 0.5, (1, rows, INPUTS)), "R": random.normal(0, 0.4, (1, rows, UNITS)),
        "B": random.normal(0, 0.2, (1, 2 * rows)), "M": random.normal(0, 0.5, (UNITS, OUTPUTS)),
        "b": random.normal(0, 0.2, OUTPUTS),
    }  # fmt: skip
    arrays = {n: a.astype(np.float32) for n, a in arrays.items()}
    arrays["one"] = np.array([1], np.int64)
    nodes = [
        helper.make_node(kind, ["x", "W", "R", "B"], ["h"], hidden_size=UNITS, name="cell"),
        helper.make_node("Squeeze", ["h", "one"], ["f"], name="squeeze"),
        helper.make_node("MatMul", ["f", "M"], ["m"], name="head"),
        helper.make_node("Add", ["m", "b"], ["y"], name="add"),
    ]
    return save(folder, nodes, arrays, opset=17, name="float")


class Data(ort.CalibrationDataReader):
    """Normal noise."""

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        shape = (STEPS, 1, INPUTS)
        self.left = [{"x": random.normal(size=shape).astype(np.float32)} for _ in range(4)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.left.pop() if self.left else None
