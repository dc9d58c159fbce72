"""Weights int4-overlapped: how far rounding is off, what stays plain, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_models import CELLS, cell, cell_model, integer, model, program
from hypothesis import given
from hypothesis import strategies as st

from rnn2c.errors import Rnn2cError
from rnn2c.ir.graph import Tensor
from rnn2c.packing.overlapped4 import FRACTION, pack, unpack
from rnn2c.pipeline import lower_model
from rnn2c.quantization.overlapped import TOP, rounded
from rnn2c.target import load_target

OVERLAPPED = {"weights": "int4-overlapped"}


@given(rows=st.integers(1, 5), columns=st.integers(1, 20), seed=st.integers(0, 99))
def test_a_weight_is_off_by_half_a_step_of_its_four_bits_at_most(
    rows: int, columns: int, seed: int
):
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.01, 3.0, rows)
    real = rng.uniform(-TOP, TOP, (rows, columns)) * scale[:, None]
    tensor = rounded(real, scale)
    assert np.all(np.abs(tensor.real() - real) <= scale[:, None] * (0.5 + 1e-9))
    (back,) = unpack(pack((tensor.data[None],)), ((1, rows, columns),))
    assert np.array_equal(back[0], tensor.data)


def test_the_four_bits_of_the_first_columns_have_no_fraction_of_others():
    """One column has the upper bits of a word's lower half, and nothing below."""
    tensor = rounded(np.array([[3.2], [-7.5], [7.5]]), np.ones(3))
    assert tensor.data.ravel().tolist() == [3 << FRACTION, -8 << FRACTION, 7 << FRACTION]


@pytest.mark.parametrize("kind", CELLS)
def test_the_error_is_smaller_than_that_of_plain_int4(kind: str):
    real = cell_model(kind, units=24, inputs=9)
    squares = {}
    for weights in ("int4", "int4-overlapped"):
        made = integer(real, weights=weights, accumulate="split").layers[0]
        error = made.w_hh.real() - real.layers[0].w_hh.data
        squares[weights] = float(np.mean(error**2))
    assert squares["int4-overlapped"] < squares["int4"]


def pruned() -> object:
    made = cell("lstm", 6, 9, np.random.default_rng(0))
    kept = np.random.default_rng(1).random(made.w_hh.shape) < 0.5
    return model((replace(made, w_hh=Tensor(made.w_hh.data * kept)),), (("y", "rnn"),), 6)


def test_a_pruned_matrix_keeps_its_zeros_and_a_note_says_so():
    made = integer(pruned(), **OVERLAPPED)
    (layer,) = made.layers
    assert layer.w_hh.bits == 4
    assert np.all(layer.w_hh.data[pruned().layers[0].w_hh.data == 0] == 0)
    assert made.numerics is not None
    (note,) = made.numerics.notes
    assert note == "layer 'rnn' is pruned: its weights are plain int4, so that zeros stay 0"


def test_a_core_without_a_kernel_for_them_is_said_to_be_slower():
    real = cell_model("lstm")
    notes = {
        core: lower_model(integer(real, **OVERLAPPED), load_target(core)).notes
        for core in ("cortex-m4", "cortex-m3")
    }
    assert notes == {
        "cortex-m4": (),
        "cortex-m3": (
            "rnn_weights overlap, which cortex-m3 has no kernel for: plain int4 is faster there",
        ),
    }


@pytest.mark.parametrize("more", [{"profile": "compact"}, {"activations": "int16"}], ids=str)
def test_sums_that_need_more_or_have_less_than_32_bits_are_refused(more: dict[str, str]):
    with pytest.raises(Rnn2cError, match="need sums of 32 bits"):
        integer(cell_model("lstm"), **OVERLAPPED, **more)


@pytest.mark.parametrize("kind", CELLS)
def test_matrices_of_cells_overlap_and_a_large_bias_keeps_its_value(kind: str):
    real = cell_model(kind)
    layer = replace(real.layers[0], b_ih=real.layers[0].b_ih + 50.0)
    made = program(replace(real, layers=(layer,)), load_target("cortex-m4"), **OVERLAPPED)
    assert {w.packing for w in made.weights} == {"overlapped4"}
    x = {"x": np.random.default_rng(2).normal(size=(4, 12, real.inputs[0].size))}
    want = replace(real, layers=(layer,)).run(x)["y"]
    assert np.abs(made.run(x)["y"] - want).max() < (0.05 if kind != "rnn_relu" else np.inf)
