"""sum_width int16: every sum of a recurrent layer is proven to fit 16 bits."""

from __future__ import annotations

import numpy as np
import pytest
from core_models import CELLS, cell_model, integer
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn2c.errors import Rnn2cError
from rnn2c.ir.ops import flat
from rnn2c.ir.program import Dot, Program, Stage
from rnn2c.lower import lower
from rnn2c.proof import verify_ranges
from rnn2c.target import load_target

AVR = load_target("atmega328p")
NARROW = {"sum_width": "int16"}
OPTIONS = (
    {"profile": "compact"},
    {"profile": "compact", "weights": "int4"},
    {"profile": "accurate"},
    {"profile": "fast"},
    {"accumulate": "split"},
)


def widths(p: Program) -> set[str]:
    stages = [op for op in flat(p.step) if isinstance(op, Stage)]
    return {i.width for s in stages for i in s.body if isinstance(i, Dot)}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@settings(max_examples=25)
@given(kind=st.sampled_from(CELLS), units=st.integers(1, 40), inputs=st.integers(1, 20),
       gain=st.sampled_from((0.3, 1.0, 10.0)), seed=st.integers(0, 9))  # fmt: skip
def test_every_sum_has_16_bits(
    options: dict[str, str], kind: str, units: int, inputs: int, gain: float, seed: int
):
    real = cell_model(kind, units=units, inputs=inputs, gain=gain, seed=seed)
    made = lower(integer(real, **NARROW, **options), AVR)
    assert widths(made) == {"i16"}
    verify_ranges(made)


@pytest.mark.parametrize("kind", CELLS)
def test_weights_are_no_coarser_than_they_have_to_be(kind: str):
    """A row more than half as fine, of each gate of compact a step, would be beyond 16 bits."""
    made = integer(cell_model(kind, units=24), **NARROW, accumulate="split").layers[0]
    reach = 128 * np.abs(made.w_hh.data).sum(axis=1)
    assert np.all(reach <= 32767)
    assert np.median(reach) > 16384


def test_weights_that_fit_anyway_stay_as_they_are():
    real = cell_model("gru", units=2, inputs=1)
    options = {"profile": "compact"}
    wide, narrow = (integer(real, **options, **more).layers[0] for more in ({}, NARROW))
    assert np.array_equal(wide.w_hh.data, narrow.w_hh.data)


def test_a_note_names_matrices_that_are_left_with_few_values():
    real = cell_model("lstm", units=30, gain=8.0)
    numerics = integer(real, **NARROW, profile="compact").numerics
    assert numerics is not None
    assert any("sums of 16 bits leave w_hh the values -" in note for note in numerics.notes)


def test_it_is_refused_where_there_is_no_room():
    with pytest.raises(Rnn2cError, match="no room for activations int16"):
        integer(cell_model("lstm"), **NARROW, activations="int16")
