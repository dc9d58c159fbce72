"""Small models with convolutions, pooling and reductions, made from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph, temporal
from rnn2c.ir.graph import Input, Layer, Model, Output, Tensor


class Maker:
    """Layers with random weights; `sizes` are those of the values so far."""

    def __init__(self, seed: int, size: int) -> None:
        self.rng = np.random.default_rng([5, seed])
        self.layers: list[Layer] = []
        self.sizes = {"x": size}

    def _add(self, layer: Layer, size: int) -> str:
        self.layers.append(layer)
        self.sizes[layer.name] = size
        return layer.name

    def conv(self, name: str, x: str, rows: int, kernel: int, groups: int = 1, **more: Any) -> str:
        columns = kernel * self.sizes[x] // groups
        weight = self.rng.normal(0, columns**-0.5, (rows, columns))
        bias = self.rng.normal(0, 0.3, rows)
        common = {"name": name, "inputs": (x,), "weight": Tensor(weight), "bias": bias}
        return self._add(temporal.Conv1d(**common, kernel=kernel, groups=groups, **more), rows)  # type: ignore[arg-type]

    def pool(self, name: str, x: str, kernel: int, function: str = "max", **more: Any) -> str:
        layer = temporal.Pool(name=name, inputs=(x,), kernel=kernel, function=function, **more)  # type: ignore[arg-type]
        return self._add(layer, self.sizes[x])

    def reduce(self, name: str, x: str, function: str) -> str:
        layer = temporal.Reduce(name=name, inputs=(x,), function=function)  # type: ignore[arg-type]
        return self._add(layer, self.sizes[x])

    def gru(self, name: str, x: str, units: int) -> str:
        w_ih = self.rng.normal(0, self.sizes[x] ** -0.5, (3 * units, self.sizes[x]))
        w_hh = self.rng.normal(0, units**-0.5, (3 * units, units))
        biases = self.rng.normal(0, 0.2, (2, 3 * units))
        weights = {"w_ih": Tensor(w_ih), "w_hh": Tensor(w_hh), "b_ih": biases[0], "b_hh": biases[1]}
        return self._add(graph.Gru(name=name, inputs=(x,), **weights), units)  # type: ignore[arg-type]

    def linear(self, name: str, x: str, rows: int) -> str:
        weight = self.rng.normal(0, self.sizes[x] ** -0.5, (rows, self.sizes[x]))
        layer = graph.Linear(name=name, inputs=(x,), weight=Tensor(weight), bias=np.zeros(rows))
        return self._add(layer, rows)

    def last(self, name: str, x: str) -> str:
        return self._add(graph.LastStep(name=name, inputs=(x,)), self.sizes[x])

    def model(self, *shown: str) -> Model:
        outputs = tuple(Output(f"{name}_out", name) for name in shown)
        return Model("temporal", (Input("x", self.sizes["x"]),), tuple(self.layers), outputs)


def sequences(model: Model, steps: int = 24, count: int = 3) -> SequenceSet:
    """Normal noise for every input."""
    rng = np.random.default_rng(11)
    made = [{i.name: rng.normal(0, 1, (steps, i.size)) for i in model.inputs} for _ in range(count)]
    return SequenceSet(tuple(made))


def sensor() -> Model:
    """A strided convolution, a causal depthwise one, a cell on their clock, the last step."""
    m = Maker(1, 3)
    m.conv("front", "x", 6, 5, stride=2)
    m.conv("depthwise", "front", 6, 3, 6, pads=(2, 0), activation="relu")
    m.gru("cell", "depthwise", 4)
    m.last("last", "cell")
    m.linear("y", "last", 3)
    return m.model("y")


def every_step() -> Model:
    """Outputs at every third step, grouped and dilated taps, both kinds of pooling."""
    m = Maker(2, 4)
    m.conv("grouped", "x", 4, 3, 2, dilation=2, pads=(4, 0), activation="tanh")
    m.pool("largest", "grouped", 3, "max", pads=(1, 0))
    m.pool("average", "largest", 3, "average", stride=3)
    m.conv("multiplied", "average", 8, 2, 4, pads=(1, 0))
    m.gru("cell", "multiplied", 3)
    m.linear("y", "cell", 2)
    return m.model("y", "average", "multiplied")


def reductions() -> Model:
    """Every reduction, of the input and of values that come at every second step."""
    m = Maker(3, 3)
    m.conv("front", "x", 4, 3, stride=2)
    names = [m.reduce(f, "front", f) for f in ("mean", "sum", "max", "min")]
    names += [m.reduce(f"x_{f}", "x", f) for f in ("mean", "max")]
    m.linear("y", "mean", 3)
    return m.model(*names, "y")


MODELS = {"sensor": sensor, "every step": every_step, "reductions": reductions}
