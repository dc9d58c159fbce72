"""Dot products in float32: the fused matrices and the bias as single-precision constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, NumberArray
from rnn2c.ir.names import comment
from rnn2c.ir.program import Const, Dot, Segment, Weight
from rnn2c.lower.builder import Builder, Place, units_by_gate


@dataclass(frozen=True)
class Sum:
    """One sum of a unit: its name, which gate's rows, which of the parts x and h."""

    name: str
    gate: int
    parts: str


@dataclass(frozen=True)
class Part:
    """A vector and its matrix [units, results, columns], with the indices of the results."""

    place: Place
    matrix: FloatArray
    results: tuple[int, ...]


def single(layer: graph.Layer, what: str, data: FloatArray) -> NumberArray:
    """The numbers as float32; UnsupportedError if one is beyond its range."""
    with np.errstate(over="ignore"):
        rounded = np.ascontiguousarray(data, np.float32)
    beyond = np.argwhere(~np.isfinite(rounded))
    if len(beyond):
        value = data[tuple(beyond[0])]
        raise UnsupportedError(
            f"layer '{layer.name}': {what} holds {value:g}, beyond float32; scale the model down"
        )
    return rounded


def const(b: Builder, name: str, data: NumberArray, doc: str) -> str:
    """A constant array of float32; returns its C name."""
    taken = b.names.take(name)
    b.consts[taken] = Const(taken, "f32", data.ravel(), comment(doc))
    return taken


def dot(
    b: Builder,
    layer: graph.Layer,
    label: str,
    outs: tuple[str, ...],
    parts: tuple[Part, ...],
    bias: FloatArray,
) -> Dot:
    """A fused dot product; bias [units, results]."""
    columns = ", then ".join(
        f"{p.matrix.shape[2]} columns of {p.place.buffer} x {len(p.results)}"
        f" ({' '.join(outs[r] for r in p.results)})"
        for p in parts
    )
    weight = Weight(
        b.names.take(f"{layer.name}_{label}weights"),
        tuple(single(layer, "a weight matrix", p.matrix) for p in parts),
        32,
        "dense_f32",
        f"{bias.shape[0]} units; each {columns}",
    )
    b.weights.append(weight)
    doc = f"first value of each sum: [{bias.shape[0]} units][{' '.join(outs)}]"
    bias_name = const(b, f"{layer.name}_{label}bias", single(layer, "the bias", bias), doc)
    segments = tuple(
        Segment(p.place.buffer, p.matrix.shape[2], p.results, p.place.new) for p in parts
    )
    return Dot(outs, weight.name, bias_name, segments, "f32")


def cell_dot(
    b: Builder, layer: graph.Recurrent, x: Place, h: Place, sums: tuple[Sum, ...], label: str = ""
) -> Dot:
    """The sums of a cell over x and h, in one fused dot product."""
    units = layer.units
    bias = np.zeros((units, len(sums)))
    for k, s in enumerate(sums):
        rows = slice(s.gate * units, (s.gate + 1) * units)
        for part, values in (("x", layer.b_ih), ("h", layer.b_hh)):
            bias[:, k] += values[rows] if part in s.parts else 0.0
    parts = []
    for part, place, tensor in (("x", x, layer.w_ih), ("h", h, layer.w_hh)):
        results = tuple(k for k, s in enumerate(sums) if part in s.parts)
        matrix = units_by_gate(tensor.real(), units)[:, [sums[k].gate for k in results]]
        parts.append(Part(place, matrix, results))
    return dot(b, layer, label, tuple(s.name for s in sums), tuple(parts), bias)
