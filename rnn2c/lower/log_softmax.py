"""Lower a LogSoftmax: x - largest - log(sum of exp(x - largest)).

The sum is that of softmax; its logarithm comes from an interpolated table and the number of times
it was halved.  Beside the rounding of the output, errors are below 2^-12 + n / 2^17 for n classes.
"""

from __future__ import annotations

import math

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Format
from rnn2c.ir.program import Call, Elem, Stage, Store
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.head import exponentials, halved
from rnn2c.lower.linear import limited
from rnn2c.lower.scaling import ratio

LARGEST_SHIFT = 24
LARGEST_LOG = 10.0
LOG_2 = round(math.log(2) * 2**15)


def lower_log_softmax(b: Builder, layer: graph.LogSoftmax) -> None:
    """The passes of softmax up to the sum, its logarithm, then one product for each class."""
    rate, size = b.rates[layer.name], b.sizes[layer.name]
    title = b.title(layer, "log softmax")
    top, _, total = exponentials(b, layer, title)
    source, form = b.format(layer.inputs[0]), b.format(layer.name)
    reach = max(-source.lo, source.hi)
    shift = _shift(layer, source.scale / form.scale, reach, LARGEST_LOG / form.scale)
    by_x = round(source.scale / form.scale * 2.0**shift)
    r = ratio(np.array([2.0 ** (shift - 15) / form.scale]))
    body = (
        *_logarithm(b, size, total),
        Call("log_part", "requantize_wide", ("log", int(r.multiplier[0]), r.shift), "to y"),
        Call("max_part", "affine", (top.elem(), by_x, 0, 0), "max * multiplier"),
        Call("both", "add", ("max_part", "log_part")),
        Call("start", "subtract", (2 ** (shift - 1), "both"), "and the rounding constant"),
    )
    form_of_start = Format(1.0, 32, lo=-(2**30), hi=2**30)
    start = b.scratch(f"{b.slug(layer)}_start", form_of_start, 1, "log softmax: offset", rate)
    x = b.place(layer.inputs[0], rate)
    offset = Elem(start.buffer, 0, 0)
    calls = [
        Call("y_wide", "affine", (x.elem(), by_x, offset, shift), "(x - max) - log(sum)"),
        *limited("y", "y_wide", form, ""),
    ]
    stores = b.define(layer.name, "y", f"log probabilities of {layer.inputs[0]}")
    b.append(
        rate,
        Stage(f"{title}: log(sum)", 1, body, (Store(start.elem(), "start"),)),
        Stage(f"{title}: x - max - log(sum)", size, tuple(calls), stores),
    )


def _logarithm(b: Builder, size: int, total: Place) -> list[Call]:
    """Calls that define `log` in Q.15: the sum is t / 2^15 * 2^(halvings - 1)."""
    body, value, count, _ = halved(total, size, 0)
    return [
        *body,
        Call("in_range", "clamp", (value, 16384, 32767), "already so"),
        Call("quarter", "subtract", ("in_range", 24576), "t / 2 around its middle"),
        Call("half", "add", ("quarter", "quarter")),
        Call("index_wide", "add", ("half", "half"), "2 * (t - 49152)"),
        Call("index", "sat16", ("index_wide",), "fits"),
        Call("fraction", "lut", (b.table("log_table"), "index"), "log(t / 2^15), Q0.15"),
        Call("octaves", "affine", (count, LOG_2, -LOG_2, 0), "(halvings - 1) * log(2)"),
        Call("log", "add", ("fraction", "octaves"), "log(sum), Q.15"),
    ]


def _shift(layer: graph.LogSoftmax, factor: float, reach: int, log: float) -> int:
    """The largest shift at which the multiplier has 16 bits and both parts together 30."""
    for shift in range(LARGEST_SHIFT, 0, -1):
        most = (factor * reach + log + 1) * 2.0**shift
        if factor * 2.0**shift <= 32766 and most < 2.0**30 - reach:
            return shift
    raise UnsupportedError(f"layer '{layer.name}': logits too coarse for their logarithms")
