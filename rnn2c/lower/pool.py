"""Lower Pool to integers: the taps compared, or added exactly and divided in one rounding."""

from __future__ import annotations

import numpy as np

from rnn2c.ir.program import Call, Elem, Stage
from rnn2c.ir.temporal import Pool
from rnn2c.lower.builder import Builder
from rnn2c.lower.linear import limited
from rnn2c.lower.partial import count_taps
from rnn2c.lower.rings import taps
from rnn2c.lower.scaling import ratio, requantize_calls
from rnn2c.ranges import Interval


def lower_pool(b: Builder, layer: Pool) -> None:
    """One stage; the result has the format of the input, the average saturates in it."""
    x, form = b.format(layer.inputs[0]), b.format(layer.name)
    if layer.function == "max":
        body = pool_calls(b, layer, "largest", x.lo)
        body.append(Call("y", "clamp", (body[-1].out, form.lo, form.hi)))
    elif leaves_out(layer):
        body = _partial(b, layer)
    else:
        body = pool_calls(b, layer, "add", x.zero_point)
        last = body[-1].out
        taps_ = Interval(layer.kernel * x.lo, layer.kernel * x.hi)
        r = ratio(np.array([1 / layer.kernel]))
        body += requantize_calls("share", last, taps_, r, int(r.multiplier[0]), "average")
        body += limited("y", "share", form, "")
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    b.append("step", Stage(pool_title(b, layer), b.sizes[layer.name], tuple(body), stores))


def _partial(b: Builder, layer: Pool) -> list[Call]:
    """Padding holds the least value, so that it adds nothing to what is above it."""
    x, count = b.format(layer.inputs[0]), count_taps(b, layer)
    body = pool_calls(b, layer, "add", x.lo)
    return [
        *body,
        Call("above", "subtract", (body[-1].out, layer.kernel * x.lo), "above the least value"),
        Call("mean", "divide", ("above", count)),
        Call("wide", "add", ("mean", x.lo)),
        *limited("y", "wide", b.format(layer.name), ""),
    ]


def leaves_out(layer: Pool) -> bool:
    """Whether there is padding that does not count in an average."""
    return layer.function == "average" and any(layer.pads) and not layer.count_pads


def pool_title(b: Builder, layer: Pool) -> str:
    """What the stage is called."""
    return b.title(layer, f"{layer.function} of {layer.kernel} steps")


def pool_calls(b: Builder, layer: Pool, fold: str, fill: int | Elem) -> list[Call]:
    """Calls that fold all taps with a primitive of two arguments; fill: what padding holds."""
    first, *rest = (place.elem() for place in taps(b, layer, fill))
    same = "same_f32" if fold.endswith("_f32") else "same"
    calls = [Call("of1", same, (first,))]
    for k, elem in enumerate(rest, 2):
        calls.append(Call(f"of{k}", fold, (f"of{k - 1}", elem)))
    return calls
