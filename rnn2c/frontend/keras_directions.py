"""Bidirectional of Keras: a recurrent layer and its copy that runs backwards, merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.json_text import Json
from rnn2c.frontend.keras_call import Call, Handler
from rnn2c.frontend.keras_graph import refuse_own_class
from rnn2c.frontend.keras_rnn import CELLS, cell_layer, final_value, shown_value
from rnn2c.frontend.values import Value, quoted
from rnn2c.ir import graph
from rnn2c.ir.graph import Recurrent

MERGES = ("concat", "sum", "mul", "ave", None)


def bidirectional(call: Call) -> Sequence[Value]:
    """Both directions; then with return_state the final states, those of forward first."""
    merge = call.settings.take("merge_mode", "concat")
    if merge not in MERGES:
        raise call.refuse(f"merge_mode={quoted(merge)}; expected concat, sum, mul or ave")
    first = _wrapped(call, "layer")
    second = call.settings.take("backward_layer", None)
    if second is None:
        config = {**first["config"], "go_backwards": not first["config"].get("go_backwards")}
        second = {**first, "config": config}
    half = len(call.states) // 2
    states = (call.states[:half], call.states[half:])
    made: list[tuple[Call, Recurrent]] = []
    for entry, part, own in zip((first, second), ("forward", "backward"), states, strict=True):
        inner = replace(call, inner=f"{part}_layer/cell", config=entry["config"], states=own)
        if entry.get("class_name") not in CELLS:
            raise call.refuse(f"wraps {quoted(entry.get('class_name'))}; it may wrap {_names()}")
        refuse_own_class(entry, str(entry["config"].get("name")), str(entry["class_name"]))
        made.append((inner, cell_layer(inner, CELLS[str(entry["class_name"])])))
    if [layer.direction for _, layer in made] != ["forward", "reverse"]:
        raise call.refuse("its layers run in one direction; the second one has go_backwards")
    every = {c.settings.flag("return_sequences") for c, _ in made}
    with_states = {c.settings.flag("return_state", False) for c, _ in made}
    if len(every) > 1 or len(with_states) > 1:
        raise call.refuse("its layers differ in return_sequences or return_state")
    # Not turned round: both in the order of time, as Keras merges them.
    shown = [shown_value(c, layer, every=True in every) for c, layer in made]
    results = shown if merge is None else [_merged(call, merge, shown)]
    if True in with_states:
        results += [final_value(c, n) for c, layer in made for n in layer.outputs]
    for inner, _ in made:
        inner.settings.finish()
    call.passes = call.mask if True in every else ""
    call.uses_mask = True
    return results


def _names() -> str:
    return ", ".join(CELLS)


def _wrapped(call: Call, key: str) -> Json:
    found = call.settings.take(key)
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        raise Rnn2cError(f"{call.where}: wraps no layer; save the model again")
    return found


def _merged(call: Call, merge: str, shown: Sequence[Value]) -> Value:
    builder, name = call.builder, call.spec.name
    parts = tuple(v.parts[0] for v in shown)
    axes = shown[0].axes
    size = axes[-1].size or 0
    if merge == "concat":
        joined = builder.axes.new("feature", 2 * size)
        return Value((builder.join(parts),), (*axes[:-1], joined))
    if merge == "mul":
        made = builder.unique(name, "product")
        builder.add(graph.Product(name=made, inputs=parts))
        return Value((made,), axes)
    made = builder.unique(f"{name}.sum" if merge == "ave" else name, "sum")
    builder.add(graph.Sum(name=made, inputs=parts))
    if merge == "sum":
        return Value((made,), axes)
    half = builder.unique(name, "average")
    scale, offset = np.full(size, 0.5), np.zeros(size)
    builder.add(graph.Affine(name=half, inputs=(made,), scale=scale, offset=offset))
    return Value((half,), axes)


HANDLERS: dict[str, Handler] = {"Bidirectional": bidirectional}
