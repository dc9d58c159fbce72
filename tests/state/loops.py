"""Models with a loop from a value to the next step, and the same in plain numpy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import Delay, Input, Model, Output

sys.path.insert(0, str(Path(__file__).parents[1]))
from core_models import cell, linear

FEATURES, SIZE = 3, 4
Step = Callable[[np.ndarray, dict[str, np.ndarray]], tuple[np.ndarray, dict[str, np.ndarray]]]


def _model(layers: list[graph.Layer], delays: list[Delay], value: str) -> Model:
    return Model("looped", (Input("x", FEATURES),), tuple(layers), (Output("y", value),),
                 delays=tuple(delays))  # fmt: skip


def elman() -> Model:
    """h' = softsign(A x + B h), which is no cell of torch."""
    rng = np.random.default_rng(1)
    layers = [
        linear("a", "x", FEATURES, SIZE, rng),
        linear("b", "h", SIZE, SIZE, rng),
        graph.Sum(name="s", inputs=("a", "b")),
        graph.Activation(name="next", inputs=("s",), function="softsign"),
        linear("head", "next", SIZE, 2, rng),
    ]
    return _model(layers, [Delay("h", "next", SIZE)], "head")


def output_fed_back() -> Model:
    """The output of the head goes into a GRU together with x."""
    rng = np.random.default_rng(2)
    layers = [
        graph.Concat(name="both", inputs=("x", "last_y")),
        cell("gru", FEATURES + 2, SIZE, rng, "gru", "both"),
        linear("head", "gru", SIZE, 2, rng, "tanh"),
    ]
    return _model(layers, [Delay("last_y", "head", 2)], "head")


def shift_register() -> Model:
    """x of two steps before: a delay of a delay, and a difference."""
    layers = [graph.Sum(name="difference", inputs=("x", "before"), subtract=True)]
    delays = [Delay("before", "one", FEATURES), Delay("one", "x", FEATURES)]
    return _model(layers, delays, "difference")


def swapped() -> Model:
    """Two states that change places at every step, one of them fed by x."""
    rng = np.random.default_rng(3)
    layers = [
        linear("a", "x", FEATURES, SIZE, rng),
        graph.Affine(name="half", inputs=("p",), scale=np.full(SIZE, 0.5), offset=np.zeros(SIZE)),
        graph.Sum(name="fed", inputs=("a", "half")),
        graph.Activation(name="bounded", inputs=("fed",), function="tanh"),
    ]
    return _model(layers, [Delay("p", "q", SIZE), Delay("q", "bounded", SIZE)], "p")


def last_of_a_delay() -> Model:
    """Once per sequence: the value one step before the last."""
    rng = np.random.default_rng(4)
    layers = [
        linear("a", "x", FEATURES, SIZE, rng, "tanh"),
        graph.LastStep(name="last", inputs=("before",)),
    ]
    return _model(layers, [Delay("before", "a", SIZE)], "last")


MODELS = {
    made.__name__: made
    for made in (elman, output_fed_back, shift_register, swapped, last_of_a_delay)
}


def by_hand(name: str, model: Model, x: np.ndarray) -> np.ndarray:
    """Outputs [T, n] ([n] per sequence) from the definitions above."""

    def weights(layer: str) -> tuple[np.ndarray, np.ndarray]:
        found = model.layer(layer)
        assert isinstance(found, graph.Linear)
        return found.weight.real(), found.bias

    rows: list[np.ndarray] = []
    if name == "elman":
        (a, a0), (b, b0), (c, c0) = weights("a"), weights("b"), weights("head")
        h = np.zeros(SIZE)
        for row in x:
            s = a @ row + a0 + b @ h + b0
            h = s / (1 + np.abs(s))
            rows.append(c @ h + c0)
    elif name == "output_fed_back":
        gru = model.layer("gru")
        alone = Model("gru", (Input("u", FEATURES + 2), Input("h", SIZE, "sequence")),
                      (graph.Gru(**{**vars(gru), "inputs": ("u", "h")}),),
                      (Output("h1", "gru"),))  # fmt: skip
        (c, c0), h, y = weights("head"), np.zeros(SIZE), np.zeros(2)
        for row in x:
            h = alone.run({"u": np.concatenate([row, y])[None], "h": h})["h1"][0]
            y = np.tanh(c @ h + c0)
            rows.append(y)
    elif name == "shift_register":
        padded = np.concatenate([np.zeros((2, FEATURES)), x])
        return x - padded[: len(x)]
    elif name == "swapped":
        a, a0 = weights("a")
        p, q = np.zeros(SIZE), np.zeros(SIZE)
        for row in x:
            rows.append(p)
            p, q = q, np.tanh(a @ row + a0 + p / 2)
    else:
        a, a0 = weights("a")
        return np.tanh(a @ x[-2] + a0)
    return np.stack(rows)
