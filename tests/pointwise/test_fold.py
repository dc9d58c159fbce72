"""Where an Affine layer goes: into weights if that is free, and what the result still computes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import data

from rnn2c.ir import graph
from rnn2c.ir.graph import Layer, Model, Tensor
from rnn2c.passes import fold_affine
from rnn2c.pipeline import prepare
from rnn2c.quantization import QuantizeOptions, quantize_model

sys.path.insert(0, str(Path(__file__).parents[1]))
from core_models import cell, linear, model

RNG = np.random.default_rng(4)


def affine(name: str, source: str, scale: list[float], offset: list[float]) -> graph.Affine:
    return graph.Affine(name=name, inputs=(source,), scale=np.array(scale), offset=np.array(offset))


MILD = ([1.0, -2.0, 0.5], [0.1, 0.0, -1.0])
BEFORE = affine("a", "x", *MILD)
FOLDED: dict[str, tuple[tuple[Layer, ...], list[type[Layer]]]] = {
    "before linear": ((BEFORE, linear("y", "a", 3, 4, RNG)), [graph.Linear]),
    "before gru": ((BEFORE, cell("gru", 3, 2, RNG, "y", "a")), [graph.Gru]),
    "before lstm": ((BEFORE, cell("lstm", 3, 2, RNG, "y", "a")), [graph.Lstm]),
    "before two": (
        (BEFORE, cell("rnn", 3, 2, RNG, "b", "a"), cell("rnn", 3, 2, RNG, "c", "a"),
         graph.Sum(name="y", inputs=("b", "c"))),
        [graph.Rnn, graph.Rnn, graph.Sum],
    ),
    "after linear": ((linear("l", "x", 3, 3, RNG), affine("y", "l", *MILD)), [graph.Linear]),
    "wide range after linear": (
        (linear("l", "x", 3, 3, RNG), affine("y", "l", [1e-3, 1.0, 1e3], [1e3, 0.0, 0.0])),
        [graph.Linear],
    ),
    "two in a row": (
        (BEFORE, affine("y", "a", [2.0, 2.0, 2.0], [1.0, 1.0, 1.0])), [graph.Affine],
    ),
    "large offset stays": (
        (affine("a", "x", [1.0] * 3, [1000.0, 0.0, 0.0]), cell("gru", 3, 2, RNG, "y", "a")),
        [graph.Affine, graph.Gru],
    ),
    "unlike scales stay": (
        (affine("a", "x", [1.0, 0.01, 1.0], [0.0] * 3), linear("y", "a", 3, 2, RNG)),
        [graph.Affine, graph.Linear],
    ),
    "activation between": (
        (linear("l", "x", 3, 3, RNG, "relu"), affine("y", "l", *MILD)),
        [graph.Linear, graph.Affine],
    ),
    "other reader": (
        (linear("l", "x", 3, 3, RNG), affine("a", "l", *MILD),
         graph.Sum(name="y", inputs=("a", "l"))),
        [graph.Linear, graph.Affine, graph.Sum],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDED)
def test_layers_left_and_their_meaning(case: str) -> None:
    layers, kinds = FOLDED[case]
    made = model(layers, (("out", "y"),), 3)
    folded = fold_affine(made)
    assert [type(p) for p in folded.layers] == kinds
    x = RNG.normal(size=(7, 3))
    wanted, got = made.run({"x": x})["out"], folded.run({"x": x})["out"]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-9 * max(1.0, np.abs(wanted).max()))


def test_the_layer_that_takes_the_work_keeps_its_name() -> None:
    made = model((linear("l", "x", 3, 3, RNG), affine("y", "l", *MILD)), (("out", "y"),), 3)
    (layer,) = fold_affine(made).layers
    assert layer.name == "l"


def test_integer_weights_take_a_scale_and_stay_the_same_integers() -> None:
    q = RNG.integers(-127, 128, (3, 3))
    weight = Tensor(q, scale=np.array([0.1, 0.2, 0.3]), bits=8)
    layer = replace(linear("l", "x", 3, 3, RNG), weight=weight)
    after = affine("y", "l", [2.0, -0.5, 0.0], [1.0, 2.0, 3.0])
    made = model((layer, after), (("out", "y"),), 3)
    (folded,) = fold_affine(made).layers
    assert isinstance(folded, graph.Linear)
    assert np.array_equal(folded.weight.data, q * [[1], [-1], [0]])
    x = RNG.normal(size=(7, 3))
    np.testing.assert_allclose(fold_affine(made).run({"x": x})["out"], made.run({"x": x})["out"])


def test_integer_weights_do_not_take_a_scale_of_their_input() -> None:
    weight = Tensor(RNG.integers(-127, 128, (2, 3)), scale=np.ones(2), bits=8)
    layer = replace(linear("y", "a", 3, 2, RNG), weight=weight)
    made = model((BEFORE, layer), (("out", "y"),), 3)
    assert [type(p) for p in fold_affine(made).layers] == [graph.Affine, graph.Linear]


def test_a_shown_value_is_kept() -> None:
    made = model((BEFORE, linear("y", "a", 3, 4, RNG)), (("out", "y"), ("normal", "a")), 3)
    assert [type(p) for p in fold_affine(made).layers] == [graph.Affine, graph.Linear]


def test_selection_moves_before_every_input_of_a_sum() -> None:
    layers = (
        cell("gru", 3, 3, RNG, "h"), linear("l", "h", 3, 3, RNG),
        graph.Sum(name="s", inputs=("l", "h")), graph.LastStep(name="y", inputs=("s",)),
    )  # fmt: skip
    made = model(layers, (("out", "y"),), 3)
    ready = prepare(made)
    assert all(p.inputs == ("h",) for p in ready.layers if isinstance(p, graph.LastStep))
    rates = ready.rates()
    assert all(rates[p.name] == "sequence" for p in ready.layers[1:])
    x = RNG.normal(size=(7, 3))
    np.testing.assert_allclose(ready.run({"x": x})["out"], made.run({"x": x})["out"], atol=1e-12)


def test_a_coarse_table_is_noted() -> None:
    def noted(scale: float) -> tuple[str, ...]:
        layers = (
            affine("a", "x", [scale] * 3, [0.0] * 3),
            graph.Activation(name="y", inputs=("a",), function="silu"),
        )
        made: Model = prepare(model(layers, (("out", "y"),), 3))
        numerics = quantize_model(made, data(made), QuantizeOptions()).numerics
        assert numerics is not None
        return numerics.notes

    assert noted(1.0) == ()
    (note,) = noted(100.0)
    assert "layer 'y': silu of values up to" in note
    assert "scale its input down" in note
