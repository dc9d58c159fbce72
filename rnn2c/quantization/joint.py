"""A value much finer than a joint sum can use is rounded in front of the cell that reads it.

A joint sum stores w_ih in steps of the row's scale over that of x.  Where x has a format that a
table or another layer gives it, Q0.15 say, those steps may exceed the weights themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import Format, Layer, Model
from rnn2c.quantization.formats import joint_format
from rnn2c.quantization.given import own_scales
from rnn2c.quantization.observe import Span
from rnn2c.quantization.options import QuantizeOptions

TOO_FINE = 4
"""Up to this factor finer costs w_ih two bits at most; more is worth a stage of its own."""


def with_rounded_inputs(
    model: Model,
    spans: Mapping[str, Span],
    formats: Mapping[str, Format],
    options: QuantizeOptions,
) -> tuple[Model, dict[str, Span]]:
    """The Model with a copy of each such value, whose format is free; spans of the copies too."""
    layers: list[Layer] = []
    more = dict(spans)
    own = own_scales(model)
    for layer in model.layers:
        if isinstance(layer, graph.Recurrent) and layer.name not in own:
            x = layer.inputs[0]
            wanted = joint_format(layer, spans[x], spans, options)
            if wanted is not None and formats[x].scale * TOO_FINE < wanted.scale:
                copy = _copy(_free_name(f"{layer.name}.x", more), x, layer.w_ih.shape[1])
                layers.append(copy)
                layer = replace(layer, inputs=(copy.name, *layer.inputs[1:]))
                more[copy.name] = spans[x]
        layers.append(layer)
    return model.with_layers(tuple(layers)), more


def _copy(name: str, x: str, size: int) -> graph.Affine:
    return graph.Affine(name=name, inputs=(x,), scale=np.ones(size), offset=np.zeros(size))


def _free_name(wanted: str, taken: Mapping[str, Span]) -> str:
    while wanted in taken:
        wanted += "_"
    return wanted
