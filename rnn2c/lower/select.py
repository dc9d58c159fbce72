"""Lower the selection of the last step, and outputs that show a value as it is."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.names import prose
from rnn2c.ir.program import Store
from rnn2c.lower.builder import Builder, Place


def lower_last_step(b: Builder, layer: graph.LastStep) -> None:
    """No work as a rule: finish reads the value where the last step left it, in the state."""
    source = layer.inputs[0]
    place = b.place(source, "step")
    size = b.sizes[source]
    if b.buffers[place.buffer].role != "state" or b.is_delayed(source):
        kept = b.state(f"{b.slug(layer)}_last", b.format(source), size, "the last input")
        stores = (Store(kept.elem(), "v"),)
        b.append("step", b.copy_stage(b.title(layer, "keep"), place.elem(), size, stores))
        place = kept
    b.set_place(layer.name, place)
    for output in b.model.outputs:
        if output.value == layer.name:
            show(b, layer.name, output.name)


def show(b: Builder, value: str, output: str) -> None:
    """Copy a value into the output that shows it."""
    rate = b.rates[value]
    stores = (Store(Place(b.outputs[output].buffer).elem(), "v"),)
    source = b.place(value, rate).elem()
    b.append(rate, b.copy_stage(f"output {prose(output)}", source, b.sizes[value], stores))
