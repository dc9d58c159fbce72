"""Lower LayerNorm and LogSoftmax to float32: the same sums, without scales."""

from __future__ import annotations

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FLOAT32, FloatArray
from rnn2c.ir.program import Call, Elem, Fold, Reduce, Stage, Store
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.float32.dot import const, single
from rnn2c.lower.float32.layers import exponentials


def lower_log_softmax(b: Builder, layer: graph.LogSoftmax) -> None:
    """The passes of softmax up to the sum, then its logarithm taken off."""
    rate, title = b.rates[layer.name], b.title(layer, "log softmax")
    x = b.place(layer.inputs[0], rate)
    top, _, total = exponentials(b, layer, title)
    one, sums = Elem(top.buffer, 0, 0), Elem(total.buffer, 0, 0)
    call = Call("y", "log_below_f32", (x.elem(), one, sums))
    stores = b.define(layer.name, "y", f"log probabilities of {layer.inputs[0]}")
    stage = Stage(f"{title}: x - max - log(sum)", b.sizes[layer.name], (call,), stores)
    b.append(rate, stage)


def lower_norm(b: Builder, layer: graph.LayerNorm) -> None:
    """Mean, deviations, sum of their squares, gain and bias."""
    rate, size, title = b.rates[layer.name], b.sizes[layer.name], b.title(layer, "normalize")
    away = _deviations(b, layer)
    squares = _one(b, layer, "squares")
    deviation = _one(b, layer, "deviation")
    gain = _const(b, layer, "gain", layer.gain)
    bias = _const(b, layer, "bias", layer.bias)
    count = _const(b, layer, "count", np.array([float(size)]))
    epsilon = _const(b, layer, "epsilon", np.array([layer.epsilon]))
    root = Call("d", "deviation_f32", (squares.elem(), Elem(count, 0, 0), Elem(epsilon, 0, 0)))
    normal = Call(
        "y", "normal_f32", (away.elem(), Elem(deviation.buffer, 0, 0), Elem(gain), Elem(bias))
    )
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    b.append(
        rate,
        Fold(f"{title}: squares", "add_square_f32", away.buffer, squares.buffer, size, away.new),
        Stage(f"{title}: deviation", 1, (root,), (Store(deviation.elem(), "d"),)),
        Stage(f"{title}: gain and bias", size, (normal,), stores),
    )


def _deviations(b: Builder, layer: graph.LayerNorm) -> Place:
    """Where x - mean is, or x itself if the layer is not centred."""
    rate, size, title = b.rates[layer.name], b.sizes[layer.name], b.title(layer, "normalize")
    x = b.place(layer.inputs[0], rate)
    if not layer.centred:
        return x
    total, mean = _one(b, layer, "sum"), _one(b, layer, "mean")
    away = b.scratch(f"{b.slug(layer)}_away", FLOAT32, size, "normalize: x - mean", rate)
    share = _const(b, layer, "share", np.array([1.0 / size]))
    average = Call("m", "mul_f32", (total.elem(), Elem(share, 0, 0)))
    apart = Call("a", "subtract_f32", (x.elem(), Elem(mean.buffer, 0, 0)))
    b.append(
        rate,
        Reduce(f"{title}: sum", "add_f32", x.buffer, total.buffer, size, x.new),
        Stage(f"{title}: mean", 1, (average,), (Store(mean.elem(), "m"),)),
        Stage(f"{title}: x - mean", size, (apart,), (Store(away.elem(), "a"),)),
    )
    return away


def _one(b: Builder, layer: graph.LayerNorm, name: str) -> Place:
    rate = b.rates[layer.name]
    return b.scratch(f"{b.slug(layer)}_{name}", FLOAT32, 1, f"normalize: {name}", rate)


def _const(b: Builder, layer: graph.LayerNorm, name: str, values: FloatArray) -> str:
    return const(b, f"{layer.name}_{name}", single(layer, name, values), f"{name} of the layer")
