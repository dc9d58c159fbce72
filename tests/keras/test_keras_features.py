"""Embedding and LayerNormalization of Keras files, against Keras itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras_models import FORMATS, compare, keras, layers, network, randomised, refusal, saved

from rnn2c.frontend import load

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


REFUSED = {
    "mask_zero": (lambda: words(mask_zero=True), "mask_zero='True' is not supported"),
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
