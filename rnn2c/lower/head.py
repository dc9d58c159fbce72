"""Lower softmax, argmax and the largest or smallest element.

Softmax: e_k = 2^((x_k - max) * scale * log2 e), normalized by a reciprocal from a table and one
Newton step; no division.  Results are within 5 * 2^-15 of the real softmax of the logits.
"""

from __future__ import annotations

import math

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Format, Rate
from rnn2c.ir.program import Call, Elem, Reduce, Stage, Store
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.scaling import ratio

OCTAVES = 16
LOG2_STEPS = 4096
MOST_CLASSES = 4096


def lower_argmax(b: Builder, layer: graph.ArgMax) -> None:
    """The index of the largest element; no arithmetic."""
    _lower_one(b, layer, "argmax", "index of the largest")


def lower_extreme_element(b: Builder, layer: graph.Extreme) -> None:
    """The largest or the smallest element."""
    word = "largest" if layer.function == "max" else "smallest"
    _lower_one(b, layer, f"{word}_f32" if b.model.numerics is None else word, word)


def _lower_one(b: Builder, layer: graph.Layer, function: str, what: str) -> None:
    """A vector becomes one element."""
    rate = b.rates[layer.name]
    source = b.place(layer.inputs[0], rate)
    (store, *more) = b.define(layer.name, "v", f"{what} of {layer.inputs[0]}")
    size = b.sizes[layer.inputs[0]]
    title = b.title(layer, layer.function if isinstance(layer, graph.Extreme) else function)
    b.append(rate, Reduce(title, function, source.buffer, store.element.buffer, size, source.new))
    if more:
        b.append(rate, b.copy_stage(f"{title}, copy", store.element, 1, tuple(more)))


def lower_softmax(b: Builder, layer: graph.Softmax) -> None:
    """Three passes over the classes: largest, exponentials, shares."""
    rate = b.rates[layer.name]
    size = b.sizes[layer.name]
    title = b.title(layer, "softmax")
    _, powers, total = exponentials(b, layer, title)
    inverse, shift = _normalize(b, layer, total, size, rate, title)
    share = Call(
        "y", "share", (powers.elem(), Elem(inverse.buffer, 0, 0), Elem(shift.buffer, 0, 0)), "Q0.15"
    )
    stores = b.define(layer.name, "y", f"probabilities of {layer.inputs[0]}")
    b.append(rate, Stage(f"{title}: e / sum", size, (share,), stores))


def exponentials(b: Builder, layer: graph.Layer, title: str) -> tuple[Place, Place, Place]:
    """Stages that compute the largest logit, e = exp(x - largest) and the sum of e, in Q0.15."""
    rate, size = b.rates[layer.name], b.sizes[layer.name]
    if size > MOST_CLASSES:
        raise UnsupportedError(f"layer '{layer.name}': softmax over {size} > {MOST_CLASSES} values")
    x_format = b.format(layer.inputs[0])
    x = b.place(layer.inputs[0], rate)
    top = _memory(b, layer, "max", x_format, 1, rate)
    r = ratio(np.array([x_format.scale * math.log2(math.e) * LOG2_STEPS]))
    factor = int(r.multiplier[0])
    furthest = min(((OCTAVES * LOG2_STEPS) << r.shift) // factor + 1, 65535)
    below = (
        Call("below_max", "subtract", (Elem(top.buffer, 0, 0), x.elem()), "max - x"),
        Call("within", "clamp", ("below_max", 0, furthest), "beyond it e is 0"),
        Call("octaves", "requantize_wide", ("within", factor, r.shift), "log2(1/e), in 1/4096"),
        Call("e", "exp2_down", (b.table("exp2_table"), "octaves"), "Q0.15"),
    )
    powers = _memory(b, layer, "exp", Format(2.0**-15, 16, lo=0, hi=32767), size, rate)
    total = _memory(b, layer, "total", Format(2.0**-15, 32, lo=0, hi=32767 * size), 1, rate)
    b.append(
        rate,
        Reduce(f"{title}: largest logit", "largest", x.buffer, top.buffer, size, x.new),
        Stage(f"{title}: e = exp(x - max)", size, below, (Store(powers.elem(), "e"),)),
        Reduce(f"{title}: sum of e", "add", powers.buffer, total.buffer, size),
    )
    return top, powers, total


def _memory(
    b: Builder, layer: graph.Layer, name: str, form: Format, size: int, rate: Rate
) -> Place:
    return b.scratch(f"{b.slug(layer)}_{name}", form, size, f"softmax: {name}", rate)


def halved(total: Place, size: int, start: int) -> tuple[list[Call], str | Elem, str | int, int]:
    """Calls that halve a sum of `size` numbers below 2^15 until it is one too.

    Also the names of the result and of start + halvings, and the most halvings there can be.
    """
    halvings = max(1, math.ceil(math.log2(size)))
    body: list[Call] = []
    value: str | Elem = total.elem()
    count: str | int = start
    for k in range(halvings):
        body += [
            Call(f"large{k}", "excess_bit", (value,), "1 if the sum is too large"),
            Call(f"sum{k}", "shift_down", (value, f"large{k}"), "halved if so"),
            Call(f"shift{k}", "add", (count, f"large{k}"), f"{start} + halvings"),
        ]
        value, count = f"sum{k}", f"shift{k}"
    return body, value, count, halvings


def _normalize(
    b: Builder, layer: graph.Layer, total: Place, size: int, rate: Rate, title: str
) -> tuple[Place, Place]:
    """Halve the sum until it is below 2^15, then take the reciprocal."""
    body, value, shift, halvings = halved(total, size, 14)
    body += [
        Call("in_range", "clamp", (value, 16384, 32767), "already so"),
        Call("inverse", "reciprocal", ("in_range", b.table("reciprocal_table")), "2^29 / sum"),
    ]
    inverse = _memory(b, layer, "inverse", Format(1.0, 32, lo=16384, hi=32768), 1, rate)
    down = _memory(b, layer, "shift", Format(1.0, 8, lo=14, hi=14 + halvings), 1, rate)
    stores = (Store(inverse.elem(), "inverse"), Store(down.elem(), str(shift)))
    b.append(rate, Stage(f"{title}: 1 / sum", 1, tuple(body), stores))
    return inverse, down
