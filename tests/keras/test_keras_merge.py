"""Residuals and other merged branches, functions and scalings of Keras files, against Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import (
    FEATURES,
    FORMATS,
    STEPS,
    assert_same,
    compare,
    keras,
    layers,
    randomised,
    refusal,
    results_of,
    saved,
)

from rnn2c.calibration import SequenceSet
from rnn2c.frontend import load
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, verify
from rnn2c.target import load_target


def gru(x: Any, units: int = FEATURES) -> Any:
    return layers.GRU(units, return_sequences=True)(x)


def functional(make: Callable[[Any], Any]) -> Any:
    x = keras.Input((None, FEATURES), name="samples")
    return randomised(keras.Model(x, make(x)))


def residual(x: Any) -> Any:
    return layers.Dense(2)(layers.LSTM(4)(layers.Add()([gru(x), x])))


def under_a_mask(x: Any) -> Any:
    y = layers.Masking(0.5)(x)
    return layers.LSTM(2)(layers.Add()([gru(y), y]))


BRANCHES: dict[str, Callable[[Any], Any]] = {
    "residual": residual,
    "each": lambda x: layers.Concatenate()(
        [
            layers.Subtract()([gru(x), x]),
            layers.Multiply()([x, gru(x)]),
            layers.Average()([x, gru(x), gru(x)]),
            layers.Maximum()([x, gru(x)]),
            layers.Minimum()([x, gru(x)]),
            layers.Add()([x, gru(x), gru(x)]),
        ]
    ),
    "at the end": lambda x: layers.Concatenate(axis=1)([layers.LSTM(2)(x), layers.GRU(3)(x)]),
    "operators": lambda x: gru(gru(x) + x - gru(x) * x, 2),
    "normalized steps": lambda x: layers.TimeDistributed(layers.LayerNormalization())(gru(x)),
    "rectifiers": lambda x: [
        layers.ReLU(0.5)(gru(x)),
        layers.ReLU(0.3, 0.1)(gru(x)),
        layers.ReLU(None, 0, 0.1)(gru(x)),
        layers.ReLU(0.3, 0, 0.1)(gru(x)),
        layers.LeakyReLU(0.3)(gru(x)),
        layers.ELU(0.7)(gru(x)),
        layers.PReLU(shared_axes=[1])(gru(x)),
        layers.PReLU()(layers.GRU(3)(x)),
        layers.TimeDistributed(layers.ELU())(gru(x)),
    ],
    "scaled": lambda x: gru(
        layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 4.0, 2.0])(
            layers.Rescaling(0.5, -1.0)(x)
        )
    ),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", BRANCHES)
def test_every_layer(name: str, kind: str, tmp_path: Path) -> None:
    model = functional(BRANCHES[name])
    assert_same(saved(model, tmp_path, kind), model)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_sum_keeps_the_mask_of_both(kind: str, tmp_path: Path) -> None:
    model = functional(under_a_mask)
    imported = load(saved(model, tmp_path, kind))
    x = np.random.default_rng(0).normal(size=(1, STEPS, FEATURES)).astype(np.float32)
    x[0, [1, 4, STEPS - 1]] = 0.5
    compare(imported, [x], results_of(model, [x], [o.name for o in imported.outputs]))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_normalization_adapted_to_data(kind: str, tmp_path: Path) -> None:
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(2, 3, (5, 6, FEATURES)).astype(np.float32))
    model = keras.Sequential([keras.Input((None, FEATURES), name="samples"), norm, layers.GRU(3)])
    assert_same(saved(model, tmp_path, kind), model)


@pytest.mark.parametrize("profile", ["accurate", "float32"])
def test_a_residual_in_c(profile: str, tmp_path: Path) -> None:
    imported = load(saved(functional(residual), tmp_path, "keras"))
    random, target = np.random.default_rng(0), load_target("host")
    data = SequenceSet(tuple({"samples": random.normal(size=(8, FEATURES))} for _ in range(3)))
    if profile == "float32":
        program = compile_float32(imported, target).program
    else:
        program = compile_model(imported, data, target, QuantizeOptions()).program
    assert verify(program, data.sequences[:1], stress_steps=8).agrees


def over_time(x: Any) -> Any:
    return layers.Concatenate(axis=1, name="join")([gru(x), x])


def two_masks(x: Any) -> Any:
    first, second = layers.Masking(0.0)(x), layers.Masking(1.0)(x)
    return layers.GRU(2)(layers.Add(name="both")([first, second]))


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "over time": (over_time, "layer 'join' (Concatenate): axis='1' is not supported; use axis=-1"),
    "two masks": (two_masks, "reads data with different masks; use one mask"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    make, text = REFUSED[name]
    assert text in refusal(saved(functional(make), tmp_path, "keras"))
