"""The recurrent aten operators: each is a whole stack of layers (lstm, gru, rnn_tanh, rnn_relu)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.frontend.cells import CellForm, CellWeights
from rnn2c.frontend.gates import Cell
from rnn2c.frontend.given import Given
from rnn2c.frontend.in_time import final
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.values import Operand, Value
from rnn2c.ir.graph import RELU, Direction, FloatArray, Recurrent, Tensor


def recurrent(cell: Cell, activation: str = "tanh") -> Handler:
    """aten lstm.input, gru.input, rnn_tanh.input, rnn_relu.input: a whole stack of layers."""

    def handler(call: Call) -> Result:
        x, count = call.value("input"), int(call.get("num_layers"))
        call.skip("dropout", "train")
        directions: tuple[Direction, ...] = ("forward",)
        if call.get("bidirectional"):
            directions = ("forward", "reverse")
        functions = (RELU,) if activation == "relu" else ()
        forms = [CellForm(activations=functions, direction=d) for d in directions]
        time_at = 1 if call.get("batch_first") else 0
        states = call.get("hx")
        states = states if cell == "LSTM" else [states]
        groups = _weight_groups(call, count * len(forms))
        layers: list[Recurrent] = []
        features = x
        for k in range(0, len(groups), len(forms)):
            made = []
            for n, form in enumerate(forms):
                state = [_layer_state(call, s, k + n, len(groups)) for s in states]
                path = f"{call.path}_reverse" if n and call.path else call.path
                made.append(
                    call.builder.recurrent(
                        cell, path, features, time_at, groups[k + n], state, call.where, form
                    )
                )
            layers += made
            features = _shown(call, features, made)
        return [features, *_finals(call, features, time_at, layers)]

    return handler


def _shown(call: Call, x: Value, layers: Sequence[Recurrent]) -> Value:
    """h at every step; of both directions one after the other."""
    size = call.builder.axes.new("feature", sum(p.size for p in layers))
    names = [p.name for p in layers]
    name = names[0] if len(names) == 1 else call.builder.join(names)
    return Value((name,), (*x.axes[:2], size))


def _weight_groups(call: Call, layers: int) -> list[CellWeights]:
    params = [_parameter(call, p) for p in call.get("params")]
    plain = 4 if call.get("has_biases") else 2
    each = len(params) // layers
    if each not in (plain, plain + 1) or len(params) != each * layers:
        raise call.refuse(f"{len(params)} parameters; expected {plain} per layer")
    groups = []
    for k in range(0, len(params), each):
        w_ih, w_hh, *bias = params[k : k + plain]
        zero = np.zeros(w_hh.shape[0])
        b_ih, b_hh = bias or (zero, zero)
        projection = params[k + plain] if each > plain else None
        groups.append(CellWeights(w_ih, w_hh, _vector(b_ih), _vector(b_hh), projection=projection))
    return groups


def _parameter(call: Call, found: object) -> FloatArray | Tensor:
    """A matrix or a bias, as integers where a quantized source gives them."""
    return found.tensor(call.where) if isinstance(found, Given) else np.asarray(found, np.float64)


def _vector(bias: FloatArray | Tensor) -> FloatArray:
    return bias.real() if isinstance(bias, Tensor) else bias


def _layer_state(call: Call, state: Operand | None, layer: int, layers: int) -> Operand | None:
    if isinstance(state, Value):
        return call.builder.layout.slice(state, 0, layer, layer + 1, 1, call.where)
    if isinstance(state, np.ndarray) and state.ndim == 3 and state.shape[0] == layers:
        return state[layer : layer + 1]
    return state


def _finals(call: Call, y: Value, time_at: int, layers: Sequence[Recurrent]) -> list[Value]:
    """h_n and, for an LSTM, c_n: [layers, batch, features]."""
    axes = call.builder.axes
    finals = []
    for which in range(len(layers[0].outputs)):
        names = tuple(final(call.builder, layer.outputs[which]) for layer in layers)
        stack = axes.unit() if len(names) == 1 else axes.new("part", len(names))
        size = axes.new("feature", layers[0].units if which else layers[0].size)
        finals.append(Value(names, (stack, y.axes[1 - time_at], size)))
    return finals


OPERATORS: dict[str, Handler] = {
    "gru.input": recurrent("GRU"),
    "lstm.input": recurrent("LSTM"),
    "rnn_relu.input": recurrent("RNN", "relu"),
    "rnn_tanh.input": recurrent("RNN", "tanh"),
}
