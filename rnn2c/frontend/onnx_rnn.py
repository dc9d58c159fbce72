"""The recurrent ONNX operators: LSTM, GRU and RNN, forward direction.

Every attribute and optional input that changes the result is either used or refused by name
(https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html, onnx__RNN.html).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.cell_functions import onnx_functions
from rnn2c.frontend.cells import CELLS, CellForm, CellWeights
from rnn2c.frontend.gates import GATE_COUNT, Cell, from_onnx
from rnn2c.frontend.onnx_node import Node, Operator
from rnn2c.frontend.values import Constant, Operand, Value, quoted
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Tensor

COMMON = (
    "activations",
    "activation_alpha",
    "activation_beta",
    "clip",
    "direction",
    "hidden_size",
    "layout",
)


def state_hidden_size(graph: onnx.GraphProto, constants: Mapping[str, Constant]) -> None:
    """Write the optional hidden_size where a file leaves it out: onnxruntime needs it."""
    for node in graph.node:
        known = any(a.name == "hidden_size" for a in node.attribute)
        weight = constants.get(node.input[2]) if len(node.input) > 2 else None
        if node.op_type in OPERATORS and not known and weight is not None and weight.ndim == 3:
            node.attribute.append(onnx.helper.make_attribute("hidden_size", weight.shape[2]))


def lstm(builder: Builder, node: Node) -> Sequence[Operand]:
    """LSTM, with peepholes and with coupled gates too."""
    coupled = node.integer("input_forget", 0)
    if coupled not in (0, 1):
        raise node.refuse(f"input_forget={coupled}; 0 and 1 are supported")
    form = replace(_form(node, "LSTM"), coupled=bool(coupled))
    return _recurrent(builder, node, "LSTM", (node.optional(5), node.optional(6)), form)


def gru(builder: Builder, node: Node) -> Sequence[Operand]:
    """GRU, reset before or after the recurrent product."""
    reset = node.integer("linear_before_reset", 0)
    if reset not in (0, 1):
        raise node.refuse(f"linear_before_reset={reset}; 0 and 1 are supported")
    form = replace(_form(node, "GRU"), reset_after=bool(reset))
    return _recurrent(builder, node, "GRU", (node.optional(5),), form)


def rnn(builder: Builder, node: Node) -> Sequence[Operand]:
    """Elman RNN."""
    return _recurrent(builder, node, "RNN", (node.optional(5),), _form(node, "RNN"))


def _form(node: Node, cell: Cell) -> CellForm:
    """Activations and clip."""
    # First, for a bidirectional layer lists its activations twice.
    _check_attributes(node)
    usual = CELLS[cell].usual
    names = node.strings("activations")
    if names is not None and len(names) != len(usual):
        raise node.refuse(
            f"{len(names)} activations ({quoted(', '.join(names))}); one direction of"
            f" {cell} has {len(usual)}"
        )
    names = [f.function for f in usual] if names is None else names
    alpha, beta = (node.floats(f"activation_{n}") or () for n in ("alpha", "beta"))
    functions = onnx_functions(names, alpha, beta, node.where)
    clip = node.real("clip", math.inf)
    if not clip > 0:
        raise node.refuse(f"clip={clip:g}; it must be above 0")
    return CellForm(activations=functions, clip=clip)


def _recurrent(
    builder: Builder,
    node: Node,
    cell: Cell,
    state: Sequence[Operand | None],
    form: CellForm,
) -> Sequence[Operand]:
    batch_first = _layout(node)
    weights = _weights(node, cell)
    x = node.value(0)
    if len(x.axes) != 3:
        raise node.refuse(f"input X has {len(x.axes)} dimensions, expected 3")
    _check_sequence_lens(node, x.axes[1 if batch_first else 0].size)
    if x.axes[2].size != weights.w_ih.shape[1]:
        raise Rnn2cError(
            f"{node.where}: input X has {x.axes[2].size} features, W [1, "
            f"{', '.join(str(s) for s in weights.w_ih.shape)}] expects {weights.w_ih.shape[1]}"
        )
    layer = builder.recurrent(
        cell,
        node.stem,
        x,
        1 if batch_first else 0,
        weights,
        state,
        node.where,
        form,
    )
    return _outputs(builder, x, layer, batch_first, weights.w_hh.shape[1])


def _outputs(
    builder: Builder, x: Value, layer: graph.Layer, batch_first: bool, units: int
) -> list[Operand]:
    """Y, Y_h and, for an LSTM, Y_c."""
    features = builder.axes.new("feature", units)
    direction = builder.axes.unit()
    rows = (x.axes[0], x.axes[1], direction) if batch_first else (x.axes[0], direction, x.axes[1])
    batch = x.axes[0] if batch_first else x.axes[1]
    final = (batch, direction) if batch_first else (direction, batch)
    outputs: list[Operand] = [Value((layer.name,), (*rows, features))]
    for name in layer.outputs:
        outputs.append(Value((builder.last_step(name),), (*final, features)))
    return outputs


def _check_attributes(node: Node) -> None:
    direction = node.string("direction", "forward")
    if direction != "forward":
        raise node.refuse(f"direction {quoted(direction)} is not supported; use 'forward'")


def _layout(node: Node) -> bool:
    layout = node.integer("layout", 0)
    if layout not in (0, 1):
        raise node.refuse(f"layout={layout}; 0 and 1 are supported")
    return layout == 1


def _check_sequence_lens(node: Node, steps: int | None) -> None:
    if node.optional(4) is None:
        return
    lengths = node.optional(4)
    if isinstance(lengths, Value) or steps is None or lengths is None:
        raise node.refuse("sequence_lens is not supported; run one whole sequence at a time")
    if lengths.dtype == object or np.any(lengths != steps) or lengths.size == 0:
        raise node.refuse(
            f"sequence_lens {lengths.reshape(-1)[:4].tolist()} differs from the {steps} steps; "
            "run one whole sequence at a time"
        )


def _weights(node: Node, cell: Cell) -> CellWeights:
    gates = GATE_COUNT[cell]
    w, r = node.weights(1, "weight W"), node.weights(2, "weight R")
    units = node.integer("hidden_size", r.shape[-1] if r.ndim == 3 else 0)
    if units < 1:
        raise Rnn2cError(f"{node.where}: hidden_size={units}; at least 1 is needed")
    if w.ndim != 3 or w.shape[:2] != (1, gates * units) or w.shape[2] < 1:
        raise _misshapen(node, 1, w, f"[1, {gates * units}, input size]", units)
    if r.shape != (1, gates * units, units):
        raise _misshapen(node, 2, r, f"[1, {gates * units}, {units}]", units)
    bias: FloatArray = np.zeros((1, 2 * gates * units))
    if node.optional(3) is not None:
        bias = node.reals(3, "bias B")
        if bias.shape != (1, 2 * gates * units):
            raise _misshapen(node, 3, bias, f"[1, {2 * gates * units}]", units)
    b_ih, b_hh = np.split(bias[0], 2)
    peepholes = _peepholes(node, units) if cell == "LSTM" else None
    return CellWeights(
        _matrix(node, 1, cell, w),
        _matrix(node, 2, cell, r),
        from_onnx(cell, b_ih),
        from_onnx(cell, b_hh),
        peepholes,
    )


def _peepholes(node: Node, units: int) -> FloatArray | None:
    """P [1, 3 * units] in the order i, o, f, as i, f, o."""
    if node.optional(7) is None:
        return None
    given = node.weights(7, "peepholes P")
    if given.shape != (1, 3 * units):
        raise _misshapen(node, 7, given, f"[1, {3 * units}]", units)
    i, o, f = np.split(np.asarray(given[0], np.float64), 3)
    return np.concatenate([i, f, o])


def _matrix(node: Node, index: int, cell: Cell, weights: Constant) -> FloatArray | Tensor:
    """W or R in our order: as integers where a quantized source gives them."""
    given = node.given(index)
    if given:
        return given.moved(lambda array: from_onnx(cell, array[0])).tensor(node.where)
    return from_onnx(cell, weights[0])


def _misshapen(node: Node, index: int, got: Constant, wanted: str, units: int) -> Rnn2cError:
    letter = {1: "W", 2: "R", 3: "B", 7: "P"}[index]
    return Rnn2cError(
        f"{node.where}: {letter} {quoted(node.input_names[index])} has shape {list(got.shape)}, "
        f"expected {wanted} for hidden_size={units} and one direction"
    )


OPERATORS = {
    "LSTM": Operator(lstm, (*COMMON, "input_forget"), inputs=8),
    "GRU": Operator(gru, (*COMMON, "linear_before_reset"), inputs=6),
    "RNN": Operator(rnn, COMMON, inputs=6),
}
