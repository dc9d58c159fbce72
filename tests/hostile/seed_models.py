"""Valid ONNX models to mutate: between them, every kind of layer that is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import onnx
from hostile_onnx import FEATURES, STEPS, UNITS, lstm
from onnx import TensorProto, helper, numpy_helper

Nodes = Sequence[tuple[str, Sequence[str], Sequence[str], dict[str, object]]]


def with_head() -> onnx.ModelProto:
    """Layout operators, folded shapes, a linear layer and softmax around the LSTM."""
    nodes: Nodes = [
        ("LSTM", ["X", "W", "R"], ["Y"], {"hidden_size": UNITS}),
        ("Squeeze", ["Y", "axes"], ["s"], {}), ("Gather", ["s", "last"], ["g"], {"axis": 0}),
        ("Shape", ["X"], ["xs"], {}), ("ConstantOfShape", ["shape"], ["zeros"], {}),
        ("Concat", ["shape", "xs"], ["c"], {"axis": 0}), ("Cast", ["c"], ["f"], {"to": 7}),
        ("Gemm", ["g", "fc.weight", "fc.bias"], ["l"], {"transB": 1}),
        ("Softmax", ["l"], ["p"], {"axis": -1}), ("Transpose", ["p"], ["t"], {"perm": [0, 1]}),
        ("Reshape", ["t", "r"], ["out"], {}),
    ]  # fmt: skip
    arrays = {
        **cell("LSTM"), "axes": np.array([1]), "last": np.array(-1),
        "shape": np.array([1, 1, UNITS]), "fc.weight": np.ones((2, UNITS), np.float32),
        "fc.bias": np.ones(2, np.float32), "r": np.array([1, 2]),
    }  # fmt: skip
    return graph(nodes, arrays, ["T", 1, FEATURES])


def two_directions() -> onnx.ModelProto:
    """Every optional input and attribute of an LSTM; a reverse GRU and an RNN after it."""
    names = ["HardSigmoid", "Tanh", "Affine", "Sigmoid", "Softsign", "Tanh"]
    optional = ["b_B", "lens", "h0", "c0", "b_P"]
    nodes: Nodes = [
        ("LSTM", ["X", "b_W", "b_R", *optional], ["Y"],
         {"hidden_size": UNITS, "direction": "bidirectional", "activations": names, "clip": 2.0,
          "activation_alpha": [0.3, 0.9], "activation_beta": [0.4, 0.1]}),
        ("Transpose", ["Y"], ["t"], {"perm": [0, 2, 1, 3]}),
        ("Reshape", ["t", "joined"], ["j"], {}),
        ("GRU", ["j", "W", "R"], ["g", "gh"],
         {"hidden_size": UNITS, "direction": "reverse", "linear_before_reset": 1}),
        ("Squeeze", ["g", "one"], ["gs"], {}),
        ("RNN", ["gs", "n_W", "n_R"], ["n"], {"hidden_size": UNITS, "activations": ["Relu"]}),
        ("Squeeze", ["n", "one"], ["out"], {}),
    ]  # fmt: skip
    both = {f"b_{k}": a for k, a in cell("LSTM", directions=2, optional=True).items()}
    states = {k: np.full((2, 1, UNITS), 0.5, np.float32) for k in ("h0", "c0")}
    arrays = {
        **both, **states, **cell("GRU", 2 * UNITS), "lens": np.array([3], np.int32),
        "joined": np.array([0, 0, -1]), "one": np.array([1]),
        **{f"n_{k}": a for k, a in cell("RNN", UNITS).items()},
    }  # fmt: skip
    return graph(nodes, arrays, [STEPS, 1, FEATURES])


def with_convolutions() -> onnx.ModelProto:
    """Convolutions and pooling in front of a GRU, the mean over time behind it."""
    nodes: Nodes = [
        ("Conv", ["X", "k", "kb"], ["a"], {"kernel_shape": [3], "pads": [2, 0]}),
        ("BatchNormalization", ["a", "one4", "kb", "kb", "one4"], ["n"], {"epsilon": 1e-5}),
        ("Relu", ["n"], ["b"], {}),
        ("Conv", ["b", "d"], ["e"], {"group": 4, "dilations": [2], "pads": [2, 0]}),
        ("MaxPool", ["e"], ["m"], {"kernel_shape": [2], "strides": [2]}),
        ("Transpose", ["m"], ["t"], {"perm": [2, 0, 1]}),
        ("GRU", ["t", "W", "R"], ["Y"], {"hidden_size": UNITS}),
        ("Squeeze", ["Y", "one"], ["s"], {}),
        ("ReduceMean", ["s"], ["out"], {"axes": [0], "keepdims": 0}),
    ]
    random = np.random.default_rng(2)
    arrays = {
        **cell("GRU", 4), "k": random.normal(size=(4, FEATURES, 3)), "kb": np.zeros(4),
        "one4": np.ones(4), "d": random.normal(size=(4, 1, 2)), "one": np.array([1]),
    }  # fmt: skip
    return graph(nodes, arrays, [1, FEATURES, 8])


def with_tokens() -> onnx.ModelProto:
    """An embedding, LayerNormalization, several branches."""
    nodes: Nodes = [
        ("Gather", ["table", "X"], ["e"], {}),
        ("LayerNormalization", ["e", "g", "g"], ["n"], {"axis": -1, "epsilon": 1e-5}),
        ("LSTM", ["n", "W", "R"], ["Y"], {"hidden_size": UNITS}),
        ("Squeeze", ["Y", "one"], ["s"], {}),
        ("Concat", ["s", "n"], ["c"], {"axis": -1}),
        ("Split", ["c", "parts"], ["l", "r"], {"axis": -1}),
        ("MatMul", ["l", "fc"], ["m"], {}), ("Tanh", ["r"], ["q"], {}),
        ("Clip", ["m", "low", "high"], ["k"], {}), ("LogSoftmax", ["k"], ["out"], {"axis": -1}),
        ("ReduceMax", ["q"], ["out2"], {"axes": [0], "keepdims": 0}),
    ]  # fmt: skip
    random = np.random.default_rng(3)
    arrays = {
        **cell("LSTM", 4), "table": random.normal(size=(11, 4)), "g": np.ones(4),
        "one": np.array([1]), "parts": np.array([UNITS, 4]), "fc": random.normal(size=(UNITS, 2)),
        "low": np.float32(-1), "high": np.float32(1),
    }  # fmt: skip
    return graph(nodes, arrays, [STEPS, 1], TensorProto.INT64, ("out", "out2"))


def with_quantized_weights() -> onnx.ModelProto:
    """QuantizeLinear and DequantizeLinear of values and weights, per tensor and per axis."""
    nodes: Nodes = [
        ("QuantizeLinear", ["X", "s", "z"], ["q"], {}),
        ("DequantizeLinear", ["q", "s", "z"], ["x"], {}),
        ("LSTM", ["x", "W", "R"], ["Y"], {"hidden_size": UNITS}),
        ("Squeeze", ["Y", "one"], ["h"], {}),
        ("DequantizeLinear", ["w", "ws", "wz"], ["wf"], {"axis": 0}),
        ("Gemm", ["h2", "wf"], ["out"], {"transB": 1}),
    ]
    nodes = [*nodes[:4], ("Squeeze", ["h", "one"], ["h2"], {}), *nodes[4:]]
    arrays = {
        **cell("LSTM"), "s": np.float32(0.05), "z": np.int8(3), "one": np.array([1]),
        "w": np.arange(-3, 3, dtype=np.int8).reshape(2, UNITS),
        "ws": np.array([0.1, 0.2], np.float32), "wz": np.zeros(2, np.int8),
    }  # fmt: skip
    return graph(nodes, arrays, [STEPS, 1, FEATURES])


MODELS: tuple[Callable[[], onnx.ModelProto], ...] = (
    lstm, with_head, two_directions, with_convolutions, with_tokens, with_quantized_weights,
)  # fmt: skip


@cache
def seeds() -> tuple[bytes, ...]:
    """The models as bytes."""
    return tuple(made().SerializeToString() for made in MODELS)


def renamed(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Whatever has a name gets one of `names`, by turns, with its own name at the end."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    new: dict[str, str] = {"": ""}

    def called(name: str) -> str:
        return new.setdefault(name, names[len(new) % len(names)] + name)

    for thing in (*made.graph.input, *made.graph.output, *made.graph.initializer):
        thing.name = called(thing.name)
    for node in made.graph.node:
        node.name = called(node.name)
        node.input[:] = [called(n) for n in node.input]
        node.output[:] = [called(n) for n in node.output]
    made.graph.name = made.graph.doc_string = made.producer_name = names[0]
    return made


def cell(
    operator: str, features: int = FEATURES, directions: int = 1, optional: bool = False
) -> dict[str, np.ndarray]:
    """W and R, optionally B and P."""
    random = np.random.default_rng(1)
    rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator] * UNITS
    shapes = {"W": (rows, features), "R": (rows, UNITS)}
    if optional:
        shapes |= {"B": (2 * rows,), "P": (3 * UNITS,)}
    return {k: random.standard_normal((directions, *s)) for k, s in shapes.items()}


def graph(
    nodes: Nodes,
    arrays: dict[str, np.ndarray],
    shape: Sequence[int | str],
    kind: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("out",),
) -> onnx.ModelProto:
    """X of this shape through the nodes; reals become float32."""
    made = [helper.make_node(o, i, r, name=f"n{k}", **a) for k, (o, i, r, a) in enumerate(nodes)]
    held = [
        numpy_helper.from_array(a.astype(np.float32) if a.dtype == np.float64 else a, n)
        for n, a in arrays.items()
    ]
    whole = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("X", kind, shape)],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        held,
    )
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
