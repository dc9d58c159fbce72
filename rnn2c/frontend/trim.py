"""Cutting off the last steps of a padded convolution, so that padding is left in front alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rnn2c.ir import graph
from rnn2c.ir.graph import Layer
from rnn2c.ir.temporal import Framed

SINGLE = (graph.Activation, graph.Affine, graph.Rounded)
"""Layers of one input that treat every step alike."""


def trimmed(layers: Mapping[str, Layer], name: str, count: int) -> tuple[Layer, ...]:
    """Layers that compute a value without its last steps, from the first to the last.

    None of them where these steps are not those of padding; their names are those of the originals.
    """
    layer = layers.get(name)
    if isinstance(layer, Framed):
        if layer.stride != 1 or layer.pads[1] < count:
            return ()
        return (replace(layer, pads=(layer.pads[0], layer.pads[1] - count)),)
    if isinstance(layer, SINGLE):
        before = trimmed(layers, layer.inputs[0], count)
        return (*before, layer) if before else ()
    return ()
