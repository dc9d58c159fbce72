"""How far a quantized program may be from the real numbers its Model stands for.

The weights of a quantized Model are known exactly, so `Model.run` of it has their error already.
What is left is rounding: of every value to its format, and inside the cells.  Its effect is
measured on this very model and input: replicas of the Model add to every value an error that
rounding can make, and the largest change of an output over all replicas, times MARGIN, is what the
integers may be wrong by.  So a model that forgets gets a narrow bound, and finer formats a narrower
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rnn2c.ir import functions, graph, window
from rnn2c.ir.evaluate import evaluate
from rnn2c.ir.graph import CellFormats, CellFunction, FloatArray, Layer, Model
from rnn2c.quantization.cells import SIGNALS

REPLICAS = 24
MARGIN = 3.0
GATE_STEPS = {"accurate": 2.0**-11, "fast": 2.0**-6, "compact": 2.0**-7}
"""Rounding of a pre-activation together with the error of the table behind it, which ends at 8."""
PRE_STEPS = 2.0
"""A pre-activation is the sum of two parts, each off by half a step, and by as much again since
their multipliers have 16 bits.
"""
COMMON, COMMON_END = ("sigmoid", "tanh"), 8.0
"""Functions whose table all layers share, and where it ends."""
DISCRETE = (graph.ArgMax, window.StepMask, window.ValueMask)


def allowed_errors(model: Model, inputs: Mapping[str, FloatArray]) -> dict[str, float]:
    """The largest error of each output of a quantized Model on this input, by output name."""
    exact = model.run(inputs)
    rng = np.random.default_rng(0)
    worst = dict.fromkeys(exact, 0.0)
    for _ in range(REPLICAS):
        noisy = evaluate(replica(model, rng), inputs, alter=Inside(model, rng))
        for name, array in exact.items():
            worst[name] = max(worst[name], float(np.abs(noisy[name] - array).max()))
    steps = {o.name: _own_step(model, o.value) for o in model.outputs}
    return {name: MARGIN * worst[name] + steps[name] for name in exact}


def replica(model: Model, rng: np.random.Generator) -> Model:
    """The Model with an error, the same at every step, added to each value that is a number."""
    sizes = model.sizes()
    layers: list[Layer] = []
    names: dict[str, str] = {}

    def spoil(value: str, more: float = 0.0) -> None:
        noise = _rounding(model, value, sizes[value], rng, more)
        names[value] = f"{value}~"
        one = np.ones(sizes[value])
        layers.append(graph.Affine(name=names[value], inputs=(value,), scale=one, offset=noise))

    for i in model.inputs:
        if not i.tokens:
            spoil(i.name)
    for layer in model.layers:
        read = replace(layer, inputs=tuple(names.get(n, n) for n in layer.inputs))
        layers.append(_noisy(model, read, rng))
        if not isinstance(layer, DISCRETE):
            for value in layer.outputs:
                spoil(value, _own_table(model, layer))
    outputs = tuple(replace(o, value=names.get(o.value, o.value)) for o in model.outputs)
    return replace(model, layers=tuple(layers), outputs=outputs)


def _noisy(model: Model, layer: Layer, rng: np.random.Generator) -> Layer:
    """A cell whose matrix reads h as it is rounded."""
    if not isinstance(layer, graph.Recurrent):
        return layer
    h = _rounding(model, layer.name, layer.size, rng)
    return replace(layer, b_hh=layer.b_hh + layer.w_hh.real() @ h)


@dataclass
class Inside:
    """An Alter that adds to each inner signal of the cells what rounding it can make, the same at
    every step.
    """

    model: Model
    rng: np.random.Generator
    noise: dict[str, FloatArray] = field(default_factory=dict)

    def __call__(self, name: str, array: FloatArray) -> FloatArray:
        if name not in self.noise:
            layer, _, signal = name.rpartition(".")
            most = inner_rounding(self.model, layer, signal)
            self.noise[name] = self.rng.uniform(-most, most, array.shape[-1])
        return array + self.noise[name]


def inner_rounding(model: Model, name: str, signal: str) -> float:
    """The largest error of an inner signal of a cell in one step (names: ir/cell_steps.py)."""
    layer, numerics = model.layer(name), model.numerics
    assert isinstance(layer, graph.Recurrent)
    assert numerics is not None
    gates = GATE_STEPS[numerics.profile]
    if signal == "new_c":  # both products are rounded
        return numerics.formats[f"{name}.c"].scale
    if not layer.plain:
        return _inner_rounding(layer, numerics.cells[name], numerics.formats[name], signal)
    match signal:
        case "new_pre":
            return max(gates, PRE_STEPS * 2.0 ** -numerics.pre_bits.get(name, 12))
        case "m_c":
            return gates
        case "rh":
            return numerics.formats[name].scale / 2
        case "new_h":
            return 2.0**-14
    return gates if signal.endswith("_pre") else 0.0


def _inner_rounding(
    layer: graph.Recurrent, cell: CellFormats, h: graph.Format, signal: str
) -> float:
    """The same of a cell that is not plain, by the formats of its signals."""
    inner = 0.0 if cell.inner is None else cell.inner.scale / 2
    match signal:
        case "rh":
            return inner
        case "m":  # without a projection this is h
            return inner if isinstance(layer, graph.Lstm) and layer.projection is not None else 0.0
        case "new_h":  # n, z h and z n are rounded
            return 1.5 * (h.scale / 256 if h.bits == 8 else h.scale)
    gate = signal.removesuffix("_pre")
    role = 2 if gate == "m_c" else _role(layer, gate)
    if gate != signal:
        return PRE_STEPS * 2.0 ** -cell.before[role]
    return 2.0 ** -cell.after[role] / 2 + _table_error(layer.activations[role], cell.before[role])


def _role(layer: graph.Recurrent, gate: str) -> int:
    return next(k for k, names in enumerate(SIGNALS[type(layer)]) if gate in names)


def _table_error(function: CellFunction, before: int) -> float:
    """What linear interpolation between the 257 knots of a table is off by, where there is one."""
    name, alpha, beta = function.function, function.alpha, function.beta
    if name not in (*functions.TABULATED, *COMMON):
        return 0.0
    settled = COMMON_END if name in COMMON else functions.settled(name, beta)
    end = min(2.0 ** (15 - before), settled)
    knots = np.linspace(-end, end, 257)
    y = functions.apply(name, knots, alpha, beta)
    between = functions.apply(name, (knots[1:] + knots[:-1]) / 2, alpha, beta)
    return float(np.abs(between - (y[1:] + y[:-1]) / 2).max())


def _own_table(model: Model, layer: Layer) -> float:
    """The error of a table that a layer without memory looks its results up in."""
    assert model.numerics is not None
    function = isinstance(layer, graph.Linear) and layer.activation not in ("", "relu")
    looked_up = function or isinstance(layer, (graph.Activation, graph.Softmax))
    return GATE_STEPS[model.numerics.profile] if looked_up else 0.0


def _rounding(
    model: Model, value: str, size: int, rng: np.random.Generator, more: float = 0.0
) -> FloatArray:
    """What rounding a value to its format changes, up to half a step, and `more`."""
    assert model.numerics is not None
    half = model.numerics.formats[value].scale / 2 + more
    return rng.uniform(-half, half, size)


def _own_step(model: Model, value: str) -> float:
    """One step of the output's own format; and of the gates before it, which weigh values that
    differ by up to 2, in this step and in those before.
    """
    assert model.numerics is not None
    return model.numerics.formats[value].scale + 4 * GATE_STEPS[model.numerics.profile]
