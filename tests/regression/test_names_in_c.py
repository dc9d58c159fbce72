"""Inputs and outputs were called like something the emitted C itself declares."""

from __future__ import annotations

import pytest
from fixed import renamed, single

from rnn2c.pipeline import QuantizeOptions, RawScale
from rnn2c.validate.verify import verify

WORDS = "state save v_odd multiplier offset shift wrong memset int8_t size_t r_sum_j cell_h_new"


@pytest.mark.parametrize("word", WORDS.split())
@pytest.mark.parametrize("port", ["x", "logits"])
def test_a_port_may_be_called(port, word, build):
    options = QuantizeOptions(weights="int4")
    case = single("one", "gru", options, units=3, raw=RawScale((0.01,), (0.0,)))
    made = build(renamed(case, {port: word}))
    assert verify(made.program, made.folder, made.sequences(3)).bit_exact
