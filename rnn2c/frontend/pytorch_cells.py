"""The aten operators of one step of a cell: nn.LSTMCell, nn.GRUCell and nn.RNNCell.

A cell is written out as the layers of its equations; a pass makes cells of those that feed back.
"""

from __future__ import annotations

from collections.abc import Sequence

from rnn2c.frontend.pointwise import function_of, product_of, sum_of
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.values import Operand, Value


def _linear(call: Call, x: Value, suffix: str) -> Value:
    """W x + b with the weights w_SUFFIX, b_SUFFIX."""
    bias = None if call.get(f"b_{suffix}") is None else call.weight(f"b_{suffix}")
    return call.builder.linear(call.path, x, call.weight(f"w_{suffix}"), bias, call.where)


def _parts(call: Call, value: Value, count: int) -> list[Value]:
    size = (value.axes[-1].size or 0) // count
    at = len(value.axes) - 1
    return [
        call.builder.layout.take(value, at, range(k * size, (k + 1) * size), call.where)
        for k in range(count)
    ]


def _apply(call: Call, function: str, x: Value) -> Value:
    return function_of(call.builder, call.path, x, function, call.where)


def _sum(call: Call, a: Value, b: Value, *, subtract: bool = False) -> Value:
    return sum_of(call.builder, call.path, a, b, call.where, subtract=subtract)


def _product(call: Call, a: Value, b: Value) -> Value:
    return product_of(call.builder, call.path, a, b, call.where)


def _state(call: Call) -> Sequence[Value]:
    found = call.get("hx")
    return [_started(call, s) for s in (found if isinstance(found, list) else [found])]


def _started(call: Call, state: Operand | None) -> Value:
    """The state of the step before; in the first step of a loop it is a constant."""
    refusal = f"{call.where}: starts from a constant state at every step; make it an argument"
    if state is None:
        raise call.refuse("has no state")
    return state if isinstance(state, Value) else call.builder.constant(state, refusal)


def lstm_cell(call: Call) -> Result:
    """aten.lstm_cell: h' and c'."""
    h, c = _state(call)
    gates = _sum(call, _linear(call, call.value("input"), "ih"), _linear(call, h, "hh"))
    i, f, g, o = _parts(call, gates, 4)
    kept = _product(call, _apply(call, "sigmoid", f), c)
    added = _product(call, _apply(call, "sigmoid", i), _apply(call, "tanh", g))
    new = _sum(call, kept, added)
    return [_product(call, _apply(call, "sigmoid", o), _apply(call, "tanh", new)), new]


def gru_cell(call: Call) -> Result:
    """aten.gru_cell: h'."""
    (h,) = _state(call)
    from_h = _parts(call, _linear(call, h, "hh"), 3)
    from_x = _parts(call, _linear(call, call.value("input"), "ih"), 3)
    r, z = (
        _apply(call, "sigmoid", _sum(call, a, b))
        for a, b in zip(from_h[:2], from_x[:2], strict=True)
    )
    n = _apply(call, "tanh", _sum(call, from_x[2], _product(call, from_h[2], r)))
    return _sum(call, n, _product(call, _sum(call, h, n, subtract=True), z))


def rnn_cell(function: str) -> Handler:
    """aten.rnn_tanh_cell, rnn_relu_cell: h'."""

    def handler(call: Call) -> Result:
        (h,) = _state(call)
        from_x, from_h = _linear(call, call.value("input"), "ih"), _linear(call, h, "hh")
        return _apply(call, function, _sum(call, from_x, from_h))

    return handler


OPERATORS: dict[str, Handler] = {
    "gru_cell": gru_cell,
    "lstm_cell": lstm_cell,
    "rnn_relu_cell": rnn_cell("relu"),
    "rnn_tanh_cell": rnn_cell("tanh"),
}
