"""Lower a Linear layer with its activation, and activations that stand alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnn2c.arith_tree import LIMITS
from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Format, IntArray
from rnn2c.ir.program import Buffer, Call, Dot, Elem, Reduce, Stage, Store
from rnn2c.lower.activations import table_call
from rnn2c.lower.builder import Builder, Place
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


@dataclass(frozen=True)
class Columns:
    """Columns first .. first + count - 1 of a matrix and what they are multiplied with.

    Row j of a block reads place[offset + stride * j] and the elements after it.
    """

    place: Place
    first: int
    count: int
    offset: int = 0
    stride: int = 0


@dataclass(frozen=True)
class Block:
    """Rows first, first + step, ... of a matrix: their columns, where their results go.

    total: the sum of what the columns are multiplied with, for weights with zero points.
    """

    rows: slice
    columns: tuple[Columns, ...]
    total: Place | None = None


def lower_linear(b: Builder, layer: graph.Linear) -> None:
    """Dot product, scale to the format of the output, activation."""
    place = b.place(layer.inputs[0], b.rates[layer.name])
    rows, count = layer.weight.shape
    block = Block(slice(0, rows), (Columns(place, 0, count),))
    if layer.weight.zero is not None:
        block = replace(block, total=_total(b, layer, place))
    lower_blocks(b, layer, (block,), f"linear {count} -> {rows}")


def _total(b: Builder, layer: graph.Linear, x: Place) -> Place:
    """The sum of all inputs, which every row needs as often as its zero point says."""
    rate, size = b.rates[layer.name], layer.weight.shape[1]
    read = b.buffers[x.buffer]
    form = Format(1.0, 32, lo=min(size * read.lo, -1), hi=size * read.hi)
    total = b.scratch(f"{b.slug(layer)}_total", form, 1, f"sum of the inputs of {layer.name}", rate)
    title = b.title(layer, "sum of the inputs")
    b.append(rate, Reduce(title, "add", x.buffer, total.buffer, size, x.new))
    return total


def lower_blocks(b: Builder, layer: graph.Linear, blocks: tuple[Block, ...], what: str) -> None:
    """A stage for every block of rows; together they define all of the layer's output."""
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    suffix = f" then {layer.activation}" if layer.activation else ""
    for k, block in enumerate(blocks):
        body = _block_body(b, layer, block, f"part{k}_" if len(blocks) > 1 else "")
        part = f", part {k + 1} of {len(blocks)}" if len(blocks) > 1 else ""
        title = b.title(layer, f"{what}{suffix}{part}")
        count = len(range(layer.weight.shape[0])[block.rows])
        b.append(b.rates[layer.name], Stage(title, count, body, block_stores(stores, block)))


def block_stores(stores: tuple[Store, ...], block: Block) -> tuple[Store, ...]:
    """Where the results of a block go."""
    place = {"offset": block.rows.start, "stride": block.rows.step or 1}
    return tuple(replace(s, element=replace(s.element, **place)) for s in stores)


def placed(dot: Dot, block: Block) -> Dot:
    """The dot product of a block, reading its parts of the vectors."""
    segments = tuple(
        replace(s, offset=c.offset, stride=c.stride)
        for s, c in zip(dot.segments, block.columns, strict=True)
    )
    return replace(dot, segments=segments)


def _block_body(
    b: Builder, layer: graph.Linear, block: Block, label: str
) -> tuple[Call | Dot, ...]:
    x = b.format(layer.inputs[0])
    form = b.format(layer.name)
    if layer.weight.scale is None:
        raise UnsupportedError(f"layer '{layer.name}': the weight is not quantized")
    scale = layer.weight.scale[block.rows] * x.scale
    through_table = layer.activation in ("sigmoid", "tanh")
    unit = TABLE_STEP if through_table else form.scale
    q = np.asarray(layer.weight.data[block.rows], np.int64)
    given = layer.weight.zero
    zero = np.zeros(len(q), np.int64) if given is None else given[block.rows]
    weights = (q - zero[:, None]).sum(axis=1)
    bias = bias_steps(layer, layer.bias[block.rows], scale) - x.zero_point * weights
    by_shift = b.numerics.profile == "compact" and layer.name not in b.numerics.split
    shift = _power(layer, scale, unit) if by_shift else 0
    bias += rounding(shift)

    parts = tuple((c.place, q[:, None, c.first : c.first + c.count], (0,)) for c in block.columns)
    dot, proven = b.dot(layer, label, ("sum",), parts, bias[:, None], layer.weight)
    body: list[Call | Dot] = [placed(dot, block)]
    what = "Q3.12" if through_table else "y"
    if by_shift:
        body += shift_calls("scaled", "sum", shift, dot.width == "i16", what)
    else:
        name, span = "sum", proven["sum"]
        if block.total is not None:
            name, span = "whole", _less(span, b.buffers[block.total.buffer], zero)
            const = b.const(f"{layer.name}_zero", zero, "zero points of the weights")
            arguments = ("sum", Elem(block.total.buffer, 0, 0), Elem(const))
            body.append(Call(name, "less_times", arguments, "without the zero points"))
        body += _scaled(b, layer, name, span, scale / unit, what)
    if through_table:
        body.append(Call("pre", "sat16", ("scaled",), what))
        body.append(table_call(b, layer.activation, "y", "pre"))
    else:
        scaled = "scaled"
        if form.zero_point:
            body.append(Call("moved", "add", ("scaled", form.zero_point), "the zero point"))
            scaled = "moved"
        body += limited("y", scaled, form, layer.activation)
    return tuple(body)


def _less(span: Interval, total: Buffer, zero: IntArray) -> Interval:
    """The range of a sum without its zero points."""
    ends = [t * z for t in (total.lo, total.hi) for z in (int(zero.min()), int(zero.max()))]
    found = Interval(span.lo - max(ends), span.hi - min(ends))
    if not found.within(*LIMITS["i32"]) or not span.within(*LIMITS["i32"]):
        raise UnsupportedError(
            "a sum of weights with zero points needs more than 32 bits; use activations int8"
        )
    return found


def _scaled(
    b: Builder, layer: graph.Linear, name: str, proven: Interval, factors: FloatArray, what: str
) -> list[Call]:
    r = ratio(factors)
    const = b.const(
        f"{layer.name}_multiplier", r.multiplier, multiplier_doc(len(factors), ("sum",))
    )
    return requantize_calls("scaled", name, proven, r, Elem(const), what)


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
            table_call(b, layer.function, "y", "pre"),
        ]
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    title = b.title(layer, layer.function)
    b.append(rate, Stage(title, b.sizes[layer.name], tuple(body), stores))
