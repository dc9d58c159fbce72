"""Builds a Model from a traced graph: the one place that both front ends share.

A front end translates operators into calls of a Builder; the Builder creates layers, keeps names
unique and, at the end, works out the rate of every input from what its axes turned out to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.assemble import Draft, assemble
from rnn2c.frontend.cells import (
    CellForm,
    CellWeights,
    Start,
    as_tensor,
    constant_start,
    make_cell,
)
from rnn2c.frontend.collector import Collector
from rnn2c.frontend.finish import feature_size, input_names
from rnn2c.frontend.gates import GATE_COUNT, Cell
from rnn2c.frontend.imported import Imported, Port
from rnn2c.frontend.layout import Layout, OverTime
from rnn2c.frontend.loops import Loops
from rnn2c.frontend.part import WHOLE, Part
from rnn2c.frontend.trim import trimmed
from rnn2c.frontend.values import Operand, Value, quoted
from rnn2c.ir import graph, window
from rnn2c.ir.graph import FloatArray, Layer, Recurrent, Tensor

OVER_TIME: dict[OverTime, type[Layer]] = {
    "last": graph.LastStep,
    "first": window.FirstStep,
    "flip": window.Flip,
}


class Builder(Collector):
    """Makes layers; `finish` returns the checked Model."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.loops = Loops(
            self.axes,
            self._layers,
            self._taken,
            self._anonymous,
            self.add,
            self.unique,
            lambda value: self.over_time(value, "flip"),
            self.copied,
        )
        self.layout = Layout(
            self.axes, self.raw_inputs, self.over_time, self.pick, self.join, self.trim, self.loops
        )

    def vector(self, value: Value, where: str) -> str:
        """The one vector that `value` shows; a layer reads its features, so they come last."""
        if len(self.layout.parts(value)) != 1:
            raise UnsupportedError(f"{where}: reads a stack of layers; select one of them first")
        last = value.axes[-1] if value.axes else None
        if last is None or self.axes.kind(last) not in (None, "feature") or last.size is None:
            raise UnsupportedError(f"{where}: the last dimension must be the features")
        self.axes.bind(last, "feature", where)
        return value.parts[0]

    def over_time(self, name: str, what: OverTime) -> str:
        """The last or first step of a per-step vector, or its steps in opposite order."""
        made = f"{name}.{what}"
        if made not in self._layers:
            self.add(OVER_TIME[what](name=made, inputs=(name,)))
        return made

    def pick(self, name: str, indices: Sequence[int]) -> str:
        """The vector of these elements of another."""
        picked = self.unique(f"{name}.pick", "pick")
        self.add(graph.Pick(name=picked, inputs=(name,), indices=tuple(indices)))
        return picked

    def join(self, names: Sequence[str]) -> str:
        """The vector of all elements of these."""
        joined = self.unique("", "concat")
        self.add(graph.Concat(name=joined, inputs=tuple(names)))
        return joined

    def trim(self, name: str, count: int) -> str | None:
        """The value without its last steps; None where these are not those of padding alone."""
        source = None
        for layer in trimmed(self._layers, name, count):
            inputs = layer.inputs if source is None else (source,)
            source = self.unique(layer.name, "trimmed")
            self.add(replace(layer, name=source, inputs=inputs))
        return source

    def recurrent(
        self,
        cell: Cell,
        stem: str,
        x: Value,
        time_at: int,
        weights: CellWeights,
        state: Sequence[Operand | None],
        where: str,
        form: CellForm,
        mask: str = "",
    ) -> Recurrent:
        """Add one layer.  x has three axes with time at `time_at` (0 or 1), batch at the other.

        mask: name of a mask, see ir.cells.
        """
        if len(x.axes) != 3:
            raise UnsupportedError(f"{where}: the input has {len(x.axes)} dimensions, expected 3")
        self.axes.bind(x.axes[time_at], "time", where)
        self.axes.bind(x.axes[1 - time_at], "unit", where)
        name, source = self.unique(stem, cell.lower()), self.vector(x, where)
        sizes = (weights.w_hh.shape[-1], weights.w_hh.shape[0] // GATE_COUNT[cell])
        starts = [self._start(s, n, where) for s, n in zip(state, sizes, strict=False)]
        layer = make_cell(cell, name, source, starts, weights, form, mask)
        self.add(layer)
        return layer

    def _start(self, state: Operand | None, size: int, where: str) -> Start:
        if state is None:
            return Start()
        if isinstance(state, np.ndarray):
            return constant_start(state, size, where)
        for axis in state.axes[:-1]:
            self.axes.bind(axis, "unit", where)
        name = self.loops.part(self.vector(state, where))
        if name in self._layers:
            raise UnsupportedError(
                f"{where}: the initial state is computed by layer {quoted(name)}; it must be a "
                "model input or a constant"
            )
        return Start(name)

    def linear(
        self,
        stem: str,
        x: Value,
        weight: FloatArray | Tensor,
        bias: FloatArray | None,
        where: str,
    ) -> Value:
        """weight [out, in], bias [out] or None for zero."""
        if len(weight.shape) != 2 or weight.shape[1] != x.axes[-1].size:
            raise Rnn2cError(
                f"{where}: the weight has shape {list(weight.shape)}, the input has "
                f"{x.axes[-1].size if x.axes else 0} features"
            )
        rows = weight.shape[0]
        bias = np.zeros(rows) if bias is None else self._bias(bias, rows, where)
        matrix = self.shared(as_tensor(weight))
        name = self.unique(stem, "linear")
        source = self.vector(x, where)
        self.add(graph.Linear(name=name, inputs=(source,), weight=matrix, bias=bias))
        return self._shown(x, name, rows)

    def _bias(self, bias: FloatArray, rows: int, where: str) -> FloatArray:
        if bias.size not in (1, rows) or (bias.shape and bias.shape[-1] not in (1, rows)):
            raise Rnn2cError(f"{where}: the bias has shape {list(bias.shape)}, expected [{rows}]")
        return np.array(np.broadcast_to(np.asarray(bias, np.float64).reshape(-1), (rows,)))

    def _shown(self, x: Value, name: str, size: int) -> Value:
        return Value((name,), (*x.axes[:-1], self.axes.new("feature", size)))

    def softmax(self, stem: str, x: Value, axis: int, where: str, *, log: bool = False) -> Value:
        """The softmax over the features, or its logarithm."""
        source = self.over_features(x, axis, where)
        name = self.unique(stem, "softmax")
        kind = graph.LogSoftmax if log else graph.Softmax
        self.add(kind(name=name, inputs=(source,)))
        return Value((name,), x.axes)

    def argmax(self, stem: str, x: Value, axis: int, keepdims: bool, where: str) -> Value:
        if axis not in (-1, len(x.axes) - 1):
            raise UnsupportedError(
                f"{where}: works on axis {axis}; only the last axis (the features) is supported"
            )
        source = self.over_features(x, axis, where)
        name = self.unique(stem, "argmax")
        self.add(graph.ArgMax(name=name, inputs=(source,)))
        shown = self._shown(x, name, 1)
        return shown if keepdims else Value(shown.parts, shown.axes[:-1])

    def unfinished(
        self, stem: str, x: Value, function: str, where: str, alpha: float = 0.0
    ) -> Value:
        """A function that a pattern has to take up until the import is done."""
        name, inputs = self.unique(stem, function), (self.vector_of(x, where),)
        self.add(graph.Activation(name=name, inputs=inputs, function=function, alpha=alpha))
        self._unfinished[name] = where
        return Value((name,), x.axes)

    def over_features(self, x: Value, axis: int, where: str) -> str:
        """The one vector of x, whose features lie along `axis`; UnsupportedError if they do not."""
        rank = len(x.axes)
        if not -rank <= axis < rank or self.axes.kind(x.axes[axis]) != "feature":
            raise UnsupportedError(
                f"{where}: works on axis {axis}; only the features are supported"
            )
        return self.vector_of(x, where)

    def vector_of(self, x: Value, where: str) -> str:
        """The one vector that x shows, wherever its features lie."""
        if len(self.layout.parts(x)) != 1:
            raise UnsupportedError(f"{where}: reads a stack of layers; select one of them first")
        return x.parts[0]

    def finish(self, outputs: Sequence[tuple[str, Operand]], part: Part = WHOLE) -> Imported:
        """The checked Model; raises Rnn2cError naming the input, layer or output at fault.

        part.state is what feeds back; such an output is shown only if part.end names it.
        """
        shown = tuple(self._output(name, operand) for name, operand in outputs)
        rolled = self.loops.close([v for port in shown for v in port.values], self._vectors)
        names = rolled.names
        self.check_weights(rolled.layers)
        draft = Draft(
            self.name,
            self.axes,
            rolled.layers,
            rolled.delays,
            tuple(self._inputs),
            rolled.ports(self._inner),
            self._tokens,
            {names.get(n, n): where for n, where in self._unfinished.items()},
            {names.get(n, n): bits for n, bits in self._dynamic.items()},
        )
        return assemble(draft, rolled.ports(shown), part)

    def _vectors(self) -> list[graph.Input]:
        """The vectors of all model inputs, as far as it is known what is a stack of them."""
        return [
            graph.Input(name, feature_size(self.axes, port))
            for port in self._inputs
            for name in input_names(self.axes, port)
        ]

    def constant(self, array: FloatArray, refusal: str) -> Value:
        """A constant [n] or [1, n] as if it were computed: the state that a loop starts from.

        refusal: the message where no loop starts from it.
        """
        numbers = array.dtype != object and np.issubdtype(array.dtype, np.floating)
        if not numbers or array.ndim not in (1, 2) or array.size != array.shape[-1]:
            raise UnsupportedError(refusal)
        name = self.loops.numbers(array, refusal)
        units = (self.axes.unit() for _ in array.shape[:-1])
        return Value((name,), (*units, self.axes.new("feature", array.size)))

    def _output(self, name: str, operand: Operand) -> Port:
        where = f"output {quoted(name)}"
        if not isinstance(operand, Value):
            raise UnsupportedError(f"{where}: is a constant; remove it from the model")
        kinds = [self.axes.kind(axis) for axis in operand.axes]
        if "feature" in kinds[:-1] and kinds[-1] != "time":
            raise UnsupportedError(f"{where}: the features must be its last dimension")
        return Port(name, self.layout.parts(operand), operand.axes)
