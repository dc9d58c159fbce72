"""Give the channels of an input scales of their own, where one scale is too coarse for some.

The caller of the C stores channel k of the input in steps of its own; what reads the input
multiplies with that scale anyway, so the scales go into its weights and cost nothing.  They are
powers of two: no weight and no result changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnn2c.ir import graph, window
from rnn2c.ir.graph import FloatArray, Layer, Model
from rnn2c.passes.fold_affine import fold_forwards, reads_as_data

LEAST = 2.0**-40
PASSES_ON = (window.Masked, window.Flip, window.FirstStep, graph.LastStep)
"""Layers that give every channel on as it is."""


def spread_channels(model: Model, reaches: Mapping[str, tuple[FloatArray, FloatArray]]) -> Model:
    """The Model with inputs whose channels are divided by how large they are.

    reaches: by input, how large every channel [size] is relative to the largest; and the same where
    weights read it: those of a channel divided by little share a step with larger ones, so they
    lose what the channel gains.  An input stays as it is if an output shows it, or if a layer
    reads it that has no factor for each channel.
    """
    for name, (reach, beside_weights) in reaches.items():
        scales = _scales(reach if _only_factors(model, name) else beside_weights)
        layers = _scaled(model, name, scales)
        if layers is not None:
            inputs = tuple(
                replace(i, channels=tuple(scales.tolist())) if i.name == name else i
                for i in model.inputs
            )
            model = replace(model, inputs=inputs, layers=layers)
    return model


def _only_factors(model: Model, name: str) -> bool:
    """Whether what reads the input has a factor of its own for every channel, and no weights."""
    given_on = {name}
    for layer in model.layers:
        if given_on.isdisjoint(layer.inputs):
            continue
        if isinstance(layer, PASSES_ON):
            given_on.update(layer.outputs)
        elif not isinstance(layer, (graph.Affine, window.ValueMask)):
            return False
    return True


def _scales(reach: FloatArray) -> FloatArray:
    """Of each channel, relative to that of the largest; of one that is always zero, 1."""
    relative = np.where(reach > 0, reach / reach.max(initial=LEAST), 1.0)
    return np.asarray(2.0 ** np.ceil(np.log2(np.maximum(relative, LEAST))), np.float64)


def _scaled(model: Model, name: str, scales: FloatArray) -> tuple[Layer, ...] | None:
    """The layers, reading the value of an input divided by the scales; None if one cannot."""
    divided, layers = {name}, []
    for layer in model.layers:
        read = divided.intersection(layer.inputs)
        if not read:
            layers.append(layer)
            continue
        made = _reader(layer, layer.inputs[0], scales) if read == {layer.inputs[0]} else None
        if made is None:
            return None
        layers.append(made)
        if isinstance(layer, PASSES_ON):
            divided.update(layer.outputs)
    return None if divided & model.kept else tuple(layers)


def _reader(layer: Layer, value: str, scales: FloatArray) -> Layer | None:
    """A layer that reads the divided value in the place of the value itself."""
    factors = graph.Affine(name=value, inputs=(value,), scale=scales, offset=np.zeros(len(scales)))
    match layer:
        case graph.Affine(scale=scale):
            return replace(layer, scale=scale * scales)
        case window.ValueMask():
            return replace(layer, channels=tuple(scales.tolist()))
    if isinstance(layer, PASSES_ON):
        return layer
    return fold_forwards(layer, factors) if reads_as_data(layer, factors) else None
