"""Lower Sum and Product: two values of one size, element by element, saturating."""

from __future__ import annotations

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import Format
from rnn2c.ir.program import Argument, Call, Elem, Stage
from rnn2c.lower.builder import Builder
from rnn2c.lower.linear import limited
from rnn2c.lower.scaling import ratio, requantize_calls
from rnn2c.lower.weighted import operand, weighted_sum
from rnn2c.ranges import Interval

PRODUCT_BITS = 22
"""A product of that many bits is requantized without 64-bit arithmetic."""


def lower_sum(b: Builder, layer: graph.Sum) -> None:
    """One stage: both operands to the format of the output in one rounding."""
    rate = b.rates[layer.name]
    signs = (1.0, -1.0 if layer.subtract else 1.0)
    pairs = list(zip(layer.inputs, signs, strict=True))
    terms = tuple(operand(b, name, rate, np.array([sign])) for name, sign in pairs)
    zeros = sum(s * b.format(n).scale * b.format(n).zero_point for n, s in pairs)
    calls = weighted_sum(b, layer, terms, np.array([-zeros]), b.format(layer.name))
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    title = b.title(layer, "a - b" if layer.subtract else "a + b")
    b.append(rate, Stage(title, b.sizes[layer.name], tuple(calls), stores))


def lower_product(b: Builder, layer: graph.Product) -> None:
    """One stage: the exact product, rounded to 24 bits if it is longer, then requantized."""
    rate, form = b.rates[layer.name], b.format(layer.name)
    calls, drop, top = _product(b, layer, rate)
    scales = b.format(layer.inputs[0]).scale * b.format(layer.inputs[1]).scale
    r = ratio(np.array([scales * 2.0**drop / form.scale]))
    multiplier = int(r.multiplier[0])
    calls += requantize_calls("y_wide", "product", Interval(-top, top), r, multiplier, "y")
    result = "y_wide"
    if form.zero_point:
        calls.append(Call("y_shifted", "add", ("y_wide", form.zero_point)))
        result = "y_shifted"
    calls += limited("y", result, form, "")
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    b.append(rate, Stage(b.title(layer, "a * b"), b.sizes[layer.name], tuple(calls), stores))


def _product(b: Builder, layer: graph.Product, rate: graph.Rate) -> tuple[list[Call], int, int]:
    """Calls that define `product`, a * b / 2^drop; drop, and the largest magnitude of it."""
    calls: list[Call] = []
    factors: list[Argument] = []
    reaches: list[int] = []
    for letter, name in zip("ab", layer.inputs, strict=True):
        source = b.format(name)
        factors.append(_centred(calls, letter, b.place(name, rate).elem(), source))
        reaches.append(max(source.zero_point - source.lo, source.hi - source.zero_point))
    drop = (reaches[0] * reaches[1]).bit_length() - PRODUCT_BITS
    if drop > 0:
        calls.append(Call("product", "mul_round", (*factors, drop), f"a * b / 2^{drop}"))
        return calls, drop, ((reaches[0] * reaches[1]) >> drop) + 1
    grow = min(-drop, 15 - reaches[0].bit_length())
    if grow > 0:
        calls.append(Call("a_grown", "times", (factors[0], 2**grow), f"a * 2^{grow}"))
        factors[0] = "a_grown"
    calls.append(Call("product", "affine", (*factors, 0, 0), "a * b"))
    return calls, -max(grow, 0), (reaches[0] * reaches[1]) << max(grow, 0)


def _centred(calls: list[Call], name: str, elem: Elem, form: Format) -> Argument:
    """The operand without its zero point."""
    if not form.zero_point:
        return elem
    calls.append(Call(f"{name}_wide", "subtract", (elem, form.zero_point)))
    calls.append(Call(name, "sat16", (f"{name}_wide",), "fits"))
    return name
