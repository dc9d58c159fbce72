"""Move an activation into the Linear layer before it, so that both become one stage."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from rnn2c.ir import graph
from rnn2c.ir.graph import Model

FUSED = ("relu", "sigmoid", "tanh")
"""The others have a stage of their own."""


def fuse_activation(model: Model) -> Model:
    """Fuse where the Linear layer has no other reader and no activation yet."""
    layers = {layer.name: layer for layer in model.layers}
    kept = model.kept
    readers = Counter(value for layer in model.layers for value in set(layer.inputs))
    for layer in model.layers:
        if not isinstance(layer, graph.Activation) or layer.function not in FUSED:
            continue
        source = layers.get(layer.inputs[0])
        if not isinstance(source, graph.Linear) or source.activation:
            continue
        if readers[layer.inputs[0]] > 1 or source.name in kept:
            continue
        del layers[source.name]
        layers[layer.name] = replace(source, name=layer.name, activation=layer.function)
    order = [layer.name for layer in model.layers if layer.name in layers]
    return model.with_layers(tuple(layers[name] for name in order))
