"""Lower layers that look over several steps to float32: Conv1d, Pool, Reduce."""

from __future__ import annotations

import numpy as np

from rnn2c.ir.graph import FLOAT32
from rnn2c.ir.program import Call, Dot, Elem, Stage, Store
from rnn2c.ir.temporal import Conv1d, Pool, Reduce
from rnn2c.lower.builder import Builder
from rnn2c.lower.conv import conv_blocks, conv_title
from rnn2c.lower.float32.dot import Part, const, dot
from rnn2c.lower.linear import block_stores, placed
from rnn2c.lower.partial import count_taps
from rnn2c.lower.pool import leaves_out, pool_calls, pool_title
from rnn2c.lower.reduce import (
    MOST_STEPS,
    count_steps,
    finish_reduce,
    lower_extreme,
    reduce_title,
)

LARGEST = float(np.finfo(np.float32).max)


def lower_conv(b: Builder, layer: Conv1d) -> None:
    """As in integers: a stage for every block of rows, a segment for every tap."""
    blocks, weight = conv_blocks(b, layer, 0), layer.weight.real()
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    suffix = f" then {layer.activation}" if layer.activation else ""
    outs = ("sum",) if layer.activation else ("y",)
    for k, block in enumerate(blocks):
        label = f"part{k}_" if len(blocks) > 1 else ""
        own = weight[block.rows, None]
        parts = tuple(
            Part(c.place, own[:, :, c.first : c.first + c.count], (0,)) for c in block.columns
        )
        made = dot(b, layer, label, outs, parts, layer.bias[block.rows, None])
        body: list[Call | Dot] = [placed(made, block)]
        if layer.activation:
            body.append(Call("y", f"{layer.activation}_f32", ("sum",)))
        part = f", part {k + 1} of {len(blocks)}" if len(blocks) > 1 else ""
        title = b.title(layer, f"{conv_title(b, layer)}{suffix}{part}")
        b.append("step", Stage(title, len(own), tuple(body), block_stores(stores, block)))


def lower_pool(b: Builder, layer: Pool) -> None:
    """The largest, or the sum times 1 / kernel, or divided by the number of taps that are there."""
    if layer.function == "max":
        fill = _number(b, layer, "least", -LARGEST) if any(layer.pads) else 0
        body = pool_calls(b, layer, "largest_f32", fill)
        last = Call("y", "same_f32", (body[-1].out,))
    elif leaves_out(layer):
        count = count_taps(b, layer)
        body = pool_calls(b, layer, "add_f32", 0)
        last = Call("y", "share_f32", (body[-1].out, count))
    else:
        body = pool_calls(b, layer, "add_f32", 0)
        share = _number(b, layer, "share", 1 / layer.kernel)
        last = Call("y", "mul_f32", (body[-1].out, share))
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    b.append("step", Stage(pool_title(b, layer), b.sizes[layer.name], (*body, last), stores))


def lower_reduce(b: Builder, layer: Reduce) -> None:
    """A running extreme or sum; a mean is divided by the number of steps in finish."""
    if layer.function == "max":
        lower_extreme(b, layer, "largest_f32", _number(b, layer, "least", -LARGEST))
    elif layer.function == "min":
        lower_extreme(b, layer, "smallest_f32", _number(b, layer, "most", LARGEST))
    else:
        _lower_total(b, layer)


def _lower_total(b: Builder, layer: Reduce) -> None:
    x = layer.inputs[0]
    count = count_steps(b, layer, MOST_STEPS if layer.function == "mean" else 1)
    title, size = reduce_title(b, layer), b.sizes[x]
    with b.beside(x):
        total = b.state(f"{b.slug(layer)}_sum", FLOAT32, size, "sum so far")
        more = (Call("sum", "add_f32", (total.elem(), b.place(x, "step").elem())),)
        b.append_at(x, Stage(title, size, more, (Store(total.elem(), "sum"),)))
    mean = Call("y", "share_f32", (total.elem(), Elem(count, 0, 0)))
    plain = Call("y", "same_f32", (total.elem(),))
    finish_reduce(b, layer, (mean if layer.function == "mean" else plain,))


def _number(b: Builder, layer: Pool | Reduce, name: str, value: float) -> Elem:
    made = const(b, f"{layer.name}_{name}", np.array([value], np.float32), f"{name} of all")
    return Elem(made, 0, 0)
