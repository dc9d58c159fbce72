"""What all recurrent cells share: their fused dot product and their gate pre-activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Format, IntArray
from rnn2c.ir.program import Call, Dot, Elem, Store
from rnn2c.lower.builder import Builder, Place, units_by_gate
from rnn2c.lower.scaling import (
    Ratio,
    beside,
    bias_steps,
    multiplier_doc,
    ratio,
    requantize_calls,
    rounding,
    shift_calls,
)
from rnn2c.ranges import Interval

PRE_BITS = 12
Part = tuple[Place, IntArray, tuple[int, ...]]
"""A vector, its matrix [units, rows, columns], the numbers of the sums that these rows are of."""


@dataclass(frozen=True)
class Sum:
    """One accumulator of a unit: its name, which gate's rows, which of the parts x and h.

    `unit` is the real value of one step of its pre-activation: Q3.12 unless said otherwise.
    `more` is added to its bias.
    """

    name: str
    gate: int
    parts: str
    unit: float = 2.0**-PRE_BITS
    more: float = 0.0


@dataclass(frozen=True)
class Sums:
    """A fused dot product of a cell and how each accumulator becomes a pre-activation."""

    dot: Dot
    proven: dict[str, Interval]
    shifts: dict[str, int]
    ratios: dict[str, Ratio]
    multipliers: dict[str, Elem]

    def pre(self, out: str, name: str, doc: str) -> list[Call]:
        """Calls that compute out (i16), the pre-activation of accumulator `name`."""
        if name in self.shifts:
            return shift_calls(out, name, self.shifts[name], self.dot.width == "i16", doc)
        return [*self.wide(f"{out}_wide", name, doc), Call(out, "sat16", (f"{out}_wide",))]

    def wide(self, out: str, name: str, doc: str) -> list[Call]:
        """Calls that compute out (i32), the same before it is saturated."""
        proven, r, multiplier = self.proven[name], self.ratios[name], self.multipliers[name]
        return requantize_calls(out, name, proven, r, multiplier, doc)


def cell_sums(
    b: Builder,
    layer: graph.Recurrent,
    x: Place,
    h: Place,
    sums: tuple[Sum, ...],
    label: str = "",
    h_format: Format | None = None,
) -> Sums:
    """Lower the dot products of a cell: one fused dot with the segments x and h.

    h_format: of what is in the place of h, if it is not that of h itself.
    """
    units = layer.units
    x_format = b.format(layer.inputs[0])
    s_ih = _row_scale(layer, "w_ih") * x_format.scale
    s_hh = _row_scale(layer, "w_hh") * (h_format or b.format(layer.name)).scale
    w_ih = units_by_gate(np.asarray(layer.w_ih.data, np.int64), units)
    w_hh = units_by_gate(np.asarray(layer.w_hh.data, np.int64), units)
    by_shift = b.numerics.profile == "compact" and b.numerics.sums_jointly(layer.name)

    shifts: dict[str, int] = {}
    ratios: dict[str, Ratio] = {}
    bias = np.zeros((units, len(sums)), np.int64)
    for k, s in enumerate(sums):
        rows = slice(s.gate * units, (s.gate + 1) * units)
        scale = s_ih[rows] if "x" in s.parts else s_hh[rows]
        if s.parts == "xh" and not np.allclose(scale, s_hh[rows], rtol=1e-9):
            raise UnsupportedError(
                f"layer '{layer.name}': a joint sum needs equal scales for x and h;"
                " use accumulate=split"
            )
        bias[:, k] = bias_steps(layer, _bias(layer, s, rows) + s.more, scale)
        if "x" in s.parts and x_format.zero_point:
            bias[:, k] -= x_format.zero_point * w_ih[:, s.gate].sum(axis=1)
        if by_shift:
            shifts[s.name] = _power(layer, scale, s.unit)
            bias[:, k] += rounding(shifts[s.name])
        else:
            ratios[s.name] = ratio(scale / s.unit)
            if layer.w_ih.packing == layer.w_hh.packing == "overlapped4":
                bias[:, k] = beside(bias[:, k], ratios[s.name].multiplier)

    def part(name: str, place: Place, matrix: IntArray) -> Part:
        summed = [(k, s.gate) for k, s in enumerate(sums) if name in s.parts]
        return place, matrix[:, [gate for _, gate in summed]], tuple(k for k, _ in summed)

    used = _needed(part("x", x, w_ih), part("h", h, w_hh))
    names = tuple(s.name for s in sums)
    dot, proven = b.dot(layer, label, names, used, bias, layer.w_ih, layer.w_hh)
    multipliers = {} if by_shift else _multipliers(b, layer, label, names, ratios)
    return Sums(dot, proven, shifts, ratios, multipliers)


def _needed(x: Part, h: Part) -> tuple[Part, ...]:
    """The parts that a dot product sums: not h with a matrix of zeros, if x has its sums too, as
    where a cell is written out whose low-rank product of h comes with x.
    """
    is_read = bool(np.any(h[1])) or not set(h[2]) <= set(x[2])
    return tuple(part for part in ((x, h) if is_read else (x,)) if part[2])


def _bias(layer: graph.Recurrent, s: Sum, rows: slice) -> FloatArray:
    """The real bias of a sum.  Where the parts are added up in the end, x carries all of it."""
    if isinstance(layer, graph.Gru) and layer.reset_after and rows.start == 2 * layer.units:
        return layer.b_ih[rows] if s.parts == "x" else layer.b_hh[rows]
    if "x" not in s.parts:
        return np.zeros(layer.units)
    return np.asarray(layer.b_ih[rows] + layer.b_hh[rows])


def _multipliers(
    b: Builder, layer: graph.Recurrent, label: str, names: tuple[str, ...], ratios: dict[str, Ratio]
) -> dict[str, Elem]:
    data: IntArray = np.stack([ratios[n].multiplier for n in names], axis=1)
    doc = multiplier_doc(data.shape[0], names)
    const = b.const(f"{layer.name}_{label}multiplier", data.ravel(), doc)
    return {n: Elem(const, k, len(names)) for k, n in enumerate(names)}


def _power(layer: graph.Recurrent, scale: FloatArray, unit: float) -> int:
    """Profile compact: the shift that takes the sum to the unit of the pre-activation."""
    shift = np.log2(unit / scale[0])
    if np.ptp(scale) != 0 or abs(shift - round(shift)) > 1e-9:
        raise UnsupportedError(
            f"layer '{layer.name}': profile compact needs one power-of-two scale; quantize with it"
        )
    return round(float(shift))


def _row_scale(layer: graph.Recurrent, which: str) -> FloatArray:
    tensor: graph.Tensor = getattr(layer, which)
    if tensor.scale is None:
        raise UnsupportedError(f"layer '{layer.name}': {which} is not quantized")
    return tensor.scale


def state_input(b: Builder, layer: graph.Recurrent, index: int) -> str | None:
    """Buffer of the initial state `index` (0: h, 1: c) if the model takes one."""
    name = layer.states[index]
    return b.place(name, "sequence").buffer if name else None


def load_state(b: Builder, layer: graph.Recurrent, index: int, what: str, place: Place) -> None:
    """Copy an initial state, constant or given by the caller, into the state."""
    constant = layer.constant_states[index]
    if constant is not None:
        load_constant(b, layer, what, constant, b.format(layer.outputs[index]), place)
    source = state_input(b, layer, index)
    if source is not None:
        _copy(b, layer, source, what, place)


def load_constant(
    b: Builder, layer: graph.Recurrent, what: str, values: FloatArray, form: Format, place: Place
) -> None:
    """Copy constant numbers, in a format, into the state."""
    name = b.constant_state(f"{layer.name}_{what}0", form, values, f"initial {what}")
    _copy(b, layer, name, what, place)


def _copy(b: Builder, layer: graph.Recurrent, source: str, what: str, place: Place) -> None:
    size = b.buffers[place.buffer].size
    stores = (Store(Elem(place.buffer), "v"),)
    b.begin(b.copy_stage(b.title(layer, f"initial {what}"), Elem(source), size, stores))
