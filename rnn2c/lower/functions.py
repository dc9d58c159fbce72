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
from rnn2c.ir.graph import CellFunction, Format, IntArray
from rnn2c.ir.program import Argument, Call, Stage
from rnn2c.lower.builder import Builder
from rnn2c.lower.linear import lower_activation
from rnn2c.lower.scaling import ratio
from rnn2c.lower.weighted import Term, prefix, weighted_sum
from rnn2c.lut import pack_words

MOST_GROWTH = 14


def lower_function(b: Builder, layer: graph.Activation) -> None:
    """One stage."""
    if layer.function in ("relu", "sigmoid", "tanh"):
        lower_activation(b, layer)
        return
    rate, source = b.rates[layer.name], b.format(layer.inputs[0])
    x = b.place(layer.inputs[0], rate).elem()
    function = CellFunction(layer.function, layer.alpha, layer.beta)
    body = function_calls(b, layer, function, x, source, b.format(layer.name))
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    title = b.title(layer, layer.function)
    b.append(rate, Stage(title, b.sizes[layer.name], tuple(body), stores))


def function_calls(
    b: Builder,
    layer: graph.Layer,
    function: CellFunction,
    x: Argument,
    source: Format,
    form: Format,
    out: str = "y",
) -> list[Call]:
    """Calls that define `out`: a function, but sigmoid and tanh, of x, from format to format."""
    if function.function in functions.TABULATED:
        return _tabulated(b, layer, function, x, source, form, out)
    return _pieces(b, layer, function, x, source, form, out)


def _pieces(
    b: Builder,
    layer: graph.Layer,
    function: CellFunction,
    x: Argument,
    source: Format,
    form: Format,
    out: str,
) -> list[Call]:
    """A piecewise linear function."""
    name, alpha, beta = function.function, function.alpha, function.beta
    zero, factor = source.zero_point * source.scale, np.array([source.scale])
    match name:
        case "relu":
            return _pieces(b, layer, CellFunction("clip", 0.0, np.inf), x, source, form, out)
        case "clip":
            lo, hi = form.quantize(np.array([alpha, beta])).tolist()
            if (source.scale, source.zero_point) == (form.scale, form.zero_point):
                return [Call(out, "clamp", (x, lo, hi), "limits of the function")]
            term = Term(x, source.lo, source.hi, factor)
            return weighted_sum(b, layer, (term,), np.array([-zero]), form, (lo, hi), out)
        case "linear" | "hard_sigmoid":
            ends = np.array([-np.inf, np.inf] if name == "linear" else [0.0, 1.0])
            lo, hi = form.quantize(ends).tolist()
            term = Term(x, source.lo, source.hi, factor * alpha)
            offset = np.array([beta - alpha * zero])
            return weighted_sum(b, layer, (term,), offset, form, (lo, hi), out)
        case "leaky_relu":
            return _two_slopes(b, layer, alpha, x, source, form, out)
        case "thresholded_relu":
            return _thresholded(b, layer, alpha, x, source, form, out)
    raise UnsupportedError(f"layer '{layer.name}': no integer form of function '{name}'")


def _two_slopes(
    b: Builder,
    layer: graph.Layer,
    alpha: float,
    x: Argument,
    source: Format,
    form: Format,
    out: str,
) -> list[Call]:
    """The parts above and below zero, each with its slope."""
    point, own = source.zero_point, prefix(out)
    parts = [
        Call(f"{own}above_wide", "clamp", (x, point, source.hi), "max(x, 0)"),
        Call(f"{own}above", "sat16", (f"{own}above_wide",), "fits"),
        Call(f"{own}below_wide", "clamp", (x, source.lo, point), "min(x, 0)"),
        Call(f"{own}below", "sat16", (f"{own}below_wide",), "fits"),
    ]
    terms = (
        Term(f"{own}above", point, source.hi, np.array([source.scale])),
        Term(f"{own}below", source.lo, point, np.array([source.scale * alpha])),
    )
    offset = np.array([-(1.0 + alpha) * point * source.scale])
    return [*parts, *weighted_sum(b, layer, terms, offset, form, out=out)]


def _thresholded(
    b: Builder,
    layer: graph.Layer,
    alpha: float,
    x: Argument,
    source: Format,
    form: Format,
    out: str,
) -> list[Call]:
    """x where it is above the threshold, else 0."""
    zero, scale = source.zero_point, np.array([source.scale])
    first = float(np.floor(alpha / source.scale)) + 1 + zero
    least = int(np.clip(first, source.lo, source.hi + 1))
    kept = f"{prefix(out)}kept"
    calls = [Call(kept, "at_least", (x, least, zero), f"x above {alpha:.6g}, else 0")]
    term = Term(kept, source.lo, source.hi, scale)
    return [*calls, *weighted_sum(b, layer, (term,), -zero * scale, form, out=out)]


def _tabulated(
    b: Builder,
    layer: graph.Layer,
    function: CellFunction,
    x: Argument,
    source: Format,
    form: Format,
    out: str,
) -> list[Call]:
    """A look-up; fine steps inside, rounded to the steps of the output."""
    name, own = function.function, prefix(out)
    calls: list[Call] = []
    flat = functions.settled(name, function.beta)
    if _reach(source) > flat:
        within = Format(flat / 32768, 16)
        calls, x, source = _rescaled(own, x, source, within), f"{own}x_limited", within
    growth, finer = _growth(source.lo, source.hi), _growth(form.lo, form.hi)
    words = _words(layer, function, source, growth, form, finer)
    doc = f"{name}, of the input times 2^{growth}: base << 16 | slope"
    table = b.own_table(f"{layer.name}_{own}table", words, doc)
    if growth:
        calls.append(Call(f"{own}x_grown", "times", (x, 2**growth), f"x * 2^{growth}"))
        x = f"{own}x_grown"
    if not finer:
        return [*calls, Call(out, "lut", (table, x), name)]
    return [
        *calls,
        Call(f"{own}fine", "lut", (table, x), f"{name}, in steps of {out} / 2^{finer}"),
        Call(f"{out}_wide", "round_shift", (f"{own}fine", finer)),
        Call(out, "clamp", (f"{out}_wide", form.lo, form.hi)),
    ]


def _reach(form: Format) -> float:
    """The largest magnitude that a format holds."""
    return max(form.zero_point - form.lo, form.hi - form.zero_point) * form.scale


def _rescaled(own: str, x: Argument, source: Format, wanted: Format) -> list[Call]:
    """Calls that define `x_limited`: x in a finer 16-bit format, saturated."""
    r = ratio(np.array([source.scale / wanted.scale]))
    scaled = ("requantize_wide", (f"{own}x_wide", int(r.multiplier[0]), r.shift))
    return [
        Call(f"{own}x_wide", "subtract", (x, source.zero_point)),
        Call(f"{own}x_scaled", *scaled),
        Call(
            f"{own}x_limited",
            "sat16",
            (f"{own}x_scaled",),
            f"beyond +-{wanted.scale * 32768:g} it is flat",
        ),
    ]


def _growth(lo: int, hi: int) -> int:
    """The largest k for which [lo, hi] * 2^k fits 16 bits."""
    k = 0
    while k < MOST_GROWTH and lo * 2 ** (k + 1) >= -32768 and hi * 2 ** (k + 1) <= 32767:
        k += 1
    return k


def _words(
    layer: graph.Layer,
    function: CellFunction,
    source: Format,
    growth: int,
    form: Format,
    finer: int,
) -> IntArray:
    """256 words for `arith.lut`; entry k is x * 2^growth = (k - 128) * 256."""
    steps = np.arange(-128, 129) * (256.0 / 2**growth)
    real = (steps - source.zero_point) * source.scale
    y = functions.apply(function.function, real, function.alpha, function.beta)
    fine = np.clip(y / form.scale + form.zero_point, form.lo, form.hi) * 2.0**finer
    knots = np.round(fine).astype(np.int64)
    if np.abs(np.diff(knots)).max() > 32767:
        raise UnsupportedError(
            f"layer '{layer.name}': {function.function} changes too fast for a table over"
            f" +-{float(np.abs(real).max()):.3g}; scale its input down"
        )
    return pack_words(knots)
