"""The activations of Keras' cells, against Keras; hard_sigmoid is another one in each version."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest
from keras_models import (
    FEATURES,
    FORMATS,
    UNITS,
    assert_same,
    keras,
    layers,
    network,
    randomised,
    refusal,
    rewritten,
    saved,
)

from rnn2c.frontend import load
from rnn2c.frontend.cell_functions import KERAS_FUNCTIONS
from rnn2c.ir.graph import CellFunction

NAMES = [n for n in KERAS_FUNCTIONS if n != "swish"]


@pytest.mark.parametrize("name", NAMES)
def test_every_function_in_every_role(name: str, tmp_path) -> None:
    stack = [
        layers.LSTM(UNITS, activation=name, return_sequences=True, use_bias=False),
        layers.GRU(UNITS, recurrent_activation=name, return_sequences=True),
        layers.GRU(
            UNITS, activation=name, reset_after=False, return_sequences=True, use_bias=False
        ),
        layers.LSTM(
            UNITS, recurrent_activation=name, unit_forget_bias=False, return_sequences=True
        ),
    ]
    stack.append(layers.SimpleRNN(UNITS, activation=name, use_bias=False))
    x = keras.Input((None, FEATURES), name="samples")
    model = randomised(keras.Model(x, [layer(x) for layer in stack]))
    for weight in model.weights:  # a state without bounds must not grow
        weight.assign(0.4 * weight.value)
    assert_same(saved(model, tmp_path, FORMATS[len(name) % 2]), model)


def hard() -> object:
    return network([layers.GRU(UNITS, recurrent_activation="hard_sigmoid")])


def gates(path) -> CellFunction:
    return load(path).layers[0].activations[0]


def test_hard_sigmoid_is_that_of_the_version_that_wrote_the_file(tmp_path) -> None:
    path = saved(hard(), tmp_path, "keras")
    assert gates(path) == CellFunction("hard_sigmoid", 1 / 6, 0.5)
    old = rewritten(path, {"metadata.json": json.dumps({"keras_version": "2.15.0"}).encode()})
    assert gates(old) == CellFunction("hard_sigmoid", 0.2, 0.5)
    x = np.random.default_rng(0).standard_normal((5, FEATURES))
    assert np.all(np.isfinite(load(old).run({"samples": x})[load(old).outputs[0].name]))


def test_hard_sigmoid_of_an_h5_file(tmp_path) -> None:
    path = saved(hard(), tmp_path, "h5")
    assert gates(path).alpha == 1 / 6
    shutil.copy(path, tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        file.attrs["keras_version"] = "2.4.0"
    assert gates(tmp_path / "old.h5").alpha == 0.2


@pytest.mark.parametrize("metadata", [b"{}", b"[]", b'{"keras_version": "1.2"}'])
def test_without_a_known_version_it_is_refused(metadata: bytes, tmp_path) -> None:
    path = rewritten(saved(hard(), tmp_path, "keras"), {"metadata.json": metadata})
    assert "the file does not say which one wrote it" in refusal(path)


def test_damaged_metadata(tmp_path) -> None:
    path = rewritten(saved(hard(), tmp_path, "keras"), {"metadata.json": b"{"})
    assert "damaged" in refusal(path)
    path = rewritten(path, {"metadata.json": b" " * 20_000})
    assert "'metadata.json' unpacks to 20000 bytes; at most 10000" in refusal(path)
