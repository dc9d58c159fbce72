"""Lower Pool to integers: the taps compared, or added exactly and divided in one rounding."""

from __future__ import annotations

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir.program import Call, Elem, Stage
from rnn2c.ir.temporal import Pool
from rnn2c.lower.builder import Builder
from rnn2c.lower.linear import limited
from rnn2c.lower.rings import taps
from rnn2c.lower.scaling import ratio, requantize_calls
from rnn2c.ranges import Interval


def lower_pool(b: Builder, layer: Pool) -> None:
    """One stage; the result has the format of the input, the average saturates in it."""
    x, form = b.format(layer.inputs[0]), b.format(layer.name)
    fold = "largest" if layer.function == "max" else "add"
    body = pool_calls(b, layer, fold, x.lo if layer.function == "max" else x.zero_point)
    last = body[-1].out
    if layer.function == "max":
        body.append(Call("y", "clamp", (last, form.lo, form.hi)))
    else:
        taps_ = Interval(layer.kernel * x.lo, layer.kernel * x.hi)
        r = ratio(np.array([1 / layer.kernel]))
        body += requantize_calls("share", last, taps_, r, int(r.multiplier[0]), "average")
        body += limited("y", "share", form, "")
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    b.append("step", Stage(pool_title(b, layer), b.sizes[layer.name], tuple(body), stores))


def pool_title(b: Builder, layer: Pool) -> str:
    """What the stage is called."""
    return b.title(layer, f"{layer.function} of {layer.kernel} steps")


def pool_calls(b: Builder, layer: Pool, fold: str, fill: int | Elem) -> list[Call]:
    """Calls that fold all taps with a primitive of two arguments; fill: what padding holds."""
    if layer.function == "average" and any(layer.pads) and not layer.count_pads:
        raise UnsupportedError(
            f"layer '{layer.name}': an average that leaves out padding; count the padding"
            " (count_include_pad=1) or do not pad"
        )
    first, *rest = (place.elem() for place in taps(b, layer, fill))
    same = "same_f32" if fold.endswith("_f32") else "same"
    calls = [Call("of1", same, (first,))]
    for k, elem in enumerate(rest, 2):
        calls.append(Call(f"of{k}", fold, (f"of{k - 1}", elem)))
    return calls
