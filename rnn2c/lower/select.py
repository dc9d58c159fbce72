"""Lower the selection of a time step, and outputs that show a value as it is."""

from __future__ import annotations

from typing import Literal

from rnn2c.ir import graph, window
from rnn2c.ir.names import prose
from rnn2c.ir.program import Call, Loop, Stage, Store
from rnn2c.ir.temporal import ALWAYS
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.schedule import is_final_state


def lower_selection(b: Builder, layer: graph.LastStep | window.FirstStep) -> None:
    """No work as a rule: finish reads the value where the last step, or the loop, left it."""
    source = layer.inputs[0]
    if b.rates[source] == "window" and is_final_state(b.model, layer):
        b.set_place(layer.name, b.place(source, "sequence"))
    elif b.rates[source] == "window" or isinstance(layer, window.FirstStep):
        _pick_row(b, layer, source)
    else:
        _last_step(b, layer, source)
    for output in b.model.outputs:
        if output.value == layer.name:
            show(b, layer.name, output.name)


def _pick_row(b: Builder, layer: graph.LastStep | window.FirstStep, source: str) -> None:
    """In finish: copy one row of a value that is kept of every step; zero without any step."""
    steps: Literal["first", "last"] = "first" if isinstance(layer, window.FirstStep) else "last"
    form, size = b.format(source), b.sizes[source]
    target = b.scratch(layer.name, form, size, f"the {steps} of {source}", "sequence")
    stores = (Store(target.elem(), "v"),)
    copy = b.copy_stage(b.title(layer, "copy"), b.kept(source).elem(), size, stores)
    zero = Call("v", copy.body[0].primitive, (form.zero_point,))  # type: ignore[union-attr]
    start = Stage(b.title(layer, "zero"), size, (zero,), stores)
    title = b.title(layer, f"the {steps} step")
    b.selections.append(Loop(title, (copy,), start=(start,), steps=steps))
    b.set_place(layer.name, target)


def _last_step(b: Builder, layer: graph.LastStep | window.FirstStep, source: str) -> None:
    place = b.place(source, "step")
    size = b.sizes[source]
    buffer = b.buffers[place.buffer]
    if buffer.role != "state" or buffer.rows or b.is_delayed(source):
        kept = b.state(f"{b.slug(layer)}_last", b.format(source), size, "the last input")
        stores = (Store(kept.elem(), "v"),)
        b.append("step", b.copy_stage(b.title(layer, "keep"), place.elem(), size, stores))
        place = kept
    times = b.times_of[source]
    if times != ALWAYS:
        clock = b.clocks.clock(times)
        b.finish_after.append((clock.buffer, clock.first))
    b.set_place(layer.name, place)


def show(b: Builder, value: str, output: str) -> None:
    """Copy a value into the output that shows it."""
    rate = b.rates[value]
    stores = (Store(Place(b.outputs[output].buffer).elem(), "v"),)
    source = b.place(value, rate).elem()
    b.append(rate, b.copy_stage(f"output {prose(output)}", source, b.sizes[value], stores))
