"""Lower a LayerNorm: mean, deviations on a scale of their own, their squares, one inverse root.

The deviations of a vector are brought to 14 or 15 bits by shifts that depend on the largest one, so
a vector of small deviations loses nothing; epsilon is shifted likewise.  Sums of squares are exact
but for the rounding of each to 2^-p; the inverse root is within 2 of 2^14 .. 2^15.  Results are
within 2^-12 of the largest possible one, sqrt(n), of the real ones for the same integers.
"""

from __future__ import annotations

import math

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Format
from rnn2c.ir.program import Argument, Call, Elem, Fold, Reduce, Stage, Store
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.scaling import ratio
from rnn2c.lower.weighted import Term, weighted_sum

MOST_FEATURES = 4096
EPSILON_BITS = 29
MOST_GROWTH = 13
MOST_FRACTION = 8
MOST_HALVINGS = 30


def lower_norm(b: Builder, layer: graph.LayerNorm) -> None:
    """Two to four reductions and four stages."""
    rate, size = b.rates[layer.name], b.sizes[layer.name]
    if size > MOST_FEATURES:
        raise UnsupportedError(
            f"layer '{layer.name}': normalizes {size} > {MOST_FEATURES} features"
        )
    x, source = b.place(layer.inputs[0], rate), b.format(layer.inputs[0])
    title, fine, drop = b.title(layer, "normalize"), _fine_bits(size, source), _drop(size)
    minus, down, up, epsilon = _statistics(b, layer, fine, drop)
    away = _memory(b, layer, "away", -(2**15), 2**15 - 1, size)
    total = _memory(b, layer, "total", 0, size * ((2**30 >> drop) + 1), 1)
    deviation = (
        Call("fine", "affine", (x.elem(), 2**fine, minus, 0), f"(x - mean) * 2^{fine}"),
        Call("away", "scaled16", ("fine", down, up), "the largest has 14 or 15 bits"),
    )
    b.append(
        rate,
        Stage(f"{title}: deviations", size, deviation, (Store(away.elem(), "away"),)),
        Fold(
            f"{title}: sum of squares", "add_square", away.buffer, total.buffer, size,
            start=0, more=(drop,),
        ),
    )  # fmt: skip
    _scale(b, layer, (away, total, epsilon), drop)


def _scale(
    b: Builder, layer: graph.LayerNorm, sums: tuple[Place, Place, Argument], drop: int
) -> None:
    """1 / the standard deviation, then gain and bias."""
    (away, total, epsilon), size = sums, b.sizes[layer.name]
    rate, title, more = b.rates[layer.name], b.title(layer, "normalize"), max(1, -(-drop // 2))
    body = (
        Call("spread", "add", (total.elem(), epsilon), "variance + epsilon, on this scale"),
        Call("positive", "largest", ("spread", 1)),
        Call("half", "half_log2", ("positive",)),
        Call("root", "inverse_root", ("positive", "half", b.table("root_table")), "1 / sqrt"),
        Call("shift", "add", ("half", more)),
    )
    root = _memory(b, layer, "root", -(2**15), 2**15 - 1, 1)
    shift = _memory(b, layer, "shift", more, 15 + more, 1)
    stores = (Store(root.elem(), "root"), Store(shift.elem(), "shift"))
    unit = 2.0 ** (more - 15) * math.sqrt(size) * 2.0 ** (-drop / 2)
    term = Term("normal", -(2**15), 2**15 - 1, layer.gain * unit)
    calls = [
        Call(
            "normal_wide", "mul_round",
            (away.elem(), Elem(root.buffer, 0, 0), Elem(shift.buffer, 0, 0)),
            "(x - mean) / deviation",
        ),
        Call("normal", "sat16", ("normal_wide",), "fits"),
        *weighted_sum(b, layer, (term,), layer.bias, b.format(layer.name)),
    ]  # fmt: skip
    shown = b.define(layer.name, "y", f"output of {layer.name}")
    b.append(
        rate,
        Stage(f"{title}: 1 / deviation", 1, body, stores),
        Stage(f"{title}: gain and bias", size, tuple(calls), shown),
    )


def _statistics(
    b: Builder, layer: graph.LayerNorm, fine: int, drop: int
) -> tuple[Argument, Argument, Argument, Argument]:
    """-mean * 2^fine, the two shifts of a deviation, and epsilon on the scale they lead to."""
    rate, size = b.rates[layer.name], b.sizes[layer.name]
    x, source = b.place(layer.inputs[0], rate), b.format(layer.inputs[0])
    title = b.title(layer, "normalize")
    top = _memory(b, layer, "top", source.lo, source.hi, 1)
    bottom = _memory(b, layer, "bottom", source.lo, source.hi, 1)
    most, epsilon = _epsilon(layer, source, fine, drop, size)
    mean, calls = _mean(b, layer, fine)
    body = (
        *calls,
        Call("minus", "subtract", (0, mean), f"-mean * 2^{fine}"),
        Call("above", "affine", (top.elem(), 2**fine, "minus", 0), "largest - mean"),
        Call("below", "affine", (bottom.elem(), -(2**fine), mean, 0), "mean - smallest"),
        Call("wider", "largest", ("above", "below"), "the largest deviation"),
        Call("reach", "largest", ("wider", 1)),
        Call("half", "half_log2", ("reach",)),
        Call("free", "affine", ("half", -2, MOST_GROWTH, 0), "bits it may grow"),
        Call("grow", "clamp", ("free", -MOST_HALVINGS, most), "no further than epsilon allows"),
        Call("up", "clamp", ("grow", 0, MOST_GROWTH)),
        Call("shrink", "subtract", (0, "grow")),
        Call("down", "clamp", ("shrink", 0, MOST_HALVINGS)),
        Call("lag", "subtract", (most, "grow")),
        Call("lag2", "add", ("lag", "lag")),
        Call("late", "clamp", ("lag2", 0, MOST_HALVINGS)),
        Call("epsilon", "shift_down", (epsilon, "late")),
    )
    reach = (source.hi - source.lo + 1) << fine
    ranges = {
        "minus": (-(2**15 + 1) << fine, (2**15 + 1) << fine),
        "down": (0, MOST_HALVINGS),
        "up": (0, MOST_GROWTH),
        "epsilon": (0, max(epsilon, 1)),
    }
    assert reach < 2**30
    places = {name: _memory(b, layer, name, lo, hi, 1) for name, (lo, hi) in ranges.items()}
    stores = tuple(Store(place.elem(), name) for name, place in places.items())
    b.append(
        rate,
        Reduce(f"{title}: largest", "largest", x.buffer, top.buffer, size, x.new),
        Reduce(f"{title}: smallest", "smallest", x.buffer, bottom.buffer, size, x.new),
        Stage(f"{title}: mean and reach", 1, body, stores),
    )
    minus, down, up, eps = (Elem(place.buffer, 0, 0) for place in places.values())
    return minus, down, up, eps


def _mean(b: Builder, layer: graph.LayerNorm, fine: int) -> tuple[Argument, list[Call]]:
    """The mean times 2^fine, and the calls that define it; the zero point if not centred."""
    rate, size = b.rates[layer.name], b.sizes[layer.name]
    x, source = b.place(layer.inputs[0], rate), b.format(layer.inputs[0])
    if not layer.centred:
        return source.zero_point << fine, []
    total = _memory(b, layer, "sum", size * source.lo, size * source.hi, 1)
    title = b.title(layer, "normalize: sum")
    b.append(rate, Reduce(title, "add", x.buffer, total.buffer, size, x.new))
    first, rest = ratio(np.array([2.0**fine / size])), ratio(np.array([1.0 / size]))
    return "mean", [
        Call(
            "nearly", "requantize_wide",
            (total.elem(), int(first.multiplier[0]), first.shift), f"sum / {size}",
        ),
        Call("left", "remainder", (total.elem(), 2**fine, "nearly", size), "what it leaves"),
        Call("more", "requantize_wide", ("left", int(rest.multiplier[0]), rest.shift)),
        Call("mean_wide", "add", ("nearly", "more")),
        Call(
            "mean", "clamp", ("mean_wide", source.lo << fine, source.hi << fine),
            f"mean * 2^{fine}",
        ),
    ]  # fmt: skip


def _epsilon(
    layer: graph.LayerNorm, source: Format, fine: int, drop: int, size: int
) -> tuple[int, int]:
    """The most bits a deviation may grow, and epsilon on the scale of the squares there."""
    real = size * layer.epsilon / source.scale**2 * 2.0 ** (2 * fine - drop)
    if not real:
        return MOST_GROWTH, 0
    most = min(MOST_GROWTH, math.floor((EPSILON_BITS - math.log2(real)) / 2))
    if most < -MOST_HALVINGS:
        raise UnsupportedError(
            f"layer '{layer.name}': epsilon {layer.epsilon:g} is far above the squares of its"
            f" input, whose steps are {source.scale:g}"
        )
    return most, round(real * 4.0**most)


def _fine_bits(size: int, source: Format) -> int:
    """Fraction bits of a mean: as many as a sum of all features leaves free in 32 bits."""
    reach = size * max(-source.lo, source.hi)
    return min(MOST_FRACTION, 29 - reach.bit_length())


def _drop(size: int) -> int:
    """p: a square of 30 bits divided by 2^p can be added n times."""
    return math.ceil(math.log2(size))


def _memory(b: Builder, layer: graph.Layer, name: str, lo: int, hi: int, size: int) -> Place:
    """Memory for integers in [lo, hi]."""
    form = Format(1.0, 32, lo=lo, hi=hi)
    text = f"normalize: {name}"
    return b.scratch(f"{b.slug(layer)}_{name}", form, size, text, b.rates[layer.name])
