"""Small random Models for the tests of the core, and the short way from one to a Program."""

from __future__ import annotations

import dataclasses

import numpy as np

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Layer, Model, Output, Tensor
from rnn2c.ir.program import Program
from rnn2c.lower import lower
from rnn2c.pipeline import prepare, quantize
from rnn2c.proof import verify_ranges
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import Target, load_target

GATES = {"lstm": 4, "gru": 3, "gru_before": 3, "rnn": 1, "rnn_relu": 1}
CELLS = tuple(GATES)


def cell(
    kind: str, inputs: int, units: int, rng: np.random.Generator, name: str = "rnn",
    source: str = "x", gain: float = 1.0,
) -> Layer:  # fmt: skip
    """A recurrent layer; the rows of its matrices have a norm of about `gain`."""
    rows = GATES[kind] * units
    common = {
        "name": name,
        "inputs": (source,),
        "w_ih": Tensor(rng.normal(0, gain / np.sqrt(inputs), (rows, inputs))),
        "w_hh": Tensor(rng.normal(0, gain / np.sqrt(units), (rows, units))),
        "b_ih": rng.normal(0, 0.2, rows),
        "b_hh": rng.normal(0, 0.2, rows),
    }
    match kind:
        case "lstm":
            return graph.Lstm(**common)
        case "gru" | "gru_before":
            return graph.Gru(**common, reset_after=kind == "gru")
    return graph.Rnn(**common, activations=(graph.RELU,) if kind == "rnn_relu" else ())


def linear(
    name: str, source: str, inputs: int, outputs: int, rng: np.random.Generator,
    activation: str = "",
) -> graph.Linear:  # fmt: skip
    """A Linear layer with rows of norm about 1."""
    weight = Tensor(rng.normal(0, 1 / np.sqrt(inputs), (outputs, inputs)))
    bias = rng.normal(0, 0.2, outputs)
    return graph.Linear(
        name=name, inputs=(source,), weight=weight, bias=bias, activation=activation
    )


def model(
    layers: tuple[Layer, ...], outputs: tuple[tuple[str, str], ...], size: int, name: str = "net"
) -> Model:
    """A Model with the one per-step input x; outputs as (name, value)."""
    return Model(name, (Input("x", size),), layers, tuple(Output(*o) for o in outputs))


def cell_model(
    kind: str, inputs: int = 3, units: int = 5, seed: int = 0, gain: float = 1.0
) -> Model:
    """One recurrent layer whose h is shown at every step."""
    layer = cell(kind, inputs, units, np.random.default_rng(seed), gain=gain)
    return model((layer,), (("y", "rnn"),), inputs)


def classifier(kind: str = "gru", classes: int = 4, seed: int = 0) -> Model:
    """Recurrent layer, last step, Linear, softmax and argmax."""
    rng = np.random.default_rng(seed)
    layers = (
        cell(kind, 3, 5, rng),
        graph.LastStep(name="last", inputs=("rnn",)),
        linear("fc", "last", 5, classes, rng),
        graph.Softmax(name="soft", inputs=("fc",)),
        graph.ArgMax(name="best", inputs=("fc",)),
    )
    return model(layers, (("probability", "soft"), ("label", "best")), 3)


def data(of: Model, count: int = 4, steps: int = 20, seed: int = 1) -> SequenceSet:
    """Standard normal sequences for every input of a Model."""
    rng = np.random.default_rng(seed)
    shapes = {i.name: (steps, i.size) if i.rate == "step" else (i.size,) for i in of.inputs}
    return SequenceSet(tuple({n: rng.normal(size=s) for n, s in shapes.items()}
                             for _ in range(count)))  # fmt: skip


def integer(of: Model, **options: str) -> Model:
    """Prepared and quantized on `data`."""
    return quantize(prepare(of), data(of), QuantizeOptions(**options))  # type: ignore[arg-type]


def program(of: Model, target: str | Target = "host", **options: str) -> Program:
    """Quantized, lowered and proven; a float Model is quantized on `data` first."""
    chosen = load_target(target) if isinstance(target, str) else target
    made = lower(of if of.numerics else integer(of, **options), chosen)
    verify_ranges(made)
    return made


def changed(layer: Layer, **fields: object) -> Layer:
    """The layer with some fields replaced."""
    return dataclasses.replace(layer, **fields)
