"""Lower an Affine layer: a multiplier and an offset per element."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.program import Stage
from rnn2c.lower.builder import Builder
from rnn2c.lower.weighted import operand, weighted_sum


def lower_affine(b: Builder, layer: graph.Affine) -> None:
    """One stage: y = (x * multiplier + offset) / 2^shift, saturated."""
    rate, source = b.rates[layer.name], b.format(layer.inputs[0])
    term = operand(b, layer.inputs[0], rate, layer.scale)
    offset = layer.offset - layer.scale * source.scale * source.zero_point
    calls = weighted_sum(b, layer, (term,), offset, b.format(layer.name))
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    title = b.title(layer, "x * scale + offset")
    b.append(rate, Stage(title, b.sizes[layer.name], tuple(calls), stores))
