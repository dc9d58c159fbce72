"""Models in the making: layers with random weights, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from variations import varied

from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Input, Layer, Output, Tensor


@dataclass
class Draft:
    """A Model in the making; `value` and `size` are the end of the chain so far.

    forms: chance for the forms of its cells; None for the common form.
    """

    rng: np.random.Generator
    gain: float
    quirk: str
    inputs: list[Input] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    value: str = ""
    size: int = 0
    forms: np.random.Generator | None = None

    def add(self, layer: Layer, size: int) -> None:
        self.layers.append(layer)
        self.value, self.size = layer.name, size

    def input(self, name: str, size: int) -> None:
        self.inputs.append(Input(name, size))
        self.value, self.size = name, size

    def tokens(self, name: str, tokens: int, size: int) -> None:
        """An input of tokens and its embedding."""
        self.inputs.append(Input(name, 1, tokens=tokens))
        table = Tensor(self.rng.normal(0, self.gain, (tokens, size)))
        self.add(graph.Embedding(name=f"{name}_row", inputs=(name,), table=table), size)

    def norm(self, name: str) -> None:
        """A layer normalization, of squares alone at times."""
        gain, bias = self.rng.normal(0, 1, self.size), self.rng.normal(0, 1, self.size)
        layer = graph.LayerNorm(
            name=name,
            inputs=(self.value,),
            gain=gain,
            bias=bias,
            epsilon=float(10.0 ** self.rng.integers(-8, 0)),
            centred=bool(self.rng.random() < 0.7),
        )
        self.add(layer, self.size)

    def initial(self, name: str, units: int) -> str:
        self.inputs.append(Input(name, units, "sequence"))
        return name

    def show(self, name: str, value: str = "") -> None:
        self.outputs.append(Output(name, value or self.value))

    def linear(self, name: str, size: int, activation: str = "") -> None:
        weight = self.rng.normal(0, self.gain / np.sqrt(self.size), (size, self.size))
        bias = self.rng.normal(0, 0.5, size)
        self.add(
            graph.Linear(
                name=name,
                inputs=(self.value,),
                weight=Tensor(weight),
                bias=bias,
                activation=activation,
            ),
            size,
        )

    def last(self, name: str) -> None:
        self.add(graph.LastStep(name=name, inputs=(self.value,)), self.size)


def recurrent(
    draft: Draft,
    name: str,
    cell: str,
    units: int,
    input_range: float = 1.0,
    states: Literal["", "h", "hc"] = "",
) -> None:
    """Append one recurrent layer; `states`: which initial states are model inputs."""
    gates = {"lstm": 4, "gru": 3, "gru_before": 3}.get(cell, 1)
    rng, rows = draft.rng, gates * units
    w_ih = rng.normal(0, draft.gain / np.sqrt(draft.size) / input_range, (rows, draft.size))
    w_hh = rng.normal(0, draft.gain / np.sqrt(units), (rows, units))
    b_ih, b_hh = rng.normal(0, 0.3, rows), rng.normal(0, 0.3, rows)
    _spoil(draft, w_ih, w_hh, b_ih, b_hh)
    inputs = [draft.value]
    if states:
        inputs.append(draft.initial(f"{name}_h0", units))
    if states == "hc" and cell == "lstm":
        inputs.append(draft.initial(f"{name}_c0", units))
    common = {
        "name": name,
        "inputs": tuple(inputs),
        "w_ih": Tensor(w_ih),
        "w_hh": Tensor(w_hh),
        "b_ih": b_ih,
        "b_hh": b_hh,
    }
    layer = _layer(cell, common)
    draft.add(layer if draft.forms is None else varied(layer, draft.forms), units)


def _layer(cell: str, common: dict[str, object]) -> graph.Recurrent:
    match cell:
        case "lstm":
            return graph.Lstm(**common)  # type: ignore[arg-type]
        case "gru" | "gru_before":
            return graph.Gru(**common, reset_after=cell == "gru")  # type: ignore[arg-type]
    return graph.Rnn(**common, activations=(graph.CellFunction(cell),))  # type: ignore[arg-type]


def _spoil(
    draft: Draft, w_ih: FloatArray, w_hh: FloatArray, b_ih: FloatArray, b_hh: FloatArray
) -> None:
    """Make the weights as awkward as `quirk` says, in place."""
    match draft.quirk:
        case "zero rows":
            w_ih[::3] = w_hh[::3] = b_ih[::3] = b_hh[::3] = 0
        case "signs":  # all are as large as can be once they are integers
            for w in (w_ih, w_hh):
                w[:] = np.copysign(np.abs(w).mean(), w)
        case "zero w_ih":
            w_ih[:] = 0
        case "zero w_hh":
            w_hh[:] = 0
        case "zero layer":
            w_ih[:] = w_hh[:] = b_ih[:] = b_hh[:] = 0
        case "denormal":
            w_ih *= 1e-310
            w_hh[::2] *= 1e-310
        case "large bias":
            b_ih *= 300
            b_hh *= 3000
        case "no bias":
            b_ih[:] = b_hh[:] = 0
