"""Models made from a seed: every cell, size, head and number format that has to be bit-exact.

The rule: the same seed gives the same model on every machine.  What must not depend on luck (cell,
profile, bits, head) cycles with the seed, so that any run of consecutive seeds covers it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from drafts import Draft, recurrent
from variations import projected

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Input, Model
from rnn2c.pipeline import QuantizeOptions, RawScale

CELLS = ("lstm", "gru", "gru_before", "tanh", "relu")
UNITS = (1, 3, 7, 17, 33, 64)
INPUTS = (1, 5, 10, 40)
TOKENS = (2, 50, 300)
GAINS = (1.0, 1.0, 3.0, 40.0)
RANGES = (1.0, 1.0, 1e-4, 1e4)
QUIRKS = (
    *("", "", "zero rows", "zero w_ih", "zero w_hh", "zero layer"),
    *("denormal", "large bias", "no bias"),
)
HEADS = ("none", "every step", "last step", "classes", "softmax every step", "copies", "states")
OPTIONS: tuple[QuantizeOptions, ...] = (
    QuantizeOptions(),
    QuantizeOptions(profile="compact"),
    QuantizeOptions(activations="int16", observer="percentile", percentile=99.0),
    QuantizeOptions(weights="int4", profile="compact", observer="percentile", percentile=90.0),
    QuantizeOptions(accumulate="split"),
    QuantizeOptions(weights="int4", activations="int16", accumulate="split"),
    QuantizeOptions(profile="compact", observer="percentile"),
    QuantizeOptions(weights="int4"),
)
SEQUENCES, STEPS = 3, 8


def options_of(number: int) -> QuantizeOptions:
    """OPTIONS in turn; every third time what is accurate is fast."""
    options = OPTIONS[number % len(OPTIONS)]
    fast = number % 3 == 2 and options.profile == "accurate"
    return replace(options, profile="fast") if fast else options


class Case(NamedTuple):
    """A float Model, calibration data, options, and how sensor counts become the input, if so;
    max_steps of a model that waits for the end of a sequence.
    """

    model: Model
    data: SequenceSet
    options: QuantizeOptions
    raw: RawScale | None
    max_steps: int | None = None


def _head(draft: Draft, head: str) -> None:
    rng, body = draft.rng, draft.value
    activation = str(rng.choice(["", "relu", "sigmoid", "tanh"]))
    classes = int(rng.choice([1, 2, 5, 9]))
    match head:
        case "none":
            draft.show("y")
        case "every step":
            draft.linear("fc", classes, activation)
            draft.show("y")
        case "last step":
            draft.last("last")
            draft.linear("fc", classes, activation)
            draft.show("y")
        case "classes":
            draft.last("last")
            draft.linear("fc1", 6, "relu")
            draft.linear("fc2", classes)
            logits = draft.value
            draft.add(graph.Softmax(name="p", inputs=(logits,)), classes)
            draft.show("probability")
            draft.add(graph.ArgMax(name="best", inputs=(logits,)), 1)
            draft.show("label")
        case "softmax every step":
            draft.linear("fc", classes)
            draft.add(graph.Softmax(name="p", inputs=("fc",)), classes)
            draft.add(graph.ArgMax(name="best", inputs=("p",)), 1)
            draft.show("p", "p")
            draft.show("logits", "fc")
            draft.show("label")
        case "copies":
            draft.linear("fc", classes, activation)
            draft.show("a")
            draft.show("b")
            draft.show("h", body)
            draft.last("last")
            draft.show("y")
            draft.show("y_again")
        case "states":
            _final_states(draft)


def _final_states(draft: Draft) -> None:
    """h_n and c_n of every recurrent layer, as exports of torch modules show them."""
    draft.show("y")
    for layer in list(draft.layers):
        if isinstance(layer, graph.Recurrent):
            for value, name in zip(layer.outputs, ("h_n", "c_n"), strict=False):
                last = f"{layer.name}_{name}"
                draft.add(graph.LastStep(name=last, inputs=(value,)), layer.units)
                draft.show(last)


def random_model(seed: int) -> Case:
    """The model of a seed.  See the module's first lines."""
    rng = np.random.default_rng([20260801, seed])
    options = options_of(seed + seed // 5)
    draft = Draft(rng, float(rng.choice(GAINS)), QUIRKS[(seed // 2) % len(QUIRKS)])
    if seed % 4 == 2:
        draft.forms = np.random.default_rng([20260803, seed])
    input_range = float(rng.choice(RANGES))
    fitting = input_range if rng.random() < 0.6 else 1.0
    if seed % 11 == 7:
        _two_branches(draft, seed)
    else:
        _chain(draft, seed, fitting)
    model = Model(f"m{seed}", tuple(draft.inputs), tuple(draft.layers), tuple(draft.outputs))
    offset = float(rng.choice([0.0, 0.0, 5.0])) * input_range
    data = calibration(model, rng, input_range, offset)
    raw = None
    if seed % 4 == 1 and seed % 11 != 7 and seed % 13 != 6:
        raw = RawScale((input_range / 8192,), (float(rng.integers(-500, 500)),))
    return Case(model, data, options, raw)


def _chain(draft: Draft, seed: int, input_range: float) -> None:
    """Input, maybe a front Linear, one to three recurrent layers of any kinds, a head."""
    rng = draft.rng
    if seed % 13 == 6:
        draft.tokens("x", int(rng.choice(TOKENS)), int(rng.choice([1, 2, 5, 8])))
        input_range = 1.0
    else:
        draft.input("x", int(rng.choice(INPUTS)))
    if rng.random() < 0.3:
        draft.linear("front", int(rng.choice([3, 8])), str(rng.choice(["", "relu", "tanh"])))
        input_range = 1.0
    count = int(rng.choice([1, 1, 2, 3]))
    states: Literal["", "h", "hc"] = ("", "", "h", "hc")[int(rng.integers(4))]  # type: ignore[assignment]
    for k in range(count):
        cell = CELLS[(seed + k * int(rng.integers(1, 5))) % len(CELLS)]
        units = int(rng.choice(UNITS if count == 1 else UNITS[:5]))
        recurrent(draft, f"r{k}", cell, units, input_range if k == 0 else 1.0, states)
        layer = draft.layers[-1]
        if draft.forms is not None and isinstance(layer, graph.Lstm) and not states:
            size = int(draft.forms.integers(1, units, endpoint=True))
            draft.layers.pop()
            draft.add(projected(layer, size, draft.forms), size)
    if seed % 7 == 3:
        draft.norm("norm")
    _head(draft, HEADS[(seed // 3) % len(HEADS)])


def _two_branches(draft: Draft, seed: int) -> None:
    """Two model inputs, each with its own recurrent layer and its own output."""
    for k, name in enumerate("ab"):
        draft.input(name, int(draft.rng.choice(INPUTS[:3])))
        cell = CELLS[(seed + k) % len(CELLS)]
        recurrent(draft, f"r{name}", cell, int(draft.rng.choice(UNITS[:5])), 1.0, "h" if k else "")
        draft.show(f"y{name}")


def calibration(
    model: Model, rng: np.random.Generator, scale: float = 1.0, offset: float = 0.0
) -> SequenceSet:
    """Normal noise of this scale around `offset` for inputs per step, small initial states."""

    def array(i: Input) -> FloatArray:
        if i.tokens:
            return rng.integers(0, i.tokens, (STEPS, 1)).astype(np.float64)
        if i.rate == "step":
            return np.asarray(rng.normal(offset, scale, (STEPS, i.size)))
        return np.asarray(rng.uniform(-0.9, 0.9, i.size))

    return SequenceSet(tuple({i.name: array(i) for i in model.inputs} for _ in range(SEQUENCES)))
