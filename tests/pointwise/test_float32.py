"""Every elementwise operator in float32 C: within the tolerance of the float Model, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import FEATURES, GROUPS, STEPS, data, network, title

from rnn2c.errors import UnsupportedError
from rnn2c.frontend import load
from rnn2c.pipeline import compile_float32, emit, verify
from rnn2c.target import load_target

NO_FLOAT_FORM = {"erf", "gelu", "softplus"}
TOLERANCE = 2e-5


@pytest.mark.parametrize("names", GROUPS, ids=title)
def test_float32_agrees_or_is_refused_by_name(names: tuple[str, ...], tmp_path: Path) -> None:
    model = load(network(*names), torch.randn(1, STEPS, FEATURES), cross_check=False)
    functions = {getattr(layer, "function", "") for layer in model.layers}
    if functions & NO_FLOAT_FORM:
        with pytest.raises(UnsupportedError, match="has no float32 form; use --precision int"):
            compile_float32(model, load_target("host"))
        return
    program = compile_float32(model, load_target("host")).program
    sequence = data(model).sequences[0]
    wanted, got = model.run(sequence), program.run(sequence)
    for name, array in wanted.items():
        scale = max(1.0, float(np.abs(array).max()))
        assert np.abs(array - got[name]).max() <= TOLERANCE * scale, name
    emit(program, tmp_path)
    assert verify(program, [sequence]).agrees
