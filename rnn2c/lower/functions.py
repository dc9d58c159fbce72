"""Lower an Activation: relu, sigmoid and tanh as a Linear layer does them, other functions here.

Piecewise linear functions are multiplications and limits, exact but for the rounding of a
multiplier.  Smooth ones come from an interpolated table of their own, made for the formats of
input and output: its 256 intervals cover the whole range of the input, so nothing is cut off that
the input can hold, and an 8-bit input hits a knot with every value.
"""

from __future__ import annotations

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import functions, graph
from rnn2c.ir.graph import Format, IntArray
from rnn2c.ir.program import Call, Dot, Elem, Stage
from rnn2c.lower.builder import Builder
from rnn2c.lower.linear import lower_activation
from rnn2c.lower.scaling import ratio
from rnn2c.lower.weighted import Term, weighted_sum
from rnn2c.lut import pack_words

MOST_GROWTH = 14
SETTLED = {"erf": 4.0}
"""Functions that are constant to 16 bits beyond this magnitude, so their tables end there."""


def lower_function(b: Builder, layer: graph.Activation) -> None:
    """One stage."""
    if layer.function in ("relu", "sigmoid", "tanh"):
        lower_activation(b, layer)
        return
    rate = b.rates[layer.name]
    x = b.place(layer.inputs[0], rate).elem()
    body: list[Call | Dot] = []
    body += (
        _tabulated(b, layer, x) if layer.function in functions.TABULATED else _pieces(b, layer, x)
    )
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    title = b.title(layer, layer.function)
    b.append(rate, Stage(title, b.sizes[layer.name], tuple(body), stores))


def _pieces(b: Builder, layer: graph.Activation, x: Elem) -> list[Call]:
    """A piecewise linear function."""
    source, form = b.format(layer.inputs[0]), b.format(layer.name)
    zero = source.zero_point * source.scale
    factor = np.array([source.scale])
    match layer.function:
        case "clip":
            lo, hi = form.quantize(np.array([layer.alpha, layer.beta])).tolist()
            if (source.scale, source.zero_point) == (form.scale, form.zero_point):
                return [Call("y", "clamp", (x, lo, hi), "limits of the function")]
            term = Term(x, source.lo, source.hi, factor)
            return weighted_sum(b, layer, (term,), np.array([-zero]), form, (lo, hi))
        case "hard_sigmoid":
            lo, hi = form.quantize(np.array([0.0, 1.0])).tolist()
            term = Term(x, source.lo, source.hi, factor * layer.alpha)
            offset = np.array([layer.beta - layer.alpha * zero])
            return weighted_sum(b, layer, (term,), offset, form, (lo, hi))
        case "leaky_relu":
            return _two_slopes(b, layer, x)
    raise UnsupportedError(f"layer '{layer.name}': no integer form of function '{layer.function}'")


def _two_slopes(b: Builder, layer: graph.Activation, x: Elem) -> list[Call]:
    """The parts above and below zero, each with its slope."""
    source = b.format(layer.inputs[0])
    point = source.zero_point
    parts = [
        Call("above_wide", "clamp", (x, point, source.hi), "max(x, 0)"),
        Call("above", "sat16", ("above_wide",), "fits"),
        Call("below_wide", "clamp", (x, source.lo, point), "min(x, 0)"),
        Call("below", "sat16", ("below_wide",), "fits"),
    ]
    terms = (
        Term("above", point, source.hi, np.array([source.scale])),
        Term("below", source.lo, point, np.array([source.scale * layer.alpha])),
    )
    offset = np.array([-(1.0 + layer.alpha) * point * source.scale])
    return [*parts, *weighted_sum(b, layer, terms, offset, b.format(layer.name))]


def _tabulated(b: Builder, layer: graph.Activation, x: Elem) -> list[Call]:
    """A look-up; fine steps inside, rounded to the steps of the output."""
    source, form = b.format(layer.inputs[0]), b.format(layer.name)
    calls: list[Call] = []
    index: str | Elem = x
    if layer.function in SETTLED and _reach(source) > SETTLED[layer.function]:
        settled = Format(SETTLED[layer.function] / 32768, 16)
        calls, index, source = _rescaled(x, source, settled), "x_limited", settled
    growth, finer = _growth(source.lo, source.hi), _growth(form.lo, form.hi)
    words = _words(layer, source, growth, form, finer)
    doc = f"{layer.function}, of the input times 2^{growth}: base << 16 | slope"
    table = b.own_table(f"{layer.name}_table", words, doc)
    if growth:
        calls.append(Call("x_grown", "times", (index, 2**growth), f"x * 2^{growth}"))
        index = "x_grown"
    if not finer:
        return [*calls, Call("y", "lut", (table, index), layer.function)]
    return [
        *calls,
        Call("fine", "lut", (table, index), f"{layer.function}, in steps of y / 2^{finer}"),
        Call("y_wide", "round_shift", ("fine", finer)),
        Call("y", "clamp", ("y_wide", form.lo, form.hi)),
    ]


def _reach(form: Format) -> float:
    """The largest magnitude that a format holds."""
    return max(form.zero_point - form.lo, form.hi - form.zero_point) * form.scale


def _rescaled(x: Elem, source: Format, wanted: Format) -> list[Call]:
    """Calls that define `x_limited`: x in a finer 16-bit format, saturated."""
    r = ratio(np.array([source.scale / wanted.scale]))
    return [
        Call("x_wide", "subtract", (x, source.zero_point)),
        Call("x_scaled", "requantize_wide", ("x_wide", int(r.multiplier[0]), r.shift)),
        Call("x_limited", "sat16", ("x_scaled",), f"beyond +-{wanted.scale * 32768:g} it is flat"),
    ]


def _growth(lo: int, hi: int) -> int:
    """The largest k for which [lo, hi] * 2^k fits 16 bits."""
    k = 0
    while k < MOST_GROWTH and lo * 2 ** (k + 1) >= -32768 and hi * 2 ** (k + 1) <= 32767:
        k += 1
    return k


def _words(
    layer: graph.Activation, source: Format, growth: int, form: Format, finer: int
) -> IntArray:
    """256 words for `arith.lut`; entry k is x * 2^growth = (k - 128) * 256."""
    steps = np.arange(-128, 129) * (256.0 / 2**growth)
    real = (steps - source.zero_point) * source.scale
    y = functions.apply(layer.function, real, layer.alpha, layer.beta) / form.scale
    fine = np.clip(y + form.zero_point, form.lo, form.hi) * 2.0**finer
    knots = np.round(fine).astype(np.int64)
    if np.abs(np.diff(knots)).max() > 32767:
        raise UnsupportedError(
            f"layer '{layer.name}': {layer.function} changes too fast for a table over"
            f" +-{float(np.abs(real).max()):.3g}; scale its input down"
        )
    return pack_words(knots)
