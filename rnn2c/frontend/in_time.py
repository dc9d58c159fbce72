"""What recurrent layers of all front ends need of the time axis: where a cell ends, and masks."""

from __future__ import annotations

from rnn2c.frontend.builder import Builder
from rnn2c.ir import graph, window


def final(builder: Builder, value: str) -> str:
    """With what a cell ends: the value at the last step, or in reverse at the first."""
    layer = builder.source(value)
    reverse = isinstance(layer, graph.Recurrent) and layer.direction == "reverse"
    return builder.over_time(value, "first" if reverse else "last")


def mask_before(builder: Builder, x: str, steps: int) -> str:
    """A mask that is 1 at the first `steps` steps of the value x."""
    while (layer := builder.source(x)) is not None:  # a model input is there at every step
        x = layer.inputs[0]
    name = f"{x}.before{steps}"
    if builder.layer(name) is None:
        builder.add(window.StepMask(name=name, inputs=(x,), steps=steps))
    return name


def masked(builder: Builder, value: str, mask: str) -> str:
    """The value, zero where the mask is 0."""
    made = builder.unique(f"{value}.masked", "masked")
    builder.add(window.Masked(name=made, inputs=(value, mask)))
    return made
