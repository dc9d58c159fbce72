"""Lower Reduce to integers: a running extreme, or an exact running sum that finish scales.

A sum has 32 bits, so a sequence has at most as many steps as surely fit; step refuses one more.
"""

from __future__ import annotations

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir.graph import Format
from rnn2c.ir.program import Call, Elem, Stage, Store
from rnn2c.ir.temporal import Reduce
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.linear import limited
from rnn2c.lower.scaling import ratio, requantize_calls
from rnn2c.lower.select import show
from rnn2c.ranges import Interval

MOST_STEPS = 2**16 - 1
SUM_LIMIT = 2**31 - 2**18


def lower_reduce(b: Builder, layer: Reduce) -> None:
    """See the module's first lines."""
    match layer.function:
        case "max" | "min":
            lower_extreme(b, layer, {"max": "largest", "min": "smallest"}[layer.function])
        case "mean":
            _lower_mean(b, layer)
        case _:
            _lower_sum(b, layer)


def lower_extreme(b: Builder, layer: Reduce, fold: str, start: int | Elem | None = None) -> None:
    """A running extreme in the state that begins with `start`, by default the worst there is."""
    x = layer.inputs[0]
    size, form = b.sizes[x], b.format(x)
    same = "same" if start is None else "same_f32"
    if start is None:
        start = form.lo if layer.function == "max" else form.hi
    count_steps(b, layer, 1)
    with b.beside(x):
        kept = b.state(layer.name, form, size, f"{layer.function} so far")
        stores = (Store(kept.elem(), "v"),)
        b.begin(Stage(b.title(layer, "begin"), size, (Call("v", same, (start,)),), stores))
        body = (Call("y", fold, (kept.elem(), b.place(x, "step").elem())),)
        b.append_at(x, Stage(reduce_title(b, layer), size, body, (Store(kept.elem(), "y"),)))
    b.set_place(layer.name, kept)
    for output in b.model.outputs:
        if output.value == layer.name:
            show(b, layer.name, output.name)


def _lower_mean(b: Builder, layer: Reduce) -> None:
    x = b.format(layer.inputs[0])
    total, count = running_sum(b, layer, Format(x.scale, 32, lo=0, hi=_most(x)), x.lo)
    body = [
        Call("mean", "divide", (total.elem(), Elem(count, 0, 0)), "above the least value"),
        Call("y_wide", "add", ("mean", x.lo)),
        *limited("y", "y_wide", b.format(layer.name), ""),
    ]
    finish_reduce(b, layer, tuple(body))


def _lower_sum(b: Builder, layer: Reduce) -> None:
    x, form = b.format(layer.inputs[0]), b.format(layer.name)
    most = _most(x)
    wide = Format(x.scale, 32, lo=-most, hi=most)
    total, _ = running_sum(b, layer, wide, x.zero_point)
    r = ratio(np.array([x.scale / form.scale]))
    body = [
        Call("v", "same", (total.elem(),)),
        *requantize_calls("y_wide", "v", Interval(-most, most), r, int(r.multiplier[0]), "y"),
        *limited("y", "y_wide", form, ""),
    ]
    finish_reduce(b, layer, tuple(body))


def _most(x: Format) -> int:
    """The largest sum: of as many steps as fit."""
    return _steps(x) * (x.hi - x.lo)


def _steps(x: Format) -> int:
    return min(MOST_STEPS, SUM_LIMIT // (x.hi - x.lo))


def running_sum(b: Builder, layer: Reduce, wide: Format, zero: int) -> tuple[Place, str]:
    """The sum of x - zero over all steps, and the number of steps, both in the state."""
    x = layer.inputs[0]
    count = count_steps(b, layer, _steps(b.format(x)))
    title, size = reduce_title(b, layer), b.sizes[x]
    with b.beside(x):
        total = b.state(f"{b.slug(layer)}_sum", wide, size, "sum so far")
        body = (
            Call("away", "subtract", (b.place(x, "step").elem(), zero)),
            Call("more", "add", (total.elem(), "away")),
            Call("sum", "clamp", ("more", wide.lo, wide.hi), "never limits: steps are counted"),
        )
        b.append_at(x, Stage(title, size, body, (Store(total.elem(), "sum"),)))
    return total, count


def count_steps(b: Builder, layer: Reduce, most: int) -> str:
    """Count the inputs, up to `most`; unless that is 1, no more steps are taken then.

    Returns the counter, which is there already where the whole sequence is stored.
    """
    if b.rates[layer.inputs[0]] == "window":
        if 1 < most < b.max_steps:
            raise UnsupportedError(
                f"layer '{layer.name}': a sum of {b.max_steps} steps does not fit 32 bits; at most"
                f" --max-steps {most}"
            )
        b.finish_after.append((b.counter, 0))
        return b.counter
    count = b.clocks.counting(f"{b.slug(layer)}_count", most, "inputs so far")
    b.finish_after.append((count, 0))
    if most > 1:
        b.step_until.append((count, most))
    body = (
        Call("more", "add", (Elem(count), 1)),
        Call("n", "clamp", ("more", 0, most)),
    )
    title = b.title(layer, "count the inputs")
    b.append_at(layer.inputs[0], Stage(title, 1, body, (Store(Elem(count), "n"),)))
    return count


def reduce_title(b: Builder, layer: Reduce) -> str:
    """What the stage of step is called."""
    return b.title(layer, f"{layer.function} over the steps")


def finish_reduce(b: Builder, layer: Reduce, body: tuple[Call, ...]) -> None:
    """The stage of finish whose result is `y`."""
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    title = b.title(layer, f"{layer.function} of all steps")
    b.append("sequence", Stage(title, b.sizes[layer.name], body, stores))
