"""Make cells of what exporters and people write out: the layers between a delayed state and its
next value that compute an LSTM, GRU or RNN (torch.nn.LSTMCell, GRUCell, RNNCell).

A cell has one stage instead of a dozen, and formats for its state.  Only the layers that compute
the new state are replaced; whoever else reads one of them keeps it alive.  Layers that do not
match exactly are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rnn2c.ir import graph
from rnn2c.ir.cells import RELU, TANH
from rnn2c.ir.graph import Delay, FloatArray, Layer, Model, Tensor
from rnn2c.ir.written_cells import written_cell

Starts = Mapping[str, FloatArray | str]


def recover_cells(model: Model, starts: Starts | None = None) -> Model:
    """Repeat until no delayed state is that of a cell that is written out.

    starts: initial values of delays, numbers or the name of an input; only cells can take these.
    """
    for delay in model.delays:
        for match in (_lstm, _gru, _rnn):
            cell = match(_Graph(model), delay)
            if cell is not None:
                started = _started(model, cell, delay, starts or {})
                return recover_cells(_replaced(model, started), starts)
        written = written_cell(model, delay)
        if written is not None:
            joined, cell = written
            started = _started(model, cell, delay, starts or {})
            return recover_cells(_replaced(joined, started), starts)
    return model


def _started(model: Model, cell: graph.Recurrent, delay: Delay, starts: Starts) -> graph.Recurrent:
    """The cell with the initial values of its delays."""
    states = [delay.name]
    if isinstance(cell, graph.Lstm):
        new_c = _cell_state(model, cell.name)
        states.append(next(d.name for d in model.delays if d.value == new_c))
    given = [starts.get(s) for s in states]
    fields: dict[str, object] = {
        f"constant_{k}": g for k, g in zip("hc", given, strict=False) if not isinstance(g, str)
    }
    if any(isinstance(g, str) for g in given):
        fields["inputs"] = (*cell.inputs, *(g if isinstance(g, str) else "" for g in given))
    return replace(cell, **fields)  # type: ignore[arg-type]


class _Graph:
    """Look-ups by name; a mismatch is None."""

    def __init__(self, model: Model) -> None:
        self.layers = {p.name: p for p in model.layers}
        self.delays = {d.name: d for d in model.delays}

    def inputs(self, value: str, kind: type[Layer]) -> tuple[str, ...]:
        """What the layer that makes `value` reads, () if it is of another kind."""
        layer = self.layers.get(value)
        return layer.inputs if isinstance(layer, kind) and not _subtracts(layer) else ()

    def function(self, value: str, function: str) -> str:
        """The argument of function(...), or the empty string."""
        layer = self.layers.get(value)
        is_one = isinstance(layer, graph.Activation) and layer.function == function
        return layer.inputs[0] if layer is not None and is_one else ""

    def part(self, value: str) -> tuple[str, tuple[int, ...]]:
        """A vector and which of its elements `value` is."""
        layer = self.layers.get(value)
        if isinstance(layer, graph.Pick):
            return layer.inputs[0], layer.indices
        return "", ()

    def linear(self, value: str) -> graph.Linear | None:
        layer = self.layers.get(value)
        plain = isinstance(layer, graph.Linear) and not layer.activation
        return layer if isinstance(layer, graph.Linear) and plain else None

    def products(self, value: str) -> Iterator[tuple[graph.Linear, graph.Linear, str]]:
        """Every reading of value = W x + U h, h delayed: (W, U, h)."""
        for a, b in _orders(self.inputs(value, graph.Sum)):
            w, u = self.linear(a), self.linear(b)
            if w is not None and u is not None and u.inputs[0] in self.delays:
                yield w, u, u.inputs[0]


def _subtracts(layer: Layer) -> bool:
    return isinstance(layer, graph.Sum) and layer.subtract


def _orders(pair: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(pair[0], pair[1]), (pair[1], pair[0])] if len(pair) == 2 else []


def _rows(tensor: Tensor, rows: list[int]) -> Tensor:
    scale = None if tensor.scale is None else tensor.scale[rows]
    return replace(tensor, data=tensor.data[rows], scale=scale)


def _weights(
    w: graph.Linear, u: graph.Linear, rows_w: list[int], rows_u: list[int]
) -> dict[str, object]:
    return {
        "inputs": w.inputs,
        "w_ih": _rows(w.weight, rows_w),
        "w_hh": _rows(u.weight, rows_u),
        "b_ih": w.bias[rows_w],
        "b_hh": u.bias[rows_u],
    }


def _rnn(g: _Graph, delay: Delay) -> graph.Recurrent | None:
    """h' = tanh or relu of W x + U h."""
    for name, function in (("tanh", TANH), ("relu", RELU)):
        for w, u, h in g.products(g.function(delay.value, name)):
            if h == delay.name:
                rows = list(range(delay.size))
                weights = _weights(w, u, rows, rows)
                return graph.Rnn(name=delay.value, activations=(function,), **weights)  # type: ignore[arg-type]
    return None


def _lstm(g: _Graph, delay: Delay) -> graph.Recurrent | None:
    """h' = o tanh(c');  c' = f c + i g; all gates are parts of W x + U h."""
    for o, t in _orders(g.inputs(delay.value, graph.Product)):
        new_c = g.function(t, "tanh")
        for kept, added in _orders(g.inputs(new_c, graph.Sum)):
            for f, c in _orders(g.inputs(kept, graph.Product)):
                for i, new in _orders(g.inputs(added, graph.Product)):
                    gates = [g.function(v, "sigmoid") for v in (i, f)]
                    gates += [g.function(new, "tanh"), g.function(o, "sigmoid")]
                    own = c in g.delays and g.delays[c].value == new_c
                    cell = _lstm_of(g, delay, gates) if own and all(gates) else None
                    if cell is not None:
                        return cell
    return None


def _lstm_of(g: _Graph, delay: Delay, gates: list[str]) -> graph.Recurrent | None:
    parts = [g.part(v) for v in gates]
    sources = {source for source, _ in parts}
    if len(sources) != 1 or any(len(rows) != delay.size for _, rows in parts):
        return None
    rows = [k for _, indices in parts for k in indices]
    for w, u, h in g.products(sources.pop()):
        if h == delay.name:
            return graph.Lstm(name=delay.value, **_weights(w, u, rows, rows))  # type: ignore[arg-type]
    return None


def _gru(g: _Graph, delay: Delay) -> graph.Recurrent | None:
    """h' = n + z (h - n);  n = tanh(W x + r (U h)); reset after the product."""
    for n, update in _orders(g.inputs(delay.value, graph.Sum)):
        for difference, z in _orders(g.inputs(update, graph.Product)):
            layer = g.layers.get(difference)
            if layer is None or not _subtracts(layer) or layer.inputs != (delay.name, n):
                continue
            for n_x, reset in _orders(g.inputs(g.function(n, "tanh"), graph.Sum)):
                for n_h, r in _orders(g.inputs(reset, graph.Product)):
                    gates = [g.function(v, "sigmoid") for v in (r, z)]
                    cell = _gru_of(g, delay, gates, n_x, n_h)
                    if cell is not None:
                        return cell
    return None


def _gru_of(
    g: _Graph, delay: Delay, gates: list[str], n_x: str, n_h: str
) -> graph.Recurrent | None:
    from_x, from_h = g.part(n_x), g.part(n_h)
    w, u = g.linear(from_x[0]), g.linear(from_h[0])
    if w is None or u is None or u.inputs != (delay.name,):
        return None
    rows_w: list[int] = []
    rows_u: list[int] = []
    for gate in gates:
        sides = dict(g.part(v) for v in g.inputs(gate, graph.Sum))
        if set(sides) != {w.name, u.name}:
            return None
        rows_w += sides[w.name]
        rows_u += sides[u.name]
    rows_w, rows_u = [*rows_w, *from_x[1]], [*rows_u, *from_h[1]]
    if len(rows_w) != 3 * delay.size or len(rows_u) != 3 * delay.size:
        return None
    return graph.Gru(name=delay.value, **_weights(w, u, rows_w, rows_u))  # type: ignore[arg-type]


def _replaced(model: Model, cell: graph.Recurrent) -> Model:
    """The Model with the cell instead of the layers that made its new state."""
    old = {cell.name: cell.name}
    if isinstance(cell, graph.Lstm):
        old[_cell_state(model, cell.name)] = cell.outputs[1]
    first = min(k for k, p in enumerate(model.layers) if p.name in old)
    left = [p for p in model.layers if p.name not in old]
    named = [replace(p, inputs=tuple(old.get(n, n) for n in p.inputs)) for p in left]
    made = replace(
        model,
        layers=(*named[:first], cell, *named[first:]),
        outputs=tuple(replace(o, value=old.get(o.value, o.value)) for o in model.outputs),
        delays=tuple(replace(d, value=old.get(d.value, d.value)) for d in model.delays),
    )
    return _live(made)


def _cell_state(model: Model, h: str) -> str:
    """c' in h' = o tanh(c')."""
    layers = {p.name: p for p in model.layers}
    functions = (layers[n] for n in layers[h].inputs)
    return next(p.inputs[0] for p in functions if _is_tanh(p))


def _is_tanh(layer: Layer) -> bool:
    return isinstance(layer, graph.Activation) and layer.function == "tanh"


def _live(model: Model) -> Model:
    """Without layers and delays that no output depends on."""
    needed = {o.value for o in model.outputs}
    values = {d.name: d.value for d in model.delays}
    while True:
        before = len(needed)
        for layer in reversed(model.layers):
            if needed.intersection(layer.outputs):
                needed.update(n for n in layer.inputs if n)
        needed.update(values[n] for n in values if n in needed)
        if len(needed) == before:
            break
    return replace(
        model,
        layers=tuple(p for p in model.layers if needed.intersection(p.outputs)),
        delays=tuple(d for d in model.delays if d.name in needed),
    )
