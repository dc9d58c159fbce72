"""Builder: collects the constants of a Program while layers are lowered: tables, weights, biases.

Values and the operations on them are in `values.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Float32, FloatArray, Format, IntArray
from rnn2c.ir.names import comment, identifier, prose
from rnn2c.ir.program import Const, Dot, Segment, Table, Weight, Width
from rnn2c.lower.places import Place
from rnn2c.lower.storage import storage_type
from rnn2c.lower.tables import TABLES
from rnn2c.lower.values import Values
from rnn2c.packing import ternary
from rnn2c.ranges import Interval, dot_bound

__all__ = ["Builder", "Place", "storage_type", "units_by_gate"]

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass
class Builder(Values):
    """See the module's first lines."""

    def table(self, name: str) -> Table:
        """A shared look-up table."""
        make, type_, doc = TABLES[name]
        self.consts.setdefault(name, Const(name, type_, make(), doc, "table"))
        return Table(name)

    def own_table(self, name: str, words: IntArray, doc: str) -> Table:
        """A look-up table of words made for one layer, shared by layers that need the same one."""
        for const in self.consts.values():
            if const.kind == "table" and np.array_equal(const.data, words):
                return Table(const.name)
        taken = self.names.take(name)
        self.consts[taken] = Const(taken, "i32", words, comment(doc), "table")
        return Table(taken)

    def const(self, name: str, data: IntArray, doc: str) -> str:
        """A constant array in the narrowest type that holds it."""
        taken = self.names.take(name)
        type_ = storage_type(int(data.min()), int(data.max()))
        self.consts[taken] = Const(taken, type_, data, comment(doc))
        return taken

    def constant_state(self, name: str, form: Format, values: FloatArray, doc: str) -> str:
        """The numbers of an initial state as a constant array in a format."""
        if isinstance(form, Float32):
            taken = self.names.take(name)
            self.consts[taken] = Const(taken, "f32", form.quantize(values), comment(doc))
            return taken
        return self.const(name, form.quantize(values), doc)

    def dot(
        self,
        layer: graph.Layer,
        name: str,
        outs: tuple[str, ...],
        parts: tuple[tuple[Place, IntArray, tuple[int, ...]], ...],
        bias: IntArray,
        *tensors: graph.Tensor,
    ) -> tuple[Dot, dict[str, Interval]]:
        """A fused dot product and the proven range of each of its results.

        parts: (vector, matrix [units, results, columns], indices of the results); bias [units,
        results].  The accumulator is the narrowest the target adds cheaply and the proof allows.
        """
        segments = tuple(Segment(p.buffer, m.shape[2], rows, p.new) for p, m, rows in parts)
        vectors = tuple((self.buffers[p.buffer].lo, self.buffers[p.buffer].hi) for p, _, _ in parts)
        matrices = tuple(m for _, m, _ in parts)
        ranges = dot_bound(matrices, vectors, tuple(s.results for s in segments), bias)
        width = self._width(layer, ranges)
        columns = ", then ".join(
            f"{m.shape[2]} columns of {p.buffer} x {len(rows)} ({' '.join(outs[r] for r in rows)})"
            for p, m, rows in parts
        )
        bits = max(t.bits for t in tensors)
        weight = Weight(
            self.names.take(f"{layer.name}_{name}weights"),
            matrices,
            bits,
            _packing(tensors, matrices, vectors),
            f"{bias.shape[0]} units; each {columns}",
        )
        self.weights.append(weight)
        doc = f"first value of each sum: [{bias.shape[0]} units][{' '.join(outs)}]"
        bias_name = self.const(f"{layer.name}_{name}bias", bias.ravel(), doc)
        dot = Dot(outs, weight.name, bias_name, segments, width)
        return dot, dict(zip(outs, ranges, strict=True))

    def _width(self, layer: graph.Layer, ranges: list[Interval]) -> Width:
        for bits in (*self.target.accumulators, 32, 64):
            limit = 2 ** (bits - 1)
            if all(r.within(-limit, limit - 1) for r in ranges):
                widths: dict[int, Width] = {16: "i16", 24: "i24", 32: "i32", 64: "i64"}
                return widths[bits]
        worst = max(max(-r.lo, r.hi) for r in ranges)
        raise UnsupportedError(
            f"layer '{layer.name}': a sum can reach {worst}, beyond 64 bits; make the layer smaller"
        )

    def title(self, layer: graph.Layer, text: str) -> str:
        return f"{prose(layer.name)}: {text}"

    def slug(self, layer: graph.Layer) -> str:
        """The layer's name as part of C names."""
        return identifier(layer.name, "layer")


def _packing(
    tensors: tuple[graph.Tensor, ...],
    matrices: tuple[IntArray, ...],
    vectors: tuple[tuple[int, int], ...],
) -> str:
    """How the weights of a dot product over vectors of these ranges are stored."""
    names = {t.packing for t in tensors}
    if names == {"ternary"} and ternary.fits(matrices, vectors):
        return "ternary"
    if names == {"overlapped4"}:
        return "overlapped4"
    return "dense4" if max(t.bits for t in tensors) == 4 else "dense8"


def units_by_gate(rows: NDArray[Scalar], units: int) -> NDArray[Scalar]:
    """[gates * units, columns] -> [units, gates, columns]: the rows of a unit side by side."""
    gates = rows.shape[0] // units
    return np.ascontiguousarray(rows.reshape(gates, units, -1).transpose(1, 0, 2))
