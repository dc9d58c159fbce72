"""The recurrent ONNX operators: LSTM, GRU and RNN, in either direction and both.

Every attribute and optional input that changes the result is either used or refused by name
(https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html, onnx__RNN.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import onnx

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.cells import CellForm
from rnn2c.frontend.gates import Cell
from rnn2c.frontend.in_time import final, mask_before, masked
from rnn2c.frontend.onnx_cells import direction_forms, direction_weights
from rnn2c.frontend.onnx_node import Node, Operator
from rnn2c.frontend.values import Axis, Constant, Operand, Value, quoted
from rnn2c.ir import graph

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
    forms = [replace(f, coupled=bool(coupled)) for f in direction_forms(node, "LSTM")]
    return _recurrent(builder, node, "LSTM", (node.optional(5), node.optional(6)), forms)


def gru(builder: Builder, node: Node) -> Sequence[Operand]:
    """GRU, reset before or after the recurrent product."""
    reset = node.integer("linear_before_reset", 0)
    if reset not in (0, 1):
        raise node.refuse(f"linear_before_reset={reset}; 0 and 1 are supported")
    forms = [replace(f, reset_after=bool(reset)) for f in direction_forms(node, "GRU")]
    return _recurrent(builder, node, "GRU", (node.optional(5),), forms)


def rnn(builder: Builder, node: Node) -> Sequence[Operand]:
    """Elman RNN."""
    return _recurrent(builder, node, "RNN", (node.optional(5),), direction_forms(node, "RNN"))


def _recurrent(
    builder: Builder,
    node: Node,
    cell: Cell,
    state: Sequence[Operand | None],
    forms: Sequence[CellForm],
) -> Sequence[Operand]:
    batch_first = _layout(node)
    weights = direction_weights(node, cell, len(forms))
    x = node.value(0)
    time_at = 1 if batch_first else 0
    if len(x.axes) != 3:
        raise node.refuse(f"input X has {len(x.axes)} dimensions, expected 3")
    if x.axes[2].size != weights[0].w_ih.shape[1]:
        raise Rnn2cError(
            f"{node.where}: input X has {x.axes[2].size} features, W [{len(forms)}, "
            f"{', '.join(str(s) for s in weights[0].w_ih.shape)}] expects "
            f"{weights[0].w_ih.shape[1]}"
        )
    steps = _sequence_length(node, x.axes[time_at])
    mask = "" if steps is None else mask_before(builder, builder.vector(x, node.where), steps)
    if steps == 0:
        raise node.refuse("sequence_lens 0: every output is zero; remove the node")
    layers = []
    for k, (form, own) in enumerate(zip(forms, weights, strict=True)):
        stem = f"{node.stem}_reverse" if node.stem and k else node.stem
        starts = [_own_state(builder, node, s, k, len(forms), time_at) for s in state]
        layers.append(
            builder.recurrent(cell, stem, x, time_at, own, starts, node.where, form, mask)
        )
    return _outputs(builder, x, layers, time_at, mask)


def _own_state(
    builder: Builder, node: Node, state: Operand | None, direction: int, count: int, at: int
) -> Operand | None:
    """The initial state of one direction out of those of all, which are along the axis `at`."""
    if state is None or count == 1:
        return state
    if isinstance(state, Value):
        return builder.layout.slice(state, at, direction, direction + 1, 1, node.where)
    if state.ndim != 3 or state.shape[at] != count:
        raise Rnn2cError(
            f"{node.where}: the initial state has shape {list(state.shape)}, expected {count}"
            " directions"
        )
    return state.take([direction], axis=at)


def _outputs(
    builder: Builder, x: Value, layers: Sequence[graph.Recurrent], time_at: int, mask: str
) -> list[Operand]:
    """Y (zero where masked), Y_h and, for an LSTM, Y_c."""
    units = layers[0].units
    axes, count = builder.axes, len(layers)
    features = axes.new("feature", units)
    direction = axes.unit() if count == 1 else axes.new("part", count)
    batch = x.axes[1 - time_at]
    once = (batch, direction) if time_at else (direction, batch)
    every = (*x.axes[:2], direction) if time_at else (x.axes[0], direction, batch)
    shown = [masked(builder, p.name, mask) if mask else p.name for p in layers]
    outputs: list[Operand] = [Value(tuple(shown), (*every, features))]
    for values in zip(*(p.outputs for p in layers), strict=True):
        outputs.append(Value(tuple(final(builder, v) for v in values), (*once, features)))
    return outputs


def _layout(node: Node) -> bool:
    layout = node.integer("layout", 0)
    if layout not in (0, 1):
        raise node.refuse(f"layout={layout}; 0 and 1 are supported")
    return layout == 1


def _sequence_length(node: Node, time: Axis) -> int | None:
    """How many steps are valid; None for all of them."""
    lengths = node.optional(4)
    if lengths is None:
        return None
    if isinstance(lengths, Value):
        raise node.refuse(
            "sequence_lens is computed, or an input that more than recurrent layers read; make it "
            "an input of its own, which is the number of calls of step, or remove it"
        )
    if lengths.size != 1:
        raise node.refuse(f"{lengths.size} sequence_lens; one sequence is run at a time")
    length = lengths.item()
    if length in (time, time.size):
        return None
    if not isinstance(length, int) or length < 0 or (time.size or length) < length:
        raise node.refuse(f"sequence_lens {quoted(length)}; expected a length of at most all steps")
    return length


OPERATORS = {
    "LSTM": Operator(lstm, (*COMMON, "input_forget"), inputs=8),
    "GRU": Operator(gru, (*COMMON, "linear_before_reset"), inputs=6),
    "RNN": Operator(rnn, COMMON, inputs=6),
}
