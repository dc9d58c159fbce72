"""Forms of a cell: functions, clip, peepholes, coupled gates, projections, constant states.

A gate whose function is not limited gets a clip: products of states would leave every range.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cell_variants import FUNCTIONS, variant

from rnn2c.ir import graph
from rnn2c.ir.cells import LIMITED
from rnn2c.ir.graph import CellFunction, Input, Layer, Model, Output, Recurrent, Tensor

ANY = tuple(FUNCTIONS.values())
SIZE, UNITS = 3, 5


def varied(layer: Recurrent, rng: np.random.Generator) -> Recurrent:
    """The layer in another form; its sizes and inputs stay, but h0 as an input keeps its size."""
    functions = tuple(_function(rng) for _ in layer.roles)
    limited = functions[0].function in LIMITED
    clip = float(rng.choice([0.3, 2.0])) if not limited or rng.random() < 0.3 else np.inf
    layer = replace(layer, activations=functions, clip=clip)
    if not layer.states[0] and rng.random() < 0.5:
        layer = replace(layer, constant_h=rng.normal(0, 0.7, layer.size))
    if isinstance(layer, graph.Lstm):
        return _varied_lstm(layer, rng)
    return layer


def _function(rng: np.random.Generator) -> CellFunction:
    """The usual ones as often as all the others together."""
    usual = (CellFunction("sigmoid"), CellFunction("tanh"))
    chosen = usual if rng.random() < 0.5 else ANY
    return chosen[int(rng.integers(len(chosen)))]


def _varied_lstm(layer: graph.Lstm, rng: np.random.Generator) -> graph.Lstm:
    if rng.random() < 0.5:
        layer = replace(layer, peepholes=rng.normal(0, 1, 3 * layer.units))
    layer = replace(layer, coupled=bool(rng.random() < 0.4))
    if not layer.states[1] and rng.random() < 0.5:
        layer = replace(layer, constant_c=rng.normal(0, 2, layer.units))
    return layer


def projected(layer: graph.Lstm, size: int, rng: np.random.Generator) -> graph.Lstm:
    """The layer with an h of `size` elements."""
    spread = 1 / np.sqrt(layer.units)
    weight = rng.normal(0, spread, (size, layer.units))
    w_hh = layer.w_hh.real()[:, :size]
    start = None if layer.constant_h is None else layer.constant_h[:size]
    return replace(layer, projection=Tensor(weight), w_hh=Tensor(w_hh), constant_h=start)


def together(names: list[str], gain: float) -> Model:
    """The layers of these variants, all of the input x; h at every step, and the last c."""
    layers: list[Layer] = []
    outputs: list[Output] = []
    for k, name in enumerate(names):
        layer = variant(name, SIZE, UNITS, seed=k, gain=gain, layer_name=f"r{k}")
        if not layer.bounded:
            calmer = min(gain, 1.0)
            layer = variant(name, SIZE, UNITS, seed=k, gain=calmer, layer_name=f"r{k}")
        layers.append(layer)
        outputs.append(Output(f"y{k}", f"r{k}"))
        if isinstance(layer, graph.Lstm):
            layers.append(graph.LastStep(name=f"last{k}", inputs=(f"r{k}.c",)))
            outputs.append(Output(f"c{k}", f"last{k}"))
    return Model("variants", (Input("x", SIZE),), tuple(layers), tuple(outputs))
