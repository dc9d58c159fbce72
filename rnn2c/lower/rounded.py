"""Lower a Rounded layer: no work where the value has the wanted format already."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.model_text import format_text
from rnn2c.ir.program import Stage
from rnn2c.lower.arrange import copied
from rnn2c.lower.builder import Builder


def lower_rounded(b: Builder, layer: graph.Rounded) -> None:
    """At most one stage."""
    (source,) = layer.inputs
    rate = b.rates[layer.name]
    place = b.place(source, rate)
    if b.format(source) == b.format(layer.name) and not b.is_kept(layer.name):
        b.set_place(layer.name, place)
        return
    calls = copied(b, layer, source, place.elem())
    stores = b.define(layer.name, "y", f"{source}, rounded")
    title = b.title(layer, f"round to {format_text(layer.form)}")
    b.append(rate, Stage(title, b.sizes[layer.name], tuple(calls), stores))
