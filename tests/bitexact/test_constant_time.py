"""On cores with DSP a step takes the same number of instructions whatever the input is."""

from __future__ import annotations

import numpy as np
import pytest
from building import Build
from fixed import EXACT_OPTIONS, single

from rnn2c.validate.measure import measure


@pytest.mark.parametrize("options", ["int8", "fast"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "tanh"])
def test_a_step_takes_as_many_instructions_for_every_input(
    cell: str, options: str, build: Build
) -> None:
    """Data as they come, noise, extremes and swings over the whole type, one after the other."""
    made = build(single("one", cell, EXACT_OPTIONS[options], units=13), "cortex-m4")
    x = np.concatenate([s["x"] for s in made.sequences(8)])
    assert len(x) > 20
    assert measure(made.folder, made.program.interface(), made.target, {"x": x}).is_constant
