"""Channels with scales of their own: the same network, no coarse channel, no layer more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_models import CELLS, cell, linear, model

from rnn2c.calibration import SequenceSet
from rnn2c.execute import run
from rnn2c.ir import graph, window
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Affine, Layer, Model
from rnn2c.lower import lower
from rnn2c.passes import spread_channels
from rnn2c.pipeline import QuantizeOptions, quantize
from rnn2c.target import load_target

RNG = np.random.default_rng(3)
SIZES = np.array([3e4, 1.0, 0.02])
MEANS = np.array([1e4, 0.0, 0.01])
NONE = -1.0


def normalized(masked: bool = False) -> Model:
    """A GRU behind the normalization of its input and, if masked, behind a mask."""
    layers: list[Layer] = []
    if masked:
        layers.append(window.ValueMask(name="mask", inputs=("x",), value=NONE))
        layers.append(window.Masked(name="kept", inputs=("x", "mask")))
    source = "kept" if masked else "x"
    layers.append(Affine(name="norm", inputs=(source,), scale=1 / SIZES, offset=-MEANS / SIZES))
    gru = cell("gru", 3, 4, RNG, source="norm")
    layers.append(replace(gru, inputs=("norm", "", "mask")) if masked else gru)
    return model((*layers, linear("fc", "rnn", 4, 2, RNG)), (("y", "fc"),), 3)


def weighted(layer: Layer) -> Model:
    """A layer that reads x itself."""
    return model((layer,), (("y", layer.name),), 3)


MODELS = {
    **{kind: weighted(cell(kind, 3, 4, RNG, gain=0.1)) for kind in CELLS},
    "linear": weighted(linear("fc", "x", 3, 4, RNG)),
    "normalized": normalized(),
    "masked": normalized(masked=True),
}


def sequences(masked: bool = False) -> list[dict[str, np.ndarray]]:
    x = RNG.normal(size=(4, 12, 3)) * SIZES + MEANS
    if masked:
        x[:, 5] = NONE
    return [{"x": one} for one in x]


@pytest.mark.parametrize("name", MODELS)
def test_the_network_stays_the_same(name: str):
    before = MODELS[name]
    after = spread_channels(before, {"x": (SIZES + MEANS, SIZES + MEANS)})
    check_model(after)
    assert after.inputs[0].channels == (1.0, 2.0**-15, 2.0**-20)
    assert [type(p) for p in after.layers] == [type(p) for p in before.layers]
    for sequence in sequences(name == "masked"):
        np.testing.assert_allclose(after.run(sequence)["y"], before.run(sequence)["y"], 1e-12)


def test_a_channel_of_zeros_keeps_its_scale():
    after = spread_channels(MODELS["linear"], {"x": 2 * (np.array([0.0, 4.0, 1.0]),)})
    assert after.inputs[0].channels == (1.0, 1.0, 0.25)


@pytest.mark.parametrize("masked", [False, True])
def test_an_input_that_is_needed_as_it_is_stays_as_it_is(masked: bool):
    before = normalized(masked)
    shown = replace(before, outputs=(*before.outputs, graph.Output("x_too", "x")))
    assert spread_channels(shown, {"x": (SIZES, SIZES)}) is shown
    value = "kept" if masked else "x"
    tanh = graph.Activation(name="tanh", inputs=(value,), function="tanh")
    read = replace(before, layers=(*before.layers, tanh))
    assert spread_channels(read, {"x": (SIZES, SIZES)}) is read


@pytest.mark.parametrize("name", ["normalized", "masked"])
@pytest.mark.parametrize("options", [{}, {"activations": "int16"}, {"profile": "compact"}])
def test_small_channels_count_in_the_integer_program(name: str, options: dict[str, str]):
    before, data = MODELS[name], sequences(name == "masked")
    quantized = quantize(before, SequenceSet(tuple(data)), QuantizeOptions(**options))
    assert quantized.numerics is not None
    (note,) = quantized.numerics.notes
    assert note.startswith("input 'x': one scale would be too coarse, each channel has its own")
    program = lower(quantized, load_target("host"))
    for sequence in data:
        error = np.abs(run(program, sequence)["y"] - before.run(sequence)["y"]).max()
        assert error < 0.05
        # One scale for all channels loses what the small ones say.
        deaf = {"x": np.round(sequence["x"])}
        assert np.abs(before.run(deaf)["y"] - before.run(sequence)["y"]).max() > 0.05


def test_channels_alike_share_a_scale():
    data = SequenceSet(tuple({"x": RNG.normal(size=(12, 3))} for _ in range(3)))
    assert quantize(MODELS["gru"], data, QuantizeOptions()).inputs[0].channels == ()
