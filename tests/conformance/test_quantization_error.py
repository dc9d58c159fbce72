"""The bound on what rounding does counts every number that a cell stores."""

from __future__ import annotations

import pytest
import quantization_error
from attribute_matrix import case, variants
from conform import check

UNBOUNDED = "LSTM-bidirectional-LeakyRelu at 3"
"""Gates without a limit: c grows to 33, its steps with it, and both are fed back."""


@pytest.mark.parametrize("counted", [True, False])
def test_rounding_of_an_unbounded_cell_state_explains_the_error(counted, monkeypatch, tmp_path):
    whole = quantization_error.inner_rounding

    def without_c(model, layer, signal):
        return 0.0 if signal == "new_c" else whole(model, layer, signal)

    if not counted:
        monkeypatch.setattr(quantization_error, "inner_rounding", without_c)
    (variant,) = [v for v in variants() if str(v) == UNBOUNDED]
    (outcome,) = check([case(variant)], tmp_path)
    assert (outcome.failures == []) == counted
