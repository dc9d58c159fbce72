"""Random graphs of every kind of layer, to see whether they mean the same in every stage.

A Draft keeps what is known about each value, so that most drawn layers fit; what does not fit (the
checks of the Model say so) is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph, temporal
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Input, Layer, Model, Output, Tensor

LONGEST = 9
GATES = {graph.Lstm: 4, graph.Gru: 3, graph.Rnn: 1}
FUNCTIONS = ("relu", "sigmoid", "tanh", "hard_sigmoid", "hard_swish", "softsign", "silu", "abs")


@dataclass
class Draft:
    """A model under construction; sizes and rates of its values."""

    rng: np.random.Generator
    inputs: list[Input] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)

    def model(self, shown: tuple[str, ...]) -> Model:
        return Model(
            "net", tuple(self.inputs), tuple(self.layers), tuple(Output(f"o_{n}", n) for n in shown)
        )

    def add(self, make: Callable[[Draft, str], Layer]) -> None:
        """Add a drawn layer if the Model stays valid."""
        layer = make(self, f"v{len(self.layers)}")
        self.layers.append(layer)
        try:
            check_model(self.model((layer.name,)))
        except Rnn2cError:
            self.layers.pop()

    def value(self, *rates: str) -> tuple[str, int]:
        """A drawn value, newer ones more often, and its size."""
        model = self.model((self.inputs[0].name,))
        sizes, found = model.sizes(), model.rates()
        names = [n for n in sizes if not rates or found[n] in rates] or [self.inputs[0].name]
        at = int(len(names) * self.rng.beta(2.5, 1))
        return names[at], sizes[names[at]]

    def matrix(self, rows: int, columns: int) -> Tensor:
        return Tensor(self.rng.normal(0, columns**-0.5, (rows, columns)))

    def bias(self, size: int) -> np.ndarray:
        return self.rng.normal(0, 0.3, size)

    def one(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]


def recurrent(draft: Draft, name: str) -> Layer:
    x, size = draft.value("step", "window")
    kind = draft.one(graph.Lstm, graph.Gru, graph.Rnn)
    units = int(draft.rng.integers(1, 7))
    rows = GATES[kind] * units
    extra = {"reset_after": bool(draft.rng.integers(2))} if kind is graph.Gru else {}
    return kind(
        name=name,
        inputs=(x,),
        w_ih=draft.matrix(rows, size),
        w_hh=draft.matrix(rows, units),
        b_ih=draft.bias(rows),
        b_hh=draft.bias(rows),
        direction="reverse" if draft.rng.random() < 0.3 else "forward",
        **extra,
    )


def linear(draft: Draft, name: str) -> Layer:
    x, size = draft.value()
    rows = int(draft.rng.integers(1, 7))
    return graph.Linear(
        name=name,
        inputs=(x,),
        weight=draft.matrix(rows, size),
        bias=draft.bias(rows),
        activation=draft.one("", "", "relu", "sigmoid", "tanh"),
    )


def convolution(draft: Draft, name: str) -> Layer:
    x, size = draft.value("step", "window")
    groups = draft.one(1, 1, size)
    rows = groups * int(draft.rng.integers(1, 4))
    framed = _framed(draft, 3)
    return temporal.Conv1d(
        name=name,
        inputs=(x,),
        weight=draft.matrix(rows, framed["kernel"] * size // groups),
        bias=draft.bias(rows),
        activation=draft.one("", "relu", "tanh"),
        groups=groups,
        **framed,
    )


def pool(draft: Draft, name: str) -> Layer:
    x, _ = draft.value("step", "window")
    return temporal.Pool(
        name=name,
        inputs=(x,),
        function=draft.one("max", "average"),
        count_pads=bool(draft.rng.integers(2)),
        **_framed(draft, 3),
    )


def _framed(draft: Draft, most: int) -> dict:
    """Kernel, stride, dilation and padding: none, causal, or on both sides."""
    kernel, dilation = int(draft.rng.integers(1, most + 1)), draft.one(1, 1, 2)
    span = dilation * (kernel - 1)
    pads = draft.one((0, 0), (span, 0), (span, 0), (span // 2, span - span // 2))
    stride = draft.one(1, 1, 2) if not pads[1] else 1
    return {"kernel": kernel, "dilation": dilation, "pads": pads, "stride": stride}


def reduction(draft: Draft, name: str) -> Layer:
    x, _ = draft.value("step", "window")
    function = draft.one("mean", "sum", "max", "min")
    return temporal.Reduce(name=name, inputs=(x,), function=function)


def last_step(draft: Draft, name: str) -> Layer:
    return graph.LastStep(name=name, inputs=(draft.value("step", "window")[0],))


def pointwise(draft: Draft, name: str) -> Layer:
    x, size = draft.value()
    match int(draft.rng.integers(5)):
        case 0:
            return graph.Activation(name=name, inputs=(x,), function=draft.one(*FUNCTIONS))
        case 1:
            scale = draft.rng.uniform(-2, 2, size)
            return graph.Affine(name=name, inputs=(x,), scale=scale, offset=draft.bias(size))
        case 2:
            picked = draft.rng.integers(0, size, draft.rng.integers(1, size + 1))
            return graph.Pick(name=name, inputs=(x,), indices=tuple(map(int, picked)))
        case 3:
            return graph.Extreme(name=name, inputs=(x,), function=draft.one("max", "min"))
    return graph.Softmax(name=name, inputs=(x,))


def joined(draft: Draft, name: str) -> Layer:
    pair = (draft.value()[0], draft.value()[0])
    kind = draft.one(graph.Sum, graph.Product, graph.Concat)
    return kind(name=name, inputs=pair)


KINDS = (
    *(recurrent,) * 3, *(linear,) * 2, convolution, convolution, pool, reduction, last_step,
    pointwise, pointwise, joined, joined,
)  # fmt: skip


def random_network(seed: int) -> tuple[Model, dict[str, np.ndarray]]:
    """A valid Model and an input of LONGEST steps."""
    rng = np.random.default_rng([11, seed])
    draft = Draft(rng, [Input("x", int(rng.integers(1, 5)))])
    for _ in range(int(rng.integers(3, 11))):
        draft.add(KINDS[int(rng.integers(len(KINDS)))])
    if not draft.layers:
        draft.add(linear)
    read = {n for layer in draft.layers for n in layer.inputs}
    shown = tuple(layer.name for layer in draft.layers if layer.name not in read)
    model = draft.model(shown)
    return model, {"x": rng.normal(size=(LONGEST, model.inputs[0].size))}
