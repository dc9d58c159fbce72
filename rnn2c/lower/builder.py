"""Builder: collects the buffers, constants and stages of a Program while layers are lowered.

A layer asks where its inputs are (`place`), declares what it computes (`define`) and appends
stages.  Per-step work goes into `step`, per-sequence work into `finish`; a value that finish
reads has to live in the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn2c import lut
from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import FLOAT32, Float32, FloatArray, Format, IntArray, Model, Numerics, Rate
from rnn2c.ir.names import Names, comment, identifier, prose
from rnn2c.ir.program import (
    Buffer,
    Call,
    Const,
    Dot,
    Elem,
    Op,
    Segment,
    Signal,
    Stage,
    Store,
    Table,
    Weight,
    Width,
)
from rnn2c.ir.tokens import token_format
from rnn2c.ranges import Interval, dot_bound
from rnn2c.target import Target

Scalar = TypeVar("Scalar", bound=np.generic)
TABLES = {
    "sigmoid_table": (lut.sigmoid_words, "i32", "sigmoid, Q3.12 -> Q0.15: base << 16 | slope"),
    "tanh_table": (lut.tanh_words, "i32", "tanh, Q3.12 -> Q0.15: base << 16 | slope"),
    "sigmoid_u8_table": (lut.sigmoid_octets, "u8", "sigmoid by high byte, Q3.12 -> Q0.8"),
    "tanh_q12_table": (lut.tanh_q12, "i16", "tanh by high byte, Q3.12 -> Q3.12"),
    "tanh_q12_slope_table": (lut.tanh_q12_slope, "u8", "rise of tanh over 256 steps"),
    "exp2_table": (lut.exp2_words, "i32", "2^-(k/256) in Q0.15: base << 16 | slope"),
    "reciprocal_table": (lut.reciprocal_guesses, "i16", "first guesses of 2^29 / x"),
}


@dataclass(frozen=True)
class Place:
    """Where a value is: a buffer, and whether it is the copy being computed in this step."""

    buffer: str
    new: bool = False

    def elem(self, offset: int = 0) -> Elem:
        return Elem(self.buffer, offset, new=self.new)


@dataclass
class Builder:
    """See the module's first lines."""

    model: Model
    target: Target
    names: Names = field(default_factory=Names)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    weights: list[Weight] = field(default_factory=list)
    consts: dict[str, Const] = field(default_factory=dict)
    init: list[Op] = field(default_factory=list)
    step: list[Op] = field(default_factory=list)
    finish: list[Op] = field(default_factory=list)
    outputs: dict[str, Signal] = field(default_factory=dict)
    _places: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table in TABLES:
            self.names.take(table)  # before any name of the user
        self.sizes = self.model.sizes()
        self.rates = self.model.rates()
        self.numerics: Numerics = self.model.numerics or _float32(self.model, self.sizes)

    # -- values ---------------------------------------------------------------------------------

    def format(self, value: str) -> Format:
        return self.numerics.formats[value]

    def place(self, value: str, rate: Rate) -> Place:
        """Where the work of this rate finds a value."""
        place = self._places[value]
        return replace(place, new=False) if rate == "sequence" else place

    def set_place(self, value: str, place: Place) -> None:
        """`value` is found there."""
        self._places[value] = place

    def buffer(
        self, name: str, form: Format, size: int, role: str, doc: str, **more: object
    ) -> str:
        """Declare a buffer that holds values of a format; returns its C name."""
        taken = self.names.take(name)
        type_ = "f32" if isinstance(form, Float32) else storage_type(form.lo, form.hi)
        made = Buffer(taken, type_, size, role, comment(doc), form.lo, form.hi, **more)  # type: ignore[arg-type]
        self.buffers[taken] = made
        return taken

    def input(self, value: str, rate: Rate) -> str:
        """Declare a model input as an argument.

        An argument can hold whatever its type holds; where the format promises less, a first
        stage limits it, which keeps the sums that read it short.
        """
        doc = f"model input '{prose(value)}'"
        form, size = self.format(value), self.sizes[value]
        is_real = isinstance(form, Float32)
        whole = form if is_real else Format(form.scale, form.bits, form.zero_point)
        name = self.buffer(value, whole, size, "input", doc, rate=rate)
        self._places[value] = Place(name)
        if rate == "step" and (form.lo, form.hi) != (whole.lo, whole.hi):
            limited = self.scratch(f"{value}_limited", form, size, f"{doc}, limited", rate)
            body = (Call("q", "clamp", (Elem(name), form.lo, form.hi)),)
            title = f"limit '{prose(value)}' to [{form.lo}, {form.hi}]"
            self.step.append(Stage(title, size, body, (Store(limited.elem(), "q"),)))
            self._places[value] = limited
        return name

    def state(self, name: str, form: Format, size: int, doc: str, twice: bool = False) -> Place:
        """Declare a part of the state; with `twice` the returned place is the new copy."""
        return Place(self.buffer(name, form, size, "state", doc, twice=twice), new=twice)

    def scratch(self, name: str, form: Format, size: int, doc: str, rate: Rate) -> Place:
        """Declare memory that holds nothing between calls."""
        role = "scratch" if rate == "step" else "local"
        return Place(self.buffer(name, form, size, role, doc, rate=rate))

    def define(
        self, value: str, result: str, doc: str, place: Place | None = None
    ) -> tuple[Store, ...]:
        """Stores of `result`, the elements of `value`: into its own place and into outputs.

        Without a given place the value goes straight into the output that shows it, or into new
        memory if something else reads it.
        """
        rate = self.rates[value]
        shown = [o.name for o in self.model.outputs if o.value == value]
        outputs = [Place(self.outputs[name].buffer) for name in shown]
        if place is None and outputs and not self._has_readers(value):
            place = outputs.pop(0)
        if place is None:
            if self._is_selected(value):
                place = self.state(value, self.format(value), self.sizes[value], doc)
            else:
                place = self.scratch(value, self.format(value), self.sizes[value], doc, rate)
        self._places[value] = place
        return tuple(Store(p.elem(), result) for p in (place, *outputs))

    def is_kept(self, value: str) -> bool:
        """Whether a value needs memory of its own: an output or a delay shows it, or finish reads
        it.
        """
        return value in self.model.kept or self._is_selected(value)

    def _has_readers(self, value: str) -> bool:
        delayed = any(value == delay.value for delay in self.model.delays)
        return delayed or any(value in layer.inputs for layer in self.model.layers)

    def is_delayed(self, value: str) -> bool:
        """Whether the value comes from the step before: its place changes when the step ends."""
        return any(value == delay.name for delay in self.model.delays)

    def _is_selected(self, value: str) -> bool:
        return any(
            isinstance(p, graph.LastStep) and p.inputs[0] == value for p in self.model.layers
        )

    def append(self, rate: Rate, *operations: Op) -> None:
        """Add operations to step or finish."""
        (self.step if rate == "step" else self.finish).extend(operations)

    # -- constants ------------------------------------------------------------------------------

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
        bits: int,
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
        weight = Weight(
            self.names.take(f"{layer.name}_{name}weights"),
            matrices,
            bits,
            "dense4" if bits == 4 else "dense8",
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

    def copy_stage(self, title: str, source: Elem, size: int, stores: tuple[Store, ...]) -> Stage:
        """A stage that only copies; its stores name the value `v`."""
        is_real = (self.buffers | self.consts)[source.buffer].type == "f32"
        body = (Call("v", "same_f32" if is_real else "same", (source,)),)
        return Stage(title, size, body, stores)

    def title(self, layer: graph.Layer, text: str) -> str:
        return f"{prose(layer.name)}: {text}"

    def slug(self, layer: graph.Layer) -> str:
        """The layer's name as part of C names."""
        return identifier(layer.name, "layer")


def _float32(model: Model, sizes: Mapping[str, int]) -> Numerics:
    """Numerics of a Model that was not quantized: everything in float32, but class indices."""
    formats: dict[str, Format] = {
        i.name: token_format(i) if i.tokens else FLOAT32 for i in model.inputs
    }
    formats.update({d.name: FLOAT32 for d in model.delays})
    for layer in model.layers:
        form: Format = FLOAT32
        if isinstance(layer, graph.ArgMax):
            form = Format(1.0, 32, lo=0, hi=max(sizes[layer.inputs[0]] - 1, 1))
        elif isinstance(layer, graph.LastStep):
            form = formats[layer.inputs[0]]
        formats.update(dict.fromkeys(layer.outputs, form))
    return Numerics("float32", "joint", formats)


def storage_type(lo: int, hi: int) -> str:
    """The narrowest C type for a range, as arith.py names it."""
    ranges: list[tuple[Literal["i8", "u8", "i16", "u16", "i32"], int, int]] = [
        ("i8", -(2**7), 2**7 - 1),
        ("u8", 0, 2**8 - 1),
        ("i16", -(2**15), 2**15 - 1),
        ("u16", 0, 2**16 - 1),
        ("i32", -(2**31), 2**31 - 1),
    ]
    for name, least, most in ranges:
        if least <= lo and hi <= most:
            return name
    raise UnsupportedError(f"internal: a constant in [{lo}, {hi}] needs more than 32 bits")


def units_by_gate(rows: NDArray[Scalar], units: int) -> NDArray[Scalar]:
    """[gates * units, columns] -> [units, gates, columns]: the rows of a unit side by side."""
    gates = rows.shape[0] // units
    return np.ascontiguousarray(rows.reshape(gates, units, -1).transpose(1, 0, 2))
