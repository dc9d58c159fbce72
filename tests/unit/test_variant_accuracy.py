"""Integer cells of every form stay close to the float ones over their calibration data."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cell_variants import VARIANTS, variant_model
from core_models import cell_model, changed, data, program

from rnn2c.ir.graph import Input, Tensor
from rnn2c.pipeline import compile_float32
from rnn2c.target import load_target

LIMITS = {
    "int8": ({}, 0.05),
    "int16": ({"activations": "int16"}, 0.035),
    "fast": ({"profile": "fast"}, 0.05),
    "compact": ({"profile": "compact"}, 0.05),
}
JUMPS = 0.15
"""A step function turns a small error in front of its threshold into one of the whole step."""


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_stays_close(name: str) -> None:
    """The largest difference as a share of the output's largest magnitude."""
    for seed, units in enumerate((4, 16, 32)):
        model = variant_model(name, inputs=2 + seed, units=units, seed=seed, gain=0.6)
        x = np.stack([s["x"] for s in data(model).sequences])
        wanted = model.run({"x": x})
        single = compile_float32(model, load_target("host")).program.run({"x": x})
        for output, values in wanted.items():
            scale = np.abs(values).max()
            assert np.abs(single[output] - values).max() <= 1e-5 * max(scale, 1.0)
        for options, limit in LIMITS.values():
            got = program(model, **options).run({"x": x})
            allowed = JUMPS if "thresholded" in name else limit
            for output, values in wanted.items():
                assert np.abs(got[output] - values).max() <= allowed * np.abs(values).max()


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before", "rnn"])
def test_an_initial_state_beyond_one_is_held(kind: str) -> None:
    """Given by the caller: the first steps of a tanh cell with a full recurrent matrix show it."""
    model = cell_model(kind, units=8, gain=0.6)
    layer = changed(model.layers[0], inputs=("x", "h0"))
    made = dataclasses.replace(
        model.with_layers((layer,)), inputs=(*model.inputs, Input("h0", 8, "sequence"))
    )
    calibration = data(made)
    far = max(float(np.abs(s["h0"]).max()) for s in calibration.sequences)
    assert far > 1.5
    made_program = program(made)
    assert not [n for n in made_program.notes if "initial state" in n]
    for inputs in calibration.sequences:
        wanted, got = made.run(inputs)["y"], made_program.run(inputs)["y"]
        assert np.abs(got - wanted).max() <= 0.05


@pytest.mark.parametrize("name", ["gru relu", "gru relu before"])
def test_a_candidate_far_beyond_the_state_does_not_saturate_alone(name: str) -> None:
    """z is close to 1, so h' = n + z h - z n is small where n is large."""
    model = variant_model(name, units=8, gain=0.6)
    layer = model.layers[0]
    w_ih, b_ih = layer.w_ih.real().copy(), layer.b_ih.copy()
    b_ih[8:16] += 4.0
    w_ih[16:] *= 20.0
    made = model.with_layers((changed(layer, w_ih=Tensor(w_ih), b_ih=b_ih),))
    x = np.stack([s["x"] for s in data(made).sequences])
    wanted, got = made.run({"x": x})["y"], program(made).run({"x": x})["y"]
    assert np.abs(got - wanted).max() <= 0.05 * np.abs(wanted).max()
