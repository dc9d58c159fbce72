"""Models made from a seed that wait for the whole sequence: both directions, masks, flips.

The rule: the same seed gives the same model on every machine; cell, profile and bits cycle.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from drafts import Draft, recurrent
from models import CELLS, Case, calibration, options_of

from rnn2c.ir import graph, window
from rnn2c.ir.graph import Model

MERGES = ("concat", "sum", "product", "reverse only")
MASKS = ("", "steps", "values", "given")
ENDS = ("rows", "first", "last", "flip", "states")
STEPS = 7


def random_window(seed: int) -> Case:
    """One or two layers, of which at least one runs in reverse; with several outputs."""
    rng = np.random.default_rng([20260802, seed])
    draft = Draft(rng, float(rng.choice([1.0, 1.0, 4.0])), "zero rows" if seed % 7 == 3 else "")
    if seed % 3 == 2:
        draft.forms = np.random.default_rng([20260804, seed])
    draft.input("x", int(rng.choice([1, 3, 6])))
    mask = _mask(draft, MASKS[(seed // 3) % len(MASKS)])
    for k in range(1 + seed % 2):
        _layer(draft, seed + k, f"r{k}", mask if rng.random() < 0.7 else "")
    for k in range(2):
        _end(draft, ENDS[(seed + k + seed // 5) % len(ENDS)], k)
    model = Model(f"w{seed}", tuple(draft.inputs), tuple(draft.layers), tuple(draft.outputs))
    options = options_of(seed + seed // 5)
    return Case(model, calibration(model, rng), options, None, STEPS + seed % 3)


def _mask(draft: Draft, kind: str) -> str:
    """The name of a mask, or the empty string; the end of the chain stays where it was."""
    match kind:
        case "steps":
            made = window.StepMask(name="mask", inputs=("x",), steps=int(draft.rng.integers(0, 9)))
        case "values":
            value = float(draft.rng.choice([0.0, -1.0]))
            made = window.ValueMask(name="mask", inputs=("x",), value=value)
        case "given":
            draft.inputs.append(graph.Input("given", 1))
            made = window.ValueMask(name="mask", inputs=("given",), value=0.0)
        case _:
            return ""
    draft.layers.append(made)
    return "mask"


def _layer(draft: Draft, seed: int, name: str, mask: str) -> None:
    """A reverse layer, most times beside a forward one, of the same input."""
    source, size = draft.value, draft.size
    cell, units = CELLS[seed % len(CELLS)], int(draft.rng.choice([1, 3, 8, 13]))
    states = ("", "", "h", "hc")[int(draft.rng.integers(4))]
    merge = MERGES[(seed // 2) % len(MERGES)]
    made = []
    for direction in ("forward", "reverse")[merge == "reverse only" :]:
        draft.value, draft.size = source, size
        recurrent(draft, f"{name}_{direction}", cell, units, 1.0, states)  # type: ignore[arg-type]
        draft.layers[-1] = _directed(draft.layers[-1], direction, mask)
        made.append(draft.value)
    match merge:
        case "concat":
            draft.add(graph.Concat(name=name, inputs=tuple(made)), 2 * units)
        case "sum":
            draft.add(graph.Sum(name=name, inputs=tuple(made)), units)
        case "product":
            draft.add(graph.Product(name=name, inputs=tuple(made)), units)


def _directed(layer: graph.Layer, direction: str, mask: str) -> graph.Layer:
    assert isinstance(layer, graph.Recurrent)
    missing = ("",) * (1 + len(layer.outputs) - len(layer.inputs))
    inputs = (*layer.inputs, *missing, mask) if mask else layer.inputs
    return replace(layer, direction=direction, inputs=inputs)  # type: ignore[arg-type]


def _end(draft: Draft, kind: str, number: int) -> None:
    """An output that is made of the end of the chain, which stays where it was."""
    value, size, name = draft.value, draft.size, f"end{number}"
    match kind:
        case "rows":
            draft.linear(name, 3, str(draft.rng.choice(["", "relu", "tanh"])))
        case "first":
            draft.add(window.FirstStep(name=name, inputs=(value,)), size)
        case "last":
            draft.last(f"{name}_last")
            draft.linear(name, 2)
        case "flip":
            draft.add(window.Flip(name=name, inputs=(value,)), size)
        case "states":
            _states(draft, name)
    if kind != "states":
        draft.show(name)
    draft.value, draft.size = value, size


def _states(draft: Draft, name: str) -> None:
    """With what every layer ends, and what a masked output shows."""
    for layer in list(draft.layers):
        if isinstance(layer, graph.Recurrent):
            pick = window.FirstStep if layer.direction == "reverse" else graph.LastStep
            for k, value in enumerate(layer.outputs):
                shown = f"{name}_{layer.name}_{k}"
                draft.layers.append(pick(name=shown, inputs=(value,)))
                draft.show(shown, shown)
    if any(p.name == "mask" for p in draft.layers):
        cut = window.Masked(name=f"{name}_cut", inputs=(draft.value, "mask"))
        draft.layers.append(cut)
        draft.show(cut.name, cut.name)
