"""Lower a Linear layer with its activation, and activations that stand alone."""

from __future__ import annotations

import numpy as np

from rnn2c.arith_tree import LIMITS
from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Format
from rnn2c.ir.program import Call, Dot, Elem, Stage
from rnn2c.lower.builder import Builder
from rnn2c.lower.lstm import tanh_call
from rnn2c.lower.scaling import (
    bias_steps,
    multiplier_doc,
    ratio,
    requantize_calls,
    rounding,
    shift_calls,
)
from rnn2c.ranges import Interval

TABLE_STEP = 2.0**-12


def lower_linear(b: Builder, layer: graph.Linear) -> None:
    """One stage: dot product, scale to the format of the output, activation."""
    x = b.format(layer.inputs[0])
    form = b.format(layer.name)
    if layer.weight.scale is None:
        raise UnsupportedError(f"layer '{layer.name}': the weight is not quantized")
    scale = layer.weight.scale * x.scale
    through_table = layer.activation in ("sigmoid", "tanh")
    unit = TABLE_STEP if through_table else form.scale
    q = np.asarray(layer.weight.data, np.int64)
    bias = bias_steps(layer, layer.bias, scale) - x.zero_point * q.sum(axis=1)
    by_shift = b.numerics.profile == "compact" and layer.name not in b.numerics.split
    shift = _power(layer, scale, unit) if by_shift else 0
    bias += rounding(shift)

    rate = b.rates[layer.name]
    place = b.place(layer.inputs[0], rate)
    parts = ((place, q[:, None, :], (0,)),)
    dot, proven = b.dot(layer, "", ("sum",), parts, bias[:, None], layer.weight.bits)
    body: list[Call | Dot] = [dot]
    what = "Q3.12" if through_table else "y"
    if by_shift:
        body += shift_calls("scaled", "sum", shift, dot.width == "i16", what)
    else:
        body += _scaled(b, layer, proven["sum"], scale / unit, what)
    if through_table:
        body.append(Call("pre", "sat16", ("scaled",), what))
        body += table_calls(b, layer.activation, "pre", "y")
    else:
        scaled = "scaled"
        if form.zero_point:
            body.append(Call("moved", "add", ("scaled", form.zero_point), "the zero point"))
            scaled = "moved"
        body += limited("y", scaled, form, layer.activation)
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    suffix = f" then {layer.activation}" if layer.activation else ""
    title = b.title(layer, f"linear {q.shape[1]} -> {q.shape[0]}{suffix}")
    b.append(rate, Stage(title, len(q), tuple(body), stores))


def _scaled(
    b: Builder, layer: graph.Linear, proven: Interval, factors: FloatArray, what: str
) -> list[Call]:
    r = ratio(factors)
    name = b.const(f"{layer.name}_multiplier", r.multiplier, multiplier_doc(len(factors), ("sum",)))
    return requantize_calls("scaled", "sum", proven, r, Elem(name), what)


def table_calls(b: Builder, function: str, pre: str, out: str) -> list[Call]:
    """out = function(pre), pre in Q3.12, through the table of the profile."""
    if function == "tanh":
        return [tanh_call(b, out, pre)]
    if b.numerics.profile == "compact":
        return [Call(out, "lut_u8", (b.table("sigmoid_u8_table"), pre), "Q0.8")]
    return [Call(out, "lut", (b.table("sigmoid_table"), pre), "Q0.15")]


def limited(out: str, source: str, form: Format, activation: str) -> list[Call]:
    """Saturate to the range of the output; relu cuts at zero."""
    if activation == "relu":
        return [Call(out, "clamp", (source, form.zero_point, form.hi), "relu")]
    if (form.lo, form.hi) == LIMITS[f"i{form.bits}"]:
        return [Call(out, "sat8" if form.bits == 8 else "sat16", (source,))]
    return [Call(out, "clamp", (source, form.lo, form.hi))]


def _power(layer: graph.Linear, scale: FloatArray, unit: float) -> int:
    shift = np.log2(unit / scale[0])
    if np.ptp(scale) != 0 or abs(shift - round(shift)) > 1e-6:
        raise UnsupportedError(
            f"layer '{layer.name}': profile compact needs one scale for the whole matrix;"
            " quantize with it"
        )
    return round(float(shift))


def lower_activation(b: Builder, layer: graph.Activation) -> None:
    """An activation of a value that no Linear layer computes."""
    source, form = b.format(layer.inputs[0]), b.format(layer.name)
    rate = b.rates[layer.name]
    elem = b.place(layer.inputs[0], rate).elem()
    if layer.function == "relu":
        body = [Call("y", "clamp", (elem, source.zero_point, form.hi), "relu")]
    else:
        r = ratio(np.array([source.scale / TABLE_STEP]))
        body = [
            Call("x", "subtract", (elem, source.zero_point)),
            Call("pre_wide", "requantize_wide", ("x", int(r.multiplier[0]), r.shift), "Q3.12"),
            Call("pre", "sat16", ("pre_wide",)),
            *table_calls(b, layer.function, "pre", "y"),
        ]
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    title = b.title(layer, layer.function)
    b.append(rate, Stage(title, b.sizes[layer.name], tuple(body), stores))
