"""A cell reads its input in a format that leaves the bits of its weights alone."""

from __future__ import annotations

import numpy as np
import pytest

from rnn2c.calibration import as_sequence_set
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Layer, Model, Output, Tensor
from rnn2c.pipeline import QuantizeOptions, compile_model
from rnn2c.quantization.joint import TOO_FINE
from rnn2c.target import load_target

SIZE, UNITS = 6, 5
FRONTS = ("tanh", "sigmoid", "softmax")


def network(front: str) -> Model:
    """What a table makes, under a name that a copy for the GRU would like to have, and the GRU."""
    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> Tensor:
        return Tensor(rng.normal(0, columns**-0.5, (rows, columns)))

    first: Layer = graph.Softmax(name="h.x", inputs=("x",))
    if front != "softmax":
        weight, bias = matrix(SIZE, SIZE), np.zeros(SIZE)
        first = graph.Linear(name="h.x", inputs=("x",), weight=weight, bias=bias, activation=front)
    cell = graph.Gru(
        name="h", inputs=("h.x",), w_ih=matrix(3 * UNITS, SIZE), w_hh=matrix(3 * UNITS, UNITS),
        b_ih=rng.normal(0, 0.3, 3 * UNITS), b_hh=np.zeros(3 * UNITS),
    )  # fmt: skip
    return Model("net", (Input("x", SIZE),), (first, cell), (Output("h", "h"),))


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
@pytest.mark.parametrize("front", FRONTS)
def test_weights_of_what_a_table_makes_keep_their_bits(
    front: str, profile: str, weights: str
) -> None:
    model = network(front)
    x = {"x": np.random.default_rng(1).normal(size=(30, SIZE))}
    options = QuantizeOptions(profile=profile, weights=weights)  # type: ignore[arg-type]
    data = as_sequence_set([x], model)
    made = compile_model(model, data, load_target("host"), options)
    assert made.quantized is not None
    real, integer = (m.layer("h").w_ih.real() for m in (model, made.quantized))  # type: ignore[attr-defined]
    step = 2 * np.abs(real).max() / (127 if weights == "int8" else 7)  # of a power of two
    assert np.abs(real - integer).max() <= TOO_FINE * step / 2
    if weights == "int8":
        assert np.abs(made.program.run(x)["h"] - model.run(x)["h"]).max() < 0.04


def test_a_split_sum_reads_the_value_as_it_is() -> None:
    model = network("tanh")
    x = {"x": np.random.default_rng(1).normal(size=(30, SIZE))}
    options = QuantizeOptions(accumulate="split")
    made = compile_model(model, as_sequence_set([x], model), load_target("host"), options)
    assert made.quantized is not None
    assert [p.name for p in made.quantized.layers] == ["h.x", "h"]
