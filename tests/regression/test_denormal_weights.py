"""The balanced scale of a layer with denormal weights overflowed with a warning of numpy's."""

from __future__ import annotations

import pytest
from fixed import single

from rnn2c.pipeline import QuantizeOptions
from rnn2c.validate.verify import verify


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activations", ["int8", "int16"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_denormal_input_weights(cell, activations, build):
    case = single("tiny", cell, QuantizeOptions(activations=activations), units=3)
    case.model.layers[0].w_ih.data[:] *= 1e-310
    made = build(case)
    assert verify(made.program, made.folder, made.sequences()).bit_exact
