"""How far the rounding of a quantized source may move the values of a Model.

Dynamic: the source rounds what a layer reads while it runs, the Model does not.  Every input is off
by at most half a step, evenly spread, and the step follows from the range it had.  What that makes
of a sum is a noise on its bias: four standard deviations of it, or the most that can be if that is
less.  Static: a value half way between two steps goes either way with the last bit of a float32.
The Model is run with such biases and with such scales, their signs at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.evaluate import evaluate
from rnn2c.ir.graph import FloatArray, Layer, Model

DRAWS = 8
DEVIATIONS = 4 / np.sqrt(12)
MARGIN = 1.5
LAST_BITS = 2.0**-21


def quantization_allowed(
    model: Model, dynamic: Mapping[str, int], inputs: Mapping[str, FloatArray]
) -> dict[str, float]:
    """What the rounding may change in each value, relative to its scale, which is 1 at least.

    dynamic: bits of the inputs of layers that the source rounds while it runs.
    """
    ours = _values(model, inputs)
    random = np.random.default_rng(0)
    allowed = dict.fromkeys(ours, 0.0)
    for _ in range(DRAWS):
        layers = tuple(_noisy(p, dynamic.get(p.name, 0), ours, random) for p in model.layers)
        for name, moved in _values(model.with_layers(layers), inputs).items():
            scale = max(1.0, float(np.max(np.abs(ours[name]))))
            change = float(np.max(np.abs(ours[name] - moved))) / scale
            allowed[name] = max(allowed[name], MARGIN * change)
    return allowed


def _values(model: Model, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    values: dict[str, FloatArray] = {}
    evaluate(model, inputs, lambda name, array: values.update({name: array}))
    return values


def _noisy(
    layer: Layer, bits: int, values: Mapping[str, FloatArray], random: np.random.Generator
) -> Layer:
    if isinstance(layer, graph.Rounded):
        scale = layer.form.scale * (1 + LAST_BITS * random.choice([-1.0, 1.0]))
        return replace(layer, form=replace(layer.form, scale=scale))
    if not bits:
        return layer
    x = _step(values[layer.inputs[0]], bits)
    match layer:
        case graph.Linear(weight=weight, bias=bias):
            return replace(layer, bias=bias + _noise(weight.real() * x, random))
        case graph.Recurrent(w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh):
            h = _step(values[layer.name], bits)
            return replace(
                layer,
                b_ih=b_ih + _noise(w_ih.real() * x, random),
                b_hh=b_hh + _noise(w_hh.real() * h, random),
            )
    return layer


def _step(values: FloatArray, bits: int) -> float:
    """Of the range of the values, which is made to contain 0."""
    reach = max(float(values.max()), 0.0) - min(float(values.min()), 0.0)
    return reach / float(2**bits - 1)


def _noise(steps: FloatArray, random: np.random.Generator) -> FloatArray:
    """steps [rows, columns]: what one step of each column adds to the sum of each row."""
    usual = DEVIATIONS * np.sqrt((steps**2).sum(axis=1))
    most = 0.5 * np.abs(steps).sum(axis=1)
    signs: FloatArray = random.choice([-1.0, 1.0], len(steps))
    return np.asarray(np.minimum(usual, most) * signs)
