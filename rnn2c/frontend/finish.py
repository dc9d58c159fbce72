"""The end of an import: which layers live, and the rate of every input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.imported import Port
from rnn2c.frontend.part import Part
from rnn2c.frontend.values import Axes, Axis, part_names, quoted
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Layer, Rate


def live_layers(layers: Iterable[Layer], wanted: Sequence[str]) -> list[Layer]:
    """The layers that the values `wanted` depend on, in order."""
    needed = set(wanted)
    live: list[Layer] = []
    for layer in reversed(list(layers)):
        if needed.intersection(layer.outputs):
            live.append(layer)
            needed.update(layer.inputs)
    return live[::-1]


def port_names(port: Port) -> tuple[str, ...]:
    """Names of the Model outputs of one source output: NAME, or NAME.0, NAME.1, ... of a stack."""
    count = len(port.values)
    return (port.name,) if count == 1 else part_names(port.name, count)


def visible_ports(ports: Sequence[Port], part: Part) -> tuple[Port, ...]:
    """Without what is fed back and not asked for by name, unless nothing else is left."""
    hidden = set(part.state.values()) - set(part.end)
    return tuple(p for p in ports if p.name not in hidden) or tuple(ports)


def input_names(axes: Axes, port: Port) -> tuple[str, ...]:
    """Names of the vectors of one source input, a stack taken apart."""
    stack = next((a for a in port.axes if axes.kind(a) == "part"), None)
    return (port.name,) if stack is None else part_names(port.name, stack.size or 1)


def feature_size(axes: Axes, port: Port) -> int:
    """The length of the vectors of one source input; 1 for tokens."""
    return next((a.size or 1 for a in port.axes if axes.kind(a) == "feature"), 1)


def model_inputs(axes: Axes, port: Port, read: set[str], recurrent: bool) -> list[Input]:
    """The Model inputs of one source input.

    read: every value some live layer or output reads; recurrent: whether the Model has a cell.
    Raises UnsupportedError for an input that nothing reads.
    """
    where = f"input {quoted(port.name)}"
    features = next((a for a in port.axes if axes.kind(a) == "feature"), None)
    if features is None or features.size is None:
        raise UnsupportedError(f"{where}: the last dimension must be a fixed feature size")
    size = features.size
    rate = _rate(axes, where, [a for a in port.axes if a is not features], recurrent)
    names = input_names(axes, port)
    unused = [n for n in names if n not in read]
    if unused:
        raise UnsupportedError(
            f"input {quoted(unused[0])}: no output depends on it; remove it from the model"
        )
    return [Input(n, size, rate) for n in names]


def token_input(axes: Axes, port: Port, layers: Sequence[Layer]) -> Input:
    """The Model input of a source input of tokens; the smallest table says how many there are."""
    where = f"input {quoted(port.name)}"
    tables = [
        layer.table
        for layer in layers
        if isinstance(layer, graph.Embedding) and port.name in layer.inputs
    ]
    if not tables:
        raise UnsupportedError(
            f"{where}: holds integers ({port.dtype}) that no embedding of an output looks up; give"
            " numbers as float32"
        )
    if _rate(axes, where, port.axes, recurrent=False) != "step" or not any(
        axes.kind(a) == "time" for a in port.axes
    ):
        raise UnsupportedError(f"{where}: its tokens have no time dimension; give one per step")
    return Input(port.name, 1, "step", min(t.shape[0] for t in tables))


def _rate(axes: Axes, where: str, rows: Sequence[Axis], recurrent: bool) -> Rate:
    """Settle the axes whose use did not tell: time where it can be, else batch."""
    for axis in rows:
        if axes.kind(axis) is None and axis.size == 1:
            axes.bind(axis, "unit", where)
    has_time = any(axes.kind(a) == "time" for a in rows)
    has_parts = any(axes.kind(a) == "part" for a in rows)
    for axis in reversed(rows):
        if axes.kind(axis) is None:
            free = not has_time and not has_parts and not recurrent
            axes.bind(axis, "time" if free else "unit", where)
            has_time = has_time or free
    return "step" if has_time or not recurrent else "sequence"


def refuse_unfinished(layers: Iterable[graph.Layer], places: Mapping[str, str]) -> None:
    """Raise UnsupportedError for the first function that no pattern took up."""
    for layer in layers:
        if layer.name in places:
            assert isinstance(layer, graph.Activation)
            raise UnsupportedError(
                f"{places[layer.name]}: {layer.function} is supported only as a part of softplus,"
                " sigmoid, log softmax or a layer normalization"
            )


def refuse_repeated(names: Sequence[str]) -> None:
    """Raise Rnn2cError where two inputs or two outputs share a name."""
    for name in names:
        if names.count(name) > 1:
            raise Rnn2cError(f"two inputs or two outputs are called {quoted(name)}")
