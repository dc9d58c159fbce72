"""How far a quantized program may be from the real numbers its Model stands for.

The weights of a quantized Model are known exactly, so `Model.run` of it has their error already.
What is left is rounding: of the values between layers to their formats and of the gates.  Its
effect is measured on this very model and input: replicas of the Model get, at every layer with
weights, an error drawn from what rounding can do there, and the largest change of an output over
all replicas, times MARGIN, is what the integers may be wrong by.  So a model that forgets gets a
narrow bound, and finer formats a narrower one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Model

REPLICAS = 24
MARGIN = 2.0
GATE_STEPS = {"accurate": 2.0**-11, "compact": 2.0**-7}
"""Rounding of a pre-activation together with the error of the table behind it, which ends at 8."""


def allowed_errors(model: Model, inputs: Mapping[str, FloatArray]) -> dict[str, float]:
    """The largest error of each output of a quantized Model on this input, by output name."""
    numerics = model.numerics
    assert numerics is not None
    exact = model.run(inputs)
    rng = np.random.default_rng(0)
    worst = dict.fromkeys(exact, 0.0)
    for _ in range(REPLICAS):
        noisy = replica(model, rng).run(_rounded(model, inputs, rng))
        for name, array in exact.items():
            worst[name] = max(worst[name], float(np.abs(noisy[name] - array).max()))
    steps = {o.name: _own_step(model, o.value) for o in model.outputs}
    return {name: MARGIN * worst[name] + steps[name] for name in exact}


def replica(model: Model, rng: np.random.Generator) -> Model:
    """The Model with errors as rounding makes them in the biases, which stand for sums."""
    return model.with_layers(tuple(_noisy(model, layer, rng) for layer in model.layers))


def _noisy(model: Model, layer: graph.Layer, rng: np.random.Generator) -> graph.Layer:
    if isinstance(layer, graph.Linear):
        x = _rounding(model, layer.inputs[0], layer.weight.shape[1], rng)
        return replace(layer, bias=layer.bias + layer.weight.real() @ x)
    if not isinstance(layer, graph.Recurrent):
        return layer
    x = _rounding(model, layer.inputs[0], layer.input_size, rng)
    h = _rounding(model, layer.name, layer.units, rng)
    assert model.numerics is not None
    gates = GATE_STEPS[model.numerics.profile]
    noise = rng.uniform(-gates, gates, layer.b_ih.shape)
    return replace(
        layer,
        b_ih=layer.b_ih + layer.w_ih.real() @ x + noise,
        b_hh=layer.b_hh + layer.w_hh.real() @ h,
    )


def _rounding(model: Model, value: str, size: int, rng: np.random.Generator) -> FloatArray:
    """What rounding a value to its format changes: up to half a step."""
    assert model.numerics is not None
    half = model.numerics.formats[value].scale / 2
    return rng.uniform(-half, half, size)


def _rounded(
    model: Model, inputs: Mapping[str, FloatArray], rng: np.random.Generator
) -> dict[str, FloatArray]:
    """The initial states as far off as their formats allow; the error of x is in the biases."""
    once = {i.name for i in model.inputs if i.rate == "sequence"}
    return {
        name: array + _rounding(model, name, len(array), rng) if name in once else array
        for name, array in inputs.items()
    }


def _own_step(model: Model, value: str) -> float:
    """One step of the output's own format; and the gates before it, which weigh values that differ
    by up to 2.
    """
    assert model.numerics is not None
    return model.numerics.formats[value].scale + 2 * GATE_STEPS[model.numerics.profile]
