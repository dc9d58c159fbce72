"""Small Models with reverse layers and masks."""

from __future__ import annotations

import numpy as np
from core_models import cell, changed, data, linear

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph, window
from rnn2c.ir.graph import Input, Layer, Model, Output
from rnn2c.ir.program import Program
from rnn2c.pipeline import lower_model, prepare, quantize
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import load_target


def pair(
    kind: str, inputs: int, units: int, rng: np.random.Generator, name: str = "rnn",
    source: str = "x", mask: str = "",
) -> tuple[Layer, ...]:  # fmt: skip
    """A bidirectional layer: NAME.f, NAME.b and both, one after the other, called NAME."""
    forward = cell(kind, inputs, units, rng, f"{name}.f", source)
    backward = changed(cell(kind, inputs, units, rng, f"{name}.b", source), direction="reverse")
    if mask:
        forward, backward = masked(forward, mask), masked(backward, mask)
    return forward, backward, graph.Concat(name=name, inputs=(forward.name, backward.name))


def masked(layer: Layer, mask: str) -> Layer:
    """The cell with a mask, and from zero."""
    return changed(layer, inputs=(layer.inputs[0], *[""] * len(layer.outputs), mask))


def reverse(kind: str, inputs: int = 3, units: int = 5, seed: int = 0) -> Model:
    """One reverse layer, shown at every step, at the last and at the first."""
    layer = cell(kind, inputs, units, np.random.default_rng(seed))
    layers = (
        changed(layer, direction="reverse"),
        graph.LastStep(name="last", inputs=("rnn",)),
        window.FirstStep(name="first", inputs=("rnn",)),
    )
    shown = (Output("y", "rnn"), Output("y_last", "last"), Output("y_first", "first"))
    return Model("net", (Input("x", inputs),), layers, shown)


def stacked(kind: str, seed: int = 0, mask: bool = False) -> Model:
    """Two bidirectional layers, a Linear layer at every step, the last step of it, all final
    states.
    """
    rng = np.random.default_rng(seed)
    steps = (window.StepMask(name="mask", inputs=("x",), steps=4),) if mask else ()
    low = pair(kind, 3, 4, rng, "low", "x", "mask" if mask else "")
    high = pair(kind, 8, 3, rng, "high", "low", "mask" if mask else "")
    layers = (
        *(*steps, *low, *high),
        linear("fc", "high", 6, 2, rng),
        graph.LastStep(name="fc_last", inputs=("fc",)),
        graph.LastStep(name="end_f", inputs=("high.f",)),
        window.FirstStep(name="end_b", inputs=("high.b",)),
        graph.Concat(name="ends", inputs=("end_f", "end_b")),
    )
    shown = (Output("y", "fc"), Output("y_last", "fc_last"), Output("ends", "ends"))
    return Model("net", (Input("x", 3),), layers, shown)


def program_of(
    m: Model, profile: str, max_steps: int | None, calibration: SequenceSet | None = None,
    target: str = "host",
) -> Program:  # fmt: skip
    """The proven program: integers of that profile, or float32."""
    ready = prepare(m)
    if profile != "float32":
        options = QuantizeOptions(profile=profile)  # type: ignore[arg-type]
        ready = quantize(ready, calibration or data(m), options)
    return lower_model(ready, load_target(target), None, max_steps)
