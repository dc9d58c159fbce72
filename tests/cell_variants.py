"""Recurrent layers with every attribute that makes a cell differ from the common form.

`VARIANTS` maps a name to the kind of cell and its fields; arrays are made by `variant`, since they
depend on the number of units.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from core_models import cell, model

from rnn2c.ir import graph
from rnn2c.ir.graph import CellFunction, Model, Recurrent, Tensor

F = CellFunction
SIGMOID, TANH, RELU, HARD = F("sigmoid"), F("tanh"), F("relu"), F("hard_sigmoid", 0.2, 0.5)
FUNCTIONS: dict[str, CellFunction] = {
    "sigmoid": SIGMOID,
    "relu": RELU,
    "hard_sigmoid": HARD,
    "keras3_hard_sigmoid": F("hard_sigmoid", 1 / 6, 0.5),
    "leaky_relu": F("leaky_relu", 0.1),
    "steep": F("linear", 0.5, 0.25),
    "linear": F("linear", 1.0, 0.0),
    "thresholded_relu": F("thresholded_relu", 0.3),
    "scaled_tanh": F("scaled_tanh", 1.5, 0.7),
    "elu": F("elu", 1.0),
    "softsign": F("softsign"),
    "softplus": F("softplus", 1.0),
}
VARIANTS: dict[str, tuple[str, dict[str, object]]] = {
    **{f"rnn {name}": ("rnn", {"activations": (f,)}) for name, f in FUNCTIONS.items()},
    "rnn clip": ("rnn", {"clip": 0.8}),
    "rnn relu clip": ("rnn", {"activations": (RELU,), "clip": 0.6}),
    "rnn start": ("rnn", {"constant_h": 0.9}),
    "rnn far start": ("rnn", {"constant_h": 2.5}),
    "lstm hard": ("lstm", {"activations": (HARD, TANH, TANH)}),
    "lstm relu": ("lstm", {"activations": (SIGMOID, RELU, RELU)}),
    "lstm relu gates": ("lstm", {"activations": (RELU, TANH, TANH)}),
    "lstm softsign": ("lstm", {"activations": (HARD, F("softsign"), F("elu", 1.0))}),
    "lstm linear": ("lstm", {"activations": (SIGMOID, F("linear", 1.0), F("linear", 1.0))}),
    "lstm clip": ("lstm", {"clip": 0.7}),
    "lstm peepholes": ("lstm", {"peepholes": 0.8}),
    "lstm coupled": ("lstm", {"coupled": True}),
    "lstm projection": ("lstm", {"projection": 3}),
    "lstm start": ("lstm", {"constant_h": 0.9, "constant_c": 2.0}),
    "lstm far start": ("lstm", {"constant_h": 3.0, "constant_c": 9.0}),
    "lstm everything": (
        "lstm",
        {
            "activations": (HARD, F("softsign"), F("scaled_tanh", 1.2, 0.8)),
            "clip": 2.0, "peepholes": 0.5, "coupled": True, "projection": 4,
            "constant_h": 0.5, "constant_c": 0.5,
        },
    ),
    "gru hard": ("gru", {"activations": (HARD, TANH)}),
    "gru hard before": ("gru_before", {"activations": (HARD, TANH)}),
    "gru relu": ("gru", {"activations": (SIGMOID, RELU)}),
    "gru relu before": ("gru_before", {"activations": (SIGMOID, RELU)}),
    "gru tanh gates": ("gru", {"activations": (TANH, TANH)}),
    "gru relu gates before": ("gru_before", {"activations": (F("leaky_relu", 0.1), TANH)}),
    "gru clip": ("gru", {"clip": 0.5}),
    "gru clip before": ("gru_before", {"clip": 0.5}),
    "gru start": ("gru", {"constant_h": 0.9}),
    "gru far start before": ("gru_before", {"constant_h": 2.5}),
}  # fmt: skip


def variant(
    name: str, inputs: int = 3, units: int = 5, seed: int = 0, gain: float = 1.0,
    layer_name: str = "rnn", source: str = "x",
) -> Recurrent:  # fmt: skip
    """A layer of VARIANTS; a number in place of an array is its largest magnitude."""
    kind, fields = VARIANTS[name]
    rng = np.random.default_rng(seed)
    size = fields.get("projection", units)
    assert isinstance(size, int)
    layer = cell(kind, inputs, units, rng, layer_name, source, gain)
    assert isinstance(layer, Recurrent)
    made: dict[str, object] = {}
    for field, value in fields.items():
        if field == "projection":
            made[field] = Tensor(rng.normal(0, gain / np.sqrt(units), (size, units)))
            rows = layer.w_hh.shape[0]
            made["w_hh"] = Tensor(rng.normal(0, gain / np.sqrt(size), (rows, size)))
        elif field in ("peepholes", "constant_h", "constant_c"):
            count = {"peepholes": 3 * units, "constant_h": size, "constant_c": units}[field]
            made[field] = rng.uniform(-1, 1, count) * value
        else:
            made[field] = value
    return dataclasses.replace(layer, **made)


def variant_model(name: str, **options: float) -> Model:
    """The layer alone, its h shown at every step and, of an LSTM, its c."""
    layer = variant(name, **options)  # type: ignore[arg-type]
    shown = [("y", layer.name)]
    if isinstance(layer, graph.Lstm):
        shown.append(("c", f"{layer.name}.c"))
    return model((layer,), tuple(shown), layer.input_size)
