"""Embedding and LayerNormalization of Keras files, against Keras itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from keras_models import FORMATS, compare, keras, layers, network, randomised, refusal, saved

from rnn2c.calibration import SequenceSet
from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import window
from rnn2c.ir.check import check_model
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, verify
from rnn2c.target import load_target

TOKENS, STEPS = 11, 7


def words(**settings: object) -> keras.Model:
    """Tokens to their rows to a GRU, normalized on the way."""
    stack = [
        keras.Input((None,), name="samples", dtype="int32"),
        layers.Embedding(TOKENS, 4, name="rows", **settings),
        layers.LayerNormalization(name="norm"),
        layers.GRU(5, return_sequences=True),
        layers.LayerNormalization(epsilon=0.1, scale=False, name="last"),
    ]
    return randomised(keras.Sequential(stack))


@pytest.mark.parametrize("kind", FORMATS)
def test_tokens_and_normalization(kind: str, tmp_path: Path) -> None:
    model = words()
    imported = load(saved(model, tmp_path, kind))
    assert imported.inputs[0].tokens == TOKENS
    tokens = np.random.default_rng(0).integers(0, TOKENS, (1, STEPS))
    expected = keras.ops.convert_to_numpy(model(tokens, training=False))
    compare(imported, [tokens], [expected])


def masked(functional: bool, both: bool) -> keras.Model:
    """Padding tokens are masked for the layers behind, in one direction or in both."""
    cell = layers.GRU(4, return_sequences=True)
    stack = [
        layers.Embedding(TOKENS, 4, mask_zero=True, name="rows"),
        layers.LayerNormalization(),
        layers.Bidirectional(cell) if both else cell,
        layers.LSTM(3),
        layers.Dense(2),
    ]
    x = y = keras.Input((None,), name="samples", dtype="int32")
    if not functional:
        return randomised(keras.Sequential([x, *stack]))
    for layer in stack:
        y = layer(y)
    return randomised(keras.Model(x, y))


def with_padding(count: int = 4) -> list[np.ndarray]:
    """Tokens [1, STEPS], a third of them 0."""
    random = np.random.default_rng(1)
    return [random.integers(1, TOKENS, (1, STEPS)) * random.choice([0, 1, 1], (1, STEPS))
            for _ in range(count)]  # fmt: skip


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("functional", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_mask_of_tokens(kind: str, functional: bool, both: bool, tmp_path: Path) -> None:
    model = masked(functional, both)
    imported = load(saved(model, tmp_path, kind))
    for tokens in with_padding():
        expected = keras.ops.convert_to_numpy(model(tokens, training=False))
        compare(imported, [tokens], [expected])


@pytest.mark.parametrize(
    ("profile", "target", "both"),
    [
        ("accurate", "host", True),
        ("compact", "atmega2560", False),
        ("float32", "host", True),
        ("float32", "cortex-m4", False),
    ],
)
def test_a_mask_of_tokens_in_c(profile: str, target: str, both: bool, tmp_path: Path) -> None:
    imported = load(saved(masked(False, both), tmp_path, "keras"))
    data = SequenceSet(tuple({"samples": t[0][:, None] * 1.0} for t in with_padding()))
    chosen, most = load_target(target), STEPS if both else None
    if profile == "float32":
        program = compile_float32(imported, chosen, max_steps=most).program
    else:
        options = QuantizeOptions(profile=profile)
        program = compile_model(imported, data, chosen, options, max_steps=most).program
    for inputs in data.sequences:
        (found,), (expected,) = program.run(inputs).values(), imported.run(inputs).values()
        assert np.abs(found - expected).max() < (1e-6 if program.is_float else 0.01)
    assert verify(program, data.sequences[:2], stress_steps=STEPS).agrees


def test_a_masked_token_is_one_of_the_tokens(tmp_path: Path) -> None:
    imported = load(saved(masked(False, False), tmp_path, "keras"))
    layers_ = tuple(
        replace(p, value=float(TOKENS)) if isinstance(p, window.ValueMask) else p
        for p in imported.layers
    )
    with pytest.raises(Rnn2cError, match="masks token 11; tokens are integers from 0 to 10"):
        check_model(imported.with_layers(layers_))


REFUSED = {
    "axis": (
        lambda: network([layers.LayerNormalization(axis=1, name="norm"), layers.GRU(2)], (7, 3)),
        "axis=1 is not supported; use axis=-1, the features",
    ),
    "tokens of two dimensions": (
        lambda: randomised(
            keras.Sequential([keras.Input((None, 2), name="x"), layers.Embedding(5, 3)])
        ),
        "tokens [batch, time]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    make, text = REFUSED[case]
    assert text in refusal(saved(make(), tmp_path, "keras"))
