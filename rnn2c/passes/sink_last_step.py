"""Select a step before the per-step layers that follow the recurrence, not after them.

A Linear layer, an activation, a softmax work on one step at a time; if only their last (or first)
result is wanted, they need to run once per sequence, in `finish`, instead of at every step.
"""

from __future__ import annotations

from dataclasses import replace

from rnn2c.ir import graph, window
from rnn2c.ir.graph import Model
from rnn2c.ir.loops import PER_STEP


def sink_last_step(model: Model) -> Model:
    """Repeat until no selection has a per-step layer before it that nothing else reads."""
    while (moved := _sink_one(model)) is not None:
        model = moved
    return model


def _sink_one(model: Model) -> Model | None:
    wanted = model.kept
    for select in model.layers:
        if not isinstance(select, (graph.LastStep, window.FirstStep)):
            continue
        layer = next((p for p in model.layers if p.name == select.inputs[0]), None)
        readers = [r for r in model.layers if select.inputs[0] in r.inputs]
        if layer is None or type(layer) not in PER_STEP or len(readers) > 1 or layer.name in wanted:
            continue
        names = _selected_names(model, layer)
        before = [replace(select, name=names[n], inputs=(n,)) for n in names]
        after = replace(layer, name=select.name, inputs=tuple(names[n] for n in layer.inputs))
        kept = [p for p in model.layers if p is not layer]
        at = kept.index(select)
        return model.with_layers((*kept[:at], *before, after, *kept[at + 1 :]))
    return None


def _selected_names(model: Model, layer: graph.Layer) -> dict[str, str]:
    """A free name for that step of each input of the layer: VALUE.last, VALUE.last.last, ..."""
    names: dict[str, str] = {}
    for value in layer.inputs:
        if value not in names:
            names[value] = _free_name(model, f"{value}.last", set(names.values()))
    return names


def _free_name(model: Model, name: str, taken: set[str]) -> str:
    """A value name that the model does not use yet and that is not taken."""
    used = {i.name for i in model.sources} | {v for p in model.layers for v in p.outputs} | taken
    while name in used:
        name += ".last"
    return name
