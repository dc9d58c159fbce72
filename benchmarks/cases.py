"""What is benchmarked: shapes x cells x targets x variants, as tables to extend.

The rule: a case never changes with chance, so two runs of one version count the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rnn2c.calibration import SequenceSet, read_sequences
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Layer, Model, Output, Tensor
from rnn2c.pipeline import (
    Bench,
    QuantizeOptions,
    bench,
    compile_float32,
    compile_model,
    load,
    lower_model,
    prepare,
    quantize,
)
from rnn2c.target import list_targets, load_target

CORTEX_SHAPES = {"a": (10, 64), "b": (40, 128), "c": (3, 16), "d": (32, 32)}
SMALL_SHAPES = {"c": (3, 16), "e": (6, 24), "f": (10, 32), "d": (32, 32)}
SHAPES = CORTEX_SHAPES | SMALL_SHAPES
"""Input and hidden size."""

GATES = {"lstm": 4, "gru": 3}

TARGETS = (
    *("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7"),
    *("cortex-m33", "cortex-m55", "cortex-m85"),
)


AVR, RISCV = "atmega328p", "rv32imc"
SMALL_TARGETS = (AVR, RISCV)
ONE_TARGET = "cortex-m4"
ALL = (*TARGETS, *SMALL_TARGETS)
COMPACT = {"profile": "compact"}


@dataclass(frozen=True)
class Variant:
    """How a model is quantized and how it is compiled: keyword arguments; on which targets."""

    quantize: dict[str, Any] = field(default_factory=dict)
    lower: dict[str, Any] = field(default_factory=dict)
    on: tuple[str, ...] = TARGETS


VARIANTS = {
    "compact": Variant(COMPACT, on=SMALL_TARGETS),
    "compact, sums of 16 bits": Variant(COMPACT | {"sum_width": "int16"}, on=(AVR,)),
    "compact, inputs of 8 bits": Variant(COMPACT | {"inputs": "int8"}, on=(AVR,)),
    "compact, speed": Variant(COMPACT, {"level": "speed"}, on=(AVR,)),
    "compact, inputs of 8 bits, speed": Variant(
        COMPACT | {"inputs": "int8"}, {"level": "speed"}, on=(AVR,)
    ),
    "compact, sums of 16 bits, speed": Variant(
        COMPACT | {"sum_width": "int16"}, {"level": "speed"}, on=(AVR,)
    ),
    "compact, sums of 16 bits, unrolled": Variant(
        COMPACT | {"sum_width": "int16"}, {"level": "unrolled"}, on=(AVR,)
    ),
    "compact, size": Variant(COMPACT, {"level": "size"}, on=(AVR,)),
    "int8": Variant(on=ALL),
    "int4": Variant({"weights": "int4"}),
    "int4 overlapped": Variant({"weights": "int4-overlapped"}, on=(ONE_TARGET,)),
    "int16": Variant({"activations": "int16"}),
    "fast": Variant({"profile": "fast"}),
    "size": Variant(lower={"level": "size"}, on=(ONE_TARGET,)),
    "speed": Variant(lower={"level": "speed"}, on=(ONE_TARGET,)),
    "fast, speed": Variant({"profile": "fast"}, {"level": "speed"}, on=(ONE_TARGET,)),
}
"""int8 is the default: weights and activations in 8 bits, profile accurate, level balanced; the
others change what their name says.
"""


DEMO = Path(__file__).resolve().parents[1] / "firmware_examples" / "activity"
DEMO_VARIANTS = ("default", "float32")
"""The network of `make demo`, integers in the target's own profile, or float32."""


@dataclass(frozen=True, order=True)
class Case:
    """One measurement, by the keys of the tables above; cell and shape of the demo are `demo`."""

    cell: str
    target: str
    variant: str
    shape: str


def variants(target: str) -> tuple[str, ...]:
    """The variants that are counted on a target."""
    return tuple(name for name, v in VARIANTS.items() if target in v.on)


def shapes(target: str) -> dict[str, tuple[int, int]]:
    """The shapes that are counted on a target."""
    return SMALL_SHAPES if target in SMALL_TARGETS else CORTEX_SHAPES


def cases() -> Iterator[Case]:
    """All of them, in the order of the tables."""
    for cell in GATES:
        for target in ALL:
            for variant in variants(target):
                for shape in shapes(target):
                    yield Case(cell, target, variant, shape)
    for target in list_targets():
        for variant in DEMO_VARIANTS if target.emulator.kind != "native" else ():
            yield Case("demo", target.name, variant, "demo")


def network(cell: str, shape: str) -> Model:
    """One recurrent layer whose last h is the output; rows of the matrices have a norm near 1."""
    inputs, units = SHAPES[shape]
    rng = np.random.default_rng([len(cell), inputs, units])
    rows = GATES[cell] * units
    weights: dict[str, Any] = {
        "w_ih": Tensor(rng.normal(0, 1 / np.sqrt(inputs), (rows, inputs))),
        "w_hh": Tensor(rng.normal(0, 1 / np.sqrt(units), (rows, units))),
        "b_ih": rng.normal(0, 0.2, rows),
        "b_hh": rng.normal(0, 0.2, rows),
    }
    kind = graph.Lstm if cell == "lstm" else graph.Gru
    layers: tuple[Layer, ...] = (
        kind(name=cell, inputs=("x",), **weights),
        graph.LastStep(name="last", inputs=(cell,)),
    )
    return Model("net", (Input("x", inputs),), layers, (Output("h", "last"),))


def samples(shape: str) -> SequenceSet:
    """Eight sequences of 32 steps of unit variance."""
    rng = np.random.default_rng(SHAPES[shape])
    return SequenceSet(tuple({"x": rng.normal(size=(32, SHAPES[shape][0]))} for _ in range(8)))


def measured(case: Case, *, steps: int = 4) -> Bench:
    """Compile a case and count it in its emulator; raises TooLargeError if it does not fit."""
    if case.cell == "demo":
        return _demo(case)
    variant, data = VARIANTS[case.variant], samples(case.shape)
    options = QuantizeOptions(**variant.quantize)
    model = quantize(prepare(network(case.cell, case.shape)), data, options)
    program = lower_model(model, load_target(case.target), **variant.lower)
    return bench(program, data.sequences, steps=steps)


def _demo(case: Case) -> Bench:
    """As `rnn2c bench` counts it."""
    target, model = load_target(case.target), load(DEMO / "activity.onnx", cross_check=False)
    data = read_sequences(DEMO / "calibration.npz", model)
    if case.variant == "float32":
        return bench(compile_float32(model, target).program, ())
    options = QuantizeOptions(profile=target.profile)
    return bench(compile_model(model, data, target, options).program, data.sequences)
