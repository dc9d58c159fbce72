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
from dataclasses import replace

import numpy as np

from rnn2c.ir import graph, window
from rnn2c.ir.graph import FloatArray, Layer, Model

REPLICAS = 24
MARGIN = 3.0
GATE_STEPS = {"accurate": 2.0**-11, "compact": 2.0**-7}
"""Rounding of a pre-activation together with the error of the table behind it, which ends at 8."""
DISCRETE = (graph.ArgMax, window.StepMask, window.ValueMask)


def allowed_errors(model: Model, inputs: Mapping[str, FloatArray]) -> dict[str, float]:
    """The largest error of each output of a quantized Model on this input, by output name."""
    exact = model.run(inputs)
    rng = np.random.default_rng(0)
    worst = dict.fromkeys(exact, 0.0)
    for _ in range(REPLICAS):
        noisy = replica(model, rng).run(inputs)
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
    """A cell whose biases stand for what is rounded inside: its state and its gates."""
    if not isinstance(layer, graph.Recurrent):
        return layer
    assert model.numerics is not None
    h = _rounding(model, layer.name, layer.size, rng)
    gates = GATE_STEPS[model.numerics.profile]
    return replace(
        layer,
        b_ih=layer.b_ih + rng.uniform(-gates, gates, layer.b_ih.shape),
        b_hh=layer.b_hh + layer.w_hh.real() @ h,
    )


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
