"""A few fixed models, small enough for every target, that together hold every cell and format.

The rule: they never change with chance; a model is named in a test, and the name says what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from drafts import Draft, recurrent
from models import Case, calibration
from variations import together

from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.pipeline import QuantizeOptions, RawScale

COMPACT = QuantizeOptions(profile="compact")
EXACT_OPTIONS: dict[str, QuantizeOptions] = {
    "int8": QuantizeOptions(),
    "int4": QuantizeOptions(weights="int4"),
    "int4 overlapped": QuantizeOptions(weights="int4-overlapped"),
    "int16": QuantizeOptions(activations="int16"),
    "split": QuantizeOptions(accumulate="split"),
    "int16 split": QuantizeOptions(activations="int16", accumulate="split"),
    "fast": QuantizeOptions(profile="fast"),
    "compact": COMPACT,
    "fast int16 split": QuantizeOptions(profile="fast", activations="int16", accumulate="split"),
    "compact int4": QuantizeOptions(profile="compact", weights="int4"),
    "ternary": QuantizeOptions(weights="ternary"),
    "compact ternary": QuantizeOptions(profile="compact", weights="ternary"),
}
SIZES = (2e4, 3.0, 0.1, 40.0)
PER_COUNT = tuple(s / 1000 for s in SIZES)
"""Of the channels of `uneven`, and what a sensor count is worth."""


def draft_of(seed: int, gain: float, quirk: str = "") -> Draft:
    return Draft(np.random.default_rng([7, seed]), gain, quirk)


def finished(draft: Draft, name: str, options: QuantizeOptions, raw: RawScale | None) -> Case:
    model = Model(name, tuple(draft.inputs), tuple(draft.layers), tuple(draft.outputs))
    return Case(model, calibration(model, draft.rng), options, raw)


def zoo(name: str, options: QuantizeOptions, gain: float) -> Case:
    """All five cells with odd sizes in two branches of two and three layers, initial states."""
    draft = draft_of(1, gain)
    draft.input("x", 5)
    recurrent(draft, "lstm", "lstm", 7, states="hc")
    recurrent(draft, "gru", "gru", 3)
    draft.last("last")
    draft.linear("dense", 6, "relu")
    draft.linear("logits", 3)
    _tie(draft)
    draft.add(graph.Softmax(name="softmax", inputs=("logits",)), 3)
    draft.show("probability")
    draft.add(graph.ArgMax(name="label", inputs=("logits",)), 1)
    draft.show("label")
    draft.input("u", 3)
    draft.linear("front", 4, "tanh")
    recurrent(draft, "old_gru", "gru_before", 5, states="h")
    recurrent(draft, "rnn", "tanh", 3)
    recurrent(draft, "relu", "relu", 4)
    draft.linear("y", 2)
    draft.show("y")
    return finished(draft, name, options, None)


def _tie(draft: Draft) -> None:
    """Make the first and the last row of the newest layer equal and large: argmax meets ties."""
    layer = draft.layers[-1]
    assert isinstance(layer, graph.Linear)
    layer.bias[0] += 2.0
    layer.weight.data[-1], layer.bias[-1] = layer.weight.data[0], layer.bias[0]


def single(
    name: str,
    cell: str,
    options: QuantizeOptions,
    *,
    units: int = 17,
    inputs: int = 5,
    gain: float = 1.0,
    raw: RawScale | None = None,
) -> Case:
    """One recurrent layer, a Linear layer on the last step, the class."""
    draft = draft_of(2, gain)
    draft.input("x", inputs)
    recurrent(draft, "cell", cell, units)
    draft.last("last")
    draft.linear("fc", 4)
    draft.show("logits")
    draft.add(graph.ArgMax(name="best", inputs=("fc",)), 1)
    draft.show("label")
    return finished(draft, name, options, raw)


ZOOS: dict[str, Callable[[], Case]] = {
    "accurate": lambda: zoo("zoo", EXACT_OPTIONS["int8"], 1.0),
    "accurate hot": lambda: zoo("zoo_hot", EXACT_OPTIONS["int16 split"], 40.0),
    "fast": lambda: zoo("zoo_fast", EXACT_OPTIONS["fast"], 1.0),
    "fast hot": lambda: zoo("zoo_fast_hot", EXACT_OPTIONS["fast int16 split"], 40.0),
    "compact": lambda: zoo("zoo_compact", COMPACT, 1.0),
    "compact hot": lambda: zoo("zoo_compact_hot", EXACT_OPTIONS["compact int4"], 40.0),
}


@cache
def zoo_case(name: str) -> Case:
    """One of ZOOS, made once."""
    return ZOOS[name]()


def renamed(case: Case, names: dict[str, str]) -> Case:
    """The same network with other names of layers, inputs and outputs."""

    def new(name: str) -> str:
        base, dot, rest = name.partition(".")
        return names.get(base, base) + dot + rest

    model = case.model
    layers = tuple(
        replace(layer, name=new(layer.name), inputs=tuple(map(new, layer.inputs)))
        for layer in model.layers
    )
    inputs = tuple(Input(new(i.name), i.size, i.rate) for i in model.inputs)
    outputs = tuple(Output(names.get(o.name, o.name), new(o.value)) for o in model.outputs)
    sequences = tuple({new(k): v for k, v in s.items()} for s in case.data.sequences)
    return Case(
        Model(model.name, inputs, layers, outputs),
        type(case.data)(sequences),
        case.options,
        case.raw,
    )


def every_form() -> Case:
    """A small network that has every attribute of a cell and every way to compute a function."""
    names = ["rnn elu", "rnn thresholded_relu", "lstm everything", "lstm peepholes", "gru clip"]
    model = together([*names, "gru relu gates before"], 0.6)
    return Case(model, calibration(model, np.random.default_rng(0)), QuantizeOptions(), None)


def uneven(profile: str) -> Case:
    """A GRU that reads x itself; the calibration data have channels of very different sizes."""
    draft = draft_of(4, 1.0)
    draft.input("x", len(SIZES))
    recurrent(draft, "gru", "gru", 3)
    draft.show("y")
    layer = draft.layers[-1]
    assert isinstance(layer, graph.Gru)
    draft.layers[-1] = replace(layer, w_ih=graph.Tensor(layer.w_ih.real() / SIZES))
    options = QuantizeOptions(profile=profile)  # type: ignore[arg-type]
    case = finished(draft, "uneven", options, RawScale(PER_COUNT, (10.0,)))
    for sequence in case.data.sequences:
        sequence["x"][:] = np.random.default_rng(5).normal(size=sequence["x"].shape) * SIZES
    return case
