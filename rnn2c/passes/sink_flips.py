"""Move flips of the time axis behind the layers that read them, where they meet and vanish.

f(flip(x)) = flip(f(x)) for what treats every step alike, and a recurrent layer on flipped input is
the flipped result of the same layer in the other direction.  So a network that flips, runs an LSTM
and flips back becomes a reverse LSTM, and the last step of a flipped value its first one.
"""

from __future__ import annotations

from dataclasses import replace

from rnn2c.ir import graph, window
from rnn2c.ir.graph import Layer, Model
from rnn2c.ir.loops import PER_STEP

MOVED = (*PER_STEP, graph.Recurrent, window.Masked, window.ValueMask)
OTHER = {graph.LastStep: window.FirstStep, window.FirstStep: graph.LastStep}


def sink_flips(model: Model) -> Model:
    """Repeat until no flip can be moved."""
    while (moved := _sink_one(model)) is not None:
        model = _without_dead(moved)
    return model


def _sink_one(model: Model) -> Model | None:
    flipped = {p.name: p.inputs[0] for p in model.layers if isinstance(p, window.Flip)}
    for layer in model.layers:
        if not all(n in flipped for n in layer.data_inputs):
            continue
        sources = {n: flipped[n] for n in layer.data_inputs}
        inputs = tuple(sources.get(n, n) for n in layer.inputs)
        if isinstance(layer, window.Flip):
            return _reading(model, layer.name, sources[layer.inputs[0]])
        if type(layer) in OTHER:
            return _replaced(model, layer, (OTHER[type(layer)](name=layer.name, inputs=inputs),))
        if isinstance(layer, MOVED):
            return _replaced(model, layer, _moved(model, layer, inputs))
    return None


def _moved(model: Model, layer: Layer, inputs: tuple[str, ...]) -> tuple[Layer, ...]:
    """The layer on what is not flipped, and flips that show its values."""
    taken = {i.name for i in model.sources} | {v for p in model.layers for v in p.outputs}
    name = f"{layer.name}.unflipped"
    while name in taken:
        name += ".unflipped"
    if isinstance(layer, graph.Recurrent):
        other: graph.Direction = "forward" if layer.direction == "reverse" else "reverse"
        made: Layer = replace(layer, name=name, inputs=inputs, direction=other)
    else:
        made = replace(layer, name=name, inputs=inputs)
    flips = (
        window.Flip(name=old, inputs=(new,))
        for old, new in zip(layer.outputs, made.outputs, strict=True)
    )
    return (made, *flips)


def _replaced(model: Model, old: Layer, new: tuple[Layer, ...]) -> Model:
    return model.with_layers(
        tuple(made for p in model.layers for made in (new if p is old else (p,)))
    )


def _reading(model: Model, old: str, new: str) -> Model:
    """Everything that reads or shows one value reads or shows another."""

    def other(name: str) -> str:
        return new if name == old else name

    layers = tuple(replace(p, inputs=tuple(map(other, p.inputs))) for p in model.layers)
    outputs = tuple(replace(o, value=other(o.value)) for o in model.outputs)
    delays = tuple(replace(d, value=other(d.value)) for d in model.delays)
    return replace(model, layers=layers, outputs=outputs, delays=delays)


def _without_dead(model: Model) -> Model:
    """Without flips that nothing reads any more."""
    while True:
        wanted = model.kept | {n for p in model.layers for n in p.inputs}
        left = [p for p in model.layers if not isinstance(p, window.Flip) or p.name in wanted]
        if len(left) == len(model.layers):
            return model
        model = model.with_layers(tuple(left))
