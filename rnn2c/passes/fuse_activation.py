"""Move an activation into the Linear layer before it, so that both become one stage."""

from __future__ import annotations

from dataclasses import replace

from rnn2c.ir import graph
from rnn2c.ir.graph import Model

FUSED = ("relu", "sigmoid", "tanh")
"""The others have a stage of their own."""


def fuse_activation(model: Model) -> Model:
    """Fuse where the Linear layer has no other reader and no activation yet."""
    layers = {layer.name: layer for layer in model.layers}
    kept = model.kept
    for layer in model.layers:
        if not isinstance(layer, graph.Activation) or layer.function not in FUSED:
            continue
        source = layers.get(layer.inputs[0])
        readers = [r for r in layers.values() if layer.inputs[0] in r.inputs]
        if not isinstance(source, graph.Linear) or source.activation:
            continue
        if len(readers) > 1 or source.name in kept:
            continue
        del layers[source.name]
        layers[layer.name] = replace(source, name=layer.name, activation=layer.function)
    order = [layer.name for layer in model.layers if layer.name in layers]
    return model.with_layers(tuple(layers[name] for name in order))
