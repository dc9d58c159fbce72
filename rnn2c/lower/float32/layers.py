"""Lower what is neither a cell nor elementwise to float32: Linear, softmax, sensor counts."""

from __future__ import annotations

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FLOAT32
from rnn2c.ir.program import Call, Dot, Elem, RawInput, Reduce, Signal, Stage, Store
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.float32.dot import Part, const, dot
from rnn2c.lower.raw import RawScale, raw_channels


def lower_linear(b: Builder, layer: graph.Linear) -> None:
    """One stage: dot product, then the activation."""
    rate = b.rates[layer.name]
    weight = layer.weight.real()
    parts = (Part(b.place(layer.inputs[0], rate), weight[:, None, :], (0,)),)
    outs = ("sum",) if layer.activation else ("y",)
    body: list[Call | Dot] = [dot(b, layer, "", outs, parts, layer.bias[:, None])]
    if layer.activation:
        body.append(Call("y", f"{layer.activation}_f32", ("sum",)))
    suffix = f" then {layer.activation}" if layer.activation else ""
    title = b.title(layer, f"linear {weight.shape[1]} -> {len(weight)}{suffix}")
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    b.append(rate, Stage(title, len(weight), tuple(body), stores))


def lower_softmax(b: Builder, layer: graph.Softmax) -> None:
    """Three passes over the classes: largest, exponentials, shares."""
    rate, size = b.rates[layer.name], b.sizes[layer.name]
    title = b.title(layer, "softmax")
    _, powers, total = exponentials(b, layer, title)
    share = Call("y", "share_f32", (powers.elem(), Elem(total.buffer, 0, 0)))
    stores = b.define(layer.name, "y", f"probabilities of {layer.inputs[0]}")
    b.append(rate, Stage(f"{title}: e / sum", size, (share,), stores))


def exponentials(b: Builder, layer: graph.Layer, title: str) -> tuple[Place, Place, Place]:
    """Stages that compute the largest logit, e = exp(x - largest) and the sum of e."""
    rate, size, slug = b.rates[layer.name], b.sizes[layer.name], b.slug(layer)
    x = b.place(layer.inputs[0], rate)
    top = b.scratch(f"{slug}_max", FLOAT32, 1, "softmax: max", rate)
    powers = b.scratch(f"{slug}_exp", FLOAT32, size, "softmax: exp", rate)
    total = b.scratch(f"{slug}_total", FLOAT32, 1, "softmax: total", rate)
    power = Call("e", "exp_below_f32", (x.elem(), Elem(top.buffer, 0, 0)), "exp(x - max)")
    b.append(
        rate,
        Reduce(f"{title}: largest logit", "largest_f32", x.buffer, top.buffer, size, x.new),
        Stage(f"{title}: e = exp(x - max)", size, (power,), (Store(powers.elem(), "e"),)),
        Reduce(f"{title}: sum of e", "add_f32", powers.buffer, total.buffer, size),
    )
    return top, powers, total


def lower_raw(b: Builder, inputs: tuple[Signal, ...], raw: RawScale) -> RawInput:
    """x = (count - offset) * scale; Rnn2cError if a number is unfit."""
    signal, scale, zero = raw_channels(b, inputs, raw)
    small, large = np.asarray(scale, np.float32), np.asarray(zero, np.float32)
    return RawInput(
        signal=signal.name,
        buffer=signal.buffer,
        multiplier=const(b, "raw_scale", small, "units per count"),
        offset=const(b, "raw_offset", large, "count at input 0"),
        shift=None,
        scale=tuple(map(float, scale)),
        zero=tuple(map(float, zero)),
    )
