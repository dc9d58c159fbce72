"""Weights that came as integers: the program holds exactly them, in every profile."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import CELLS, data, integer, program
from given_models import cell, given, head, integers, stored

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Model, Tensor
from rnn2c.ir.model_text import model_text
from rnn2c.passes import fold_affine

OPTIONS = (
    {},
    {"accumulate": "joint"},
    {"activations": "int16"},
    {"profile": "fast"},
    {"profile": "compact"},
)


def kept(made: Model, source: Model) -> None:
    """The program of a quantized Model holds the integers of its source and no others."""
    held = stored(program(made))
    wanted = [t.data for p in source.layers for t in vars(p).values() if isinstance(t, Tensor)]
    if any(isinstance(p, graph.Gru) and not p.reset_after for p in source.layers):
        (rx, rh, nx, nh), (w, u) = held, wanted
        held = [np.concatenate([rx, nx]), np.concatenate([rh, nh])]
        wanted = [w, u]
    assert len(held) == len(wanted)
    for ours, theirs in zip(held, wanted, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("per_row", [True, False], ids=["rows", "tensor"])
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_keeps_its_integers(kind: str, per_row: bool, options: dict[str, str]):
    source = given(cell(kind), per_row=per_row)
    made = integer(source, **options)
    kept(made, source)
    sequence = data(source).sequences[0]
    ours = rnn2c.compile(made).run(sequence)["y"]
    real = source.run(sequence)["y"]
    tolerance = 0.08 if options.get("profile") == "compact" else 0.04
    assert np.abs(ours - real).max() <= tolerance * max(1.0, np.abs(real).max())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("activation", ["", "relu", "sigmoid", "tanh"])
def test_a_linear_layer_keeps_its_integers(activation: str, options: dict[str, str]):
    source = given(head(activation))
    made = integer(source, **options)
    kept(made, source)
    sequence = data(source).sequences[0]
    difference = rnn2c.compile(made).run(sequence)["y"] - source.run(sequence)["y"]
    assert np.abs(difference).max() < 0.05


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("kind", CELLS)
def test_int4_stays_int4_whatever_the_option_says(kind: str, weights: str):
    source = given(cell(kind), bits=4)
    made = integer(source, weights=weights)
    kept(made, source)
    assert {w.packing for w in program(made).weights} == {"dense4"}


def test_int4_beside_int8_is_stored_in_bytes_and_not_changed():
    source = given(cell("lstm"))
    (layer,) = source.layers
    half = integers(cell("lstm").layers[0].w_ih, bits=4)
    mixed = source.with_layers((dataclasses.replace(layer, w_ih=half),))
    kept(integer(mixed), mixed)


def test_fewer_bits_than_given_are_refused():
    for source in (given(cell("gru")), given(head())):
        with pytest.raises(Rnn2cError, match=r"came as int8 and is kept.*use weights int8"):
            integer(source, weights="int4")


def test_a_matrix_of_reals_beside_integers_is_rounded_with_scales_of_its_own():
    source = cell("lstm")
    (layer,) = source.layers
    mixed = source.with_layers((dataclasses.replace(layer, w_hh=integers(layer.w_hh)),))
    made = integer(mixed)
    assert np.array_equal(made.layers[0].w_hh.data, mixed.layers[0].w_hh.data)
    assert np.all(np.abs(made.layers[0].w_ih.data).max(axis=1) == 127)


def test_only_the_layers_with_integers_sum_apart():
    source = cell("lstm")
    assert not integer(source).numerics.split
    made = integer(given(source))
    assert made.numerics.accumulate == "joint"
    assert made.numerics.split == {"rnn"}
    assert "sums of their own scales" in model_text(made)
    assert "sums of their own scales" not in model_text(integer(source))


def test_float32_uses_the_values_of_the_integers():
    source = given(cell("gru"))
    made = rnn2c.compile(source)
    assert np.array_equal(stored(made)[0], source.layers[0].w_ih.real().astype(np.float32))


def test_rows_of_zeros_take_any_scale():
    source = given(head())
    (layer,) = source.layers
    rows = layer.weight.data.copy()
    rows[1] = 0
    scale = layer.weight.scale.copy()
    scale[1] = 1e-30
    zero = Tensor(rows, scale=scale, bits=8)
    made = integer(source.with_layers((dataclasses.replace(layer, weight=zero),)))
    assert np.array_equal(stored(program(made))[0], rows)


def test_a_bias_beyond_its_sum_is_refused():
    source = given(head())
    (layer,) = source.layers
    fine = dataclasses.replace(layer.weight, scale=layer.weight.scale * 1e-9)
    made = integer(source.with_layers((dataclasses.replace(layer, weight=fine),)))
    with pytest.raises(Rnn2cError, match=r"layer 'fc': a bias of .* use --precision float32"):
        program(made)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": np.zeros(4)}, "scale of weight is not positive"),
        ({"scale": -np.ones(4)}, "scale of weight is not positive"),
        ({"scale": np.full(4, np.nan)}, "scale of weight is not positive"),
        ({"scale": np.ones(3)}, r"the scale of weight has shape \[3\], expected \[4\]"),
        ({"bits": 4}, "holds integers beyond 4 bits"),
    ],
    ids=str,
)
def test_a_model_with_bad_integers_is_invalid(change: dict[str, object], message: str):
    source = given(head())
    (layer,) = source.layers
    bad = dataclasses.replace(layer.weight, **change)
    with pytest.raises(Rnn2cError, match=message):
        check_model(source.with_layers((dataclasses.replace(layer, weight=bad),)))


def affine(name: str, source: str, scale: float, size: int) -> graph.Affine:
    return graph.Affine(
        name=name, inputs=(source,), scale=np.full(size, scale), offset=np.full(size, 0.5)
    )


def test_a_positive_factor_after_integers_changes_their_scale_only():
    source = given(head())
    scaled = source.with_layers((*source.layers, affine("s", "fc", 2.0, 4)))
    scaled = dataclasses.replace(scaled, outputs=(graph.Output("y", "s"),))
    (folded,) = fold_affine(scaled).layers
    assert isinstance(folded, graph.Linear)
    assert np.array_equal(folded.weight.data, source.layers[0].weight.data)
    assert np.allclose(folded.weight.scale, source.layers[0].weight.scale * 2)


@pytest.mark.parametrize("before", [True, False])
def test_other_factors_stay_apart_from_integers(before: bool):
    source = given(head())
    (layer,) = source.layers
    if before:
        layers = (affine("s", "x", -2.0, 6), dataclasses.replace(layer, inputs=("s",)))
        both = source.with_layers(layers)
    else:
        both = source.with_layers((layer, affine("s", "fc", -2.0, 4)))
        both = dataclasses.replace(both, outputs=(graph.Output("y", "s"),))
    assert len(fold_affine(both).layers) == 2
