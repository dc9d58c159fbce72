"""Weights ternary: the nearest rows, what keeps its bits, how they are stored, what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from core_models import CELLS, cell, cell_model, data, integer, model, program
from hypothesis import given
from hypothesis import strategies as st

from rnn2c.budget import budget
from rnn2c.errors import Rnn2cError
from rnn2c.ir.graph import Tensor
from rnn2c.packing.ternary import is_ternary
from rnn2c.pipeline import lower_model
from rnn2c.quantization.ternary import nearest
from rnn2c.target import load_target

OPTIONS = (
    {},
    {"profile": "compact"},
    {"profile": "fast"},
    {"accumulate": "split", "activations": "int16"},
    {"profile": "compact", "sum_width": "int16"},
)


@given(seed=st.integers(0, 999), columns=st.integers(1, 5))
def test_no_other_ternary_row_is_nearer(seed: int, columns: int):
    row = np.random.default_rng(seed).standard_cauchy(columns)
    found = float(np.sum((nearest(row[None])[0] - row) ** 2))
    for signs in product((-1, 0, 1), repeat=columns):
        of = np.array(signs)
        best = max(float(of @ row) / max(np.count_nonzero(of), 1), 0.0)
        assert found <= np.sum((best * of - row) ** 2) + 1e-9 * np.sum(row**2)


@given(seed=st.integers(0, 99), columns=st.integers(1, 40))
def test_rows_that_are_ternary_stay_as_they_are(seed: int, columns: int):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, 2, (4, columns)) * rng.uniform(0.01, 9, (4, 1))
    assert np.allclose(nearest(rows), rows, rtol=1e-12, atol=0)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_every_row_of_a_cell_has_one_magnitude(kind: str, options: dict[str, str]):
    (layer,) = integer(cell_model(kind, 9, 12), weights="ternary", **options).layers
    for tensor in (layer.w_ih, layer.w_hh):
        assert is_ternary(tensor.data[None])
    if "activations" not in options:
        assert len(np.unique(np.abs(layer.w_hh.data))) > 2, "rows have magnitudes of their own"


def test_a_weight_takes_a_quarter_of_a_byte():
    need = {
        weights: budget(program(cell_model("lstm", 32, 64), weights=weights)).weights
        for weights in ("int8", "ternary")
    }
    rows = 4 * 64
    assert need["int8"] - need["ternary"] == rows * (32 + 64) * 3 // 4 - 2 * rows


def test_outputs_are_those_of_a_network_with_such_weights():
    real = cell_model("gru", 6, 24)
    (layer,) = real.layers
    w_ih, w_hh = (Tensor(nearest(m.data)) for m in (layer.w_ih, layer.w_hh))
    like = real.with_layers((replace(layer, w_ih=w_ih, w_hh=w_hh),))
    x = {"x": data(real).sequences[0]["x"][None]}
    difference = program(real, weights="ternary").run(x)["y"] - like.run(x)["y"]
    assert np.abs(difference).max() < 0.05


def test_a_note_says_how_far_off_they_are_unless_it_is_little():
    real = cell_model("gru", 6, 24)
    notes = integer(real, weights="ternary").numerics.notes
    assert [n.partition(" is off by ")[0] for n in notes] == [
        f"layer 'rnn': {name} with weights -m, 0 and m" for name in ("w_ih", "w_hh")
    ]
    (layer,) = real.layers
    w_ih, w_hh = (Tensor(nearest(m.data)) for m in (layer.w_ih, layer.w_hh))
    trained = real.with_layers((replace(layer, w_ih=w_ih, w_hh=w_hh),))
    assert not integer(trained, weights="ternary").numerics.notes


def test_zeros_and_layers_without_weights_are_taken():
    layer = cell("lstm", 6, 9, np.random.default_rng(0))
    mask = np.random.default_rng(1).random(layer.w_hh.shape) < 0.5
    empty = replace(layer, w_hh=Tensor(layer.w_hh.data * mask), w_ih=Tensor(0 * layer.w_ih.data))
    (made,) = integer(model((empty,), (("y", "rnn"),), 6), weights="ternary").layers
    assert np.all(made.w_hh.data[~mask] == 0)
    assert not np.any(made.w_ih.data)


def test_given_integers_are_refused():
    (layer,) = integer(cell_model("gru")).layers
    source = cell_model("gru").with_layers((layer,))
    with pytest.raises(Rnn2cError, match="came as int8 and is kept as it is; weights ternary"):
        integer(source, weights="ternary")


@pytest.mark.parametrize(
    ("target", "level", "packing"),
    [
        ("host", "balanced", "ternary"),
        ("rv32ec", "balanced", "ternary"),
        ("cortex-m4", "size", "ternary"),
        ("cortex-m4", "balanced", "pairs8"),
    ],
)
def test_kernels_of_8_bits_take_them_where_size_does_not_count(
    target: str, level: str, packing: str
):
    made = integer(cell_model("lstm", 8, 12), weights="ternary")
    (weight,) = lower_model(made, load_target(target), level=level).weights
    assert weight.packing == packing
