"""Turns an output that feeds an input at the next call into state of the Model.

Where the source runs one step per call, whatever it feeds back is a Delay, or the own state of a
cell.  Where it runs whole sequences, only the final states of cells can feed their initial ones.
A call of the source then goes on where the one before it ended, so every cell must be fed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rnn2c.errors import Rnn2cError, UnsupportedError, quoted
from rnn2c.frontend.finish import input_names, live_layers
from rnn2c.frontend.imported import Port
from rnn2c.frontend.values import Axes, Axis
from rnn2c.ir import graph, window
from rnn2c.ir.graph import Delay, Layer
from rnn2c.ir.loops import PER_STEP

ONE_OF_ONE = (graph.LastStep, window.FirstStep, window.Flip)
"""What changes nothing where there is one step."""
STEADY = (*PER_STEP, graph.Embedding, window.Masked, window.ValueMask, graph.LastStep)


@dataclass(frozen=True)
class Feedback:
    """The graph with its loops closed; single: whether a call of the source is one step."""

    layers: tuple[Layer, ...]
    delays: tuple[Delay, ...]
    shown: tuple[Port, ...]
    single: bool


def feed_back(
    axes: Axes,
    layers: Iterable[Layer],
    inputs: Sequence[Port],
    shown: Sequence[Port],
    state: Mapping[str, str],
) -> Feedback:
    """state: input -> output.  Raises Rnn2cError for what cannot be state, and says why."""
    live = live_layers(layers, [value for port in shown for value in port.values])
    single = all(axis.size == 1 for axis in axes.of_kind("time"))
    if single:
        _settle(axes, inputs)
        live, shown = _without_selections(live, shown)
    pairs: dict[str, str] = {}
    for before, after in state.items():
        pairs |= _pairs(axes, _port(before, inputs, "input"), _port(after, shown, "output"))
    read = {n for layer in live for n in layer.inputs} | {v for p in shown for v in p.values}
    for name in pairs:
        if name not in read:
            raise UnsupportedError(f"--state {quoted(name)}: no output depends on this input")
    fed = [_fed(layer, pairs, live, single=single) for layer in live]
    delays = _delays(axes, inputs, fed, shown, pairs)
    if delays and not single:
        names = ", ".join(quoted(n) for n in state if n in {d.name for d in delays})
        raise UnsupportedError(
            f"--state {names}: only the final state of a layer can feed its initial state in a"
            " model of whole sequences; export it with one step per call for anything else"
        )
    return Feedback(tuple(fed), delays, tuple(shown), single)


def _settle(axes: Axes, inputs: Sequence[Port]) -> None:
    """All dimensions that are not known have size 1."""
    for port in inputs:
        for axis in port.axes:
            if axes.kind(axis) is None:
                axes.bind(axis, "unit", f"input {quoted(port.name)}")


def _without_selections(
    layers: Sequence[Layer], shown: Sequence[Port]
) -> tuple[list[Layer], list[Port]]:
    """The last of one step is that step."""
    same: dict[str, str] = {}
    kept: list[Layer] = []
    for layer in layers:
        inputs = tuple(same.get(n, n) for n in layer.inputs)
        if isinstance(layer, ONE_OF_ONE):
            same[layer.name] = inputs[0]
        else:
            kept.append(replace(layer, inputs=inputs))
    ports = [replace(p, values=tuple(same.get(v, v) for v in p.values)) for p in shown]
    return kept, ports


def _port(name: str, ports: Sequence[Port], what: str) -> Port:
    for port in ports:
        if port.name == name:
            return port
    names = [p.name for p in ports]
    near = difflib.get_close_matches(name[:60], names, 3, 0.5) or names[:8]
    raise Rnn2cError(
        f"--state: no {what} is called {quoted(name)}; near: {', '.join(map(quoted, near))}"
    )


def _pairs(axes: Axes, before: Port, after: Port) -> dict[str, str]:
    """Model input -> value; more than one where the states of several layers are stacked."""
    names = input_names(axes, before)
    sizes = [[a.size for a in p.axes] for p in (before, after)]
    alike = len(sizes[0]) == len(sizes[1]) and all(
        None in pair or pair[0] == pair[1] for pair in zip(*sizes, strict=True)
    )
    if not alike or len(names) != len(after.values):
        raise UnsupportedError(
            f"--state {quoted(before.name)}={quoted(after.name)}: the shapes {_shape(before.axes)}"
            f" and {_shape(after.axes)} differ"
        )
    return dict(zip(names, after.values, strict=True))


def _shape(axes: Sequence[Axis]) -> list[int | str]:
    return [a.label or "?" if a.size is None else a.size for a in axes]


def _fed(layer: Layer, pairs: Mapping[str, str], layers: Sequence[Layer], *, single: bool) -> Layer:
    """The layer with its own state instead of initial states that are fed back."""
    where = f"layer {quoted(layer.name)}"
    if not isinstance(layer, graph.Recurrent):
        if not isinstance(layer, STEADY):
            raise UnsupportedError(
                f"{where}: {type(layer).__name__} looks at more than one step and starts anew at"
                " every call; cut it off with --from, or leave out --state"
            )
        return layer
    if layer.direction != "forward":
        raise UnsupportedError(f"{where}: a reverse layer has no state that could be fed back")
    for name, value in zip(layer.states, layer.outputs, strict=True):
        if name not in pairs:
            start = f"input {quoted(name)}" if name else "the same state"
            raise UnsupportedError(
                f"{where}: starts from {start} at every call; feed all of its states back with"
                " --state, or none"
            )
        if not _shows(pairs[name], value, layers, single=single):
            raise UnsupportedError(
                f"{where}: its initial state {quoted(name)} would get {quoted(pairs[name])}, which"
                f" is not its final state {quoted(value)}"
            )
    mask = ("",) * len(layer.outputs) + (layer.mask,) if layer.mask else ()
    return replace(layer, inputs=(layer.inputs[0], *mask))


def _shows(shown: str, value: str, layers: Sequence[Layer], *, single: bool) -> bool:
    """Whether `shown` is the value at the end of a call."""
    if single:
        return shown == value
    return any(
        isinstance(p, graph.LastStep) and (p.name, p.inputs) == (shown, (value,)) for p in layers
    )


def _delays(
    axes: Axes,
    inputs: Sequence[Port],
    layers: Sequence[Layer],
    shown: Sequence[Port],
    pairs: Mapping[str, str],
) -> tuple[Delay, ...]:
    """What is fed back and still read, now that the cells keep their own states."""
    read = {n for layer in layers for n in layer.inputs} | {v for p in shown for v in p.values}
    sizes = {n: p.axes[-1].size or 0 for p in inputs for n in input_names(axes, p)}
    return tuple(Delay(n, value, sizes[n]) for n, value in pairs.items() if n in read)
