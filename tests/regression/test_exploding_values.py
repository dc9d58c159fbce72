"""A value beyond float32 became a scale of `inf` in the header."""

from __future__ import annotations

import pytest
from fixed import single

from rnn2c.errors import Rnn2cError
from rnn2c.pipeline import QuantizeOptions


@pytest.mark.parametrize("factor", [1e40, 1e200])
def test_an_unbounded_state_is_refused(factor, build):
    case = single("hot", "relu", QuantizeOptions(), units=3)
    case.model.layers[0].w_hh.data[:] = factor
    with pytest.raises(Rnn2cError, match="beyond 1e\\+30; check weights and data"):
        build(case)
