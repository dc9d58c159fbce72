"""Keras layers that run backwards, in both directions, and over masked steps equal Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import (
    FEATURES,
    FORMATS,
    STEPS,
    UNITS,
    compare,
    keras,
    layers,
    network,
    randomised,
    refusal,
    results_of,
    saved,
)

from rnn2c.frontend import load
from rnn2c.ir import graph, window
from rnn2c.ir.graph import Model
from rnn2c.ir.window import whole_sequence
from rnn2c.pipeline import prepare

MASKED = (0, 3, 4, STEPS - 1)


def same(model: Any, folder: Path, kind: str, value: float | None = None) -> Model:
    """The import computes what Keras computes; `value` stands at the masked steps."""
    imported = load(saved(model, folder, kind))
    feeds = [np.random.default_rng(5).normal(size=(1, STEPS, FEATURES)).astype(np.float32)]
    if value is not None:
        feeds[0][0, list(MASKED)] = value
        feeds[0][0, 2, 1] = value  # one feature alone masks nothing
    names = [o.name for o in imported.outputs]
    compare(imported, feeds, results_of(model, feeds, names))
    return imported


CELLS = {
    "lstm": layers.LSTM,
    "gru": layers.GRU,
    "rnn": layers.SimpleRNN,
}


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("kind", FORMATS)
def test_both_directions_merged(kind: str, merge: str, every: bool, tmp_path: Path) -> None:
    cell = {"concat": "lstm", "sum": "gru"}.get(merge, "rnn")
    inside = CELLS[cell](UNITS, return_sequences=every)
    stack = [layers.Bidirectional(inside, merge_mode=merge), layers.Dense(2)]
    same(network(stack), tmp_path, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_both_directions_with_states_and_a_layer_of_their_own(kind: str, tmp_path: Path) -> None:
    x = keras.Input((None, FEATURES), name="samples")
    back = layers.LSTM(
        UNITS, go_backwards=True, return_sequences=True, return_state=True, activation="relu"
    )
    ahead = layers.LSTM(UNITS, return_sequences=True, return_state=True)
    both = layers.Bidirectional(ahead, backward_layer=back, name="both")(x)
    imported = same(randomised(keras.Model(x, both)), tmp_path, kind)
    cells = [p for p in imported.layers if isinstance(p, graph.Recurrent)]
    assert [p.direction for p in cells] == ["forward", "reverse"]
    assert [p.activations[2].function for p in cells] == ["tanh", "relu"]


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_go_backwards_shows_its_steps_in_the_order_in_which_it_ran(
    cell: str, every: bool, tmp_path: Path
) -> None:
    stack = [
        CELLS[cell](UNITS, go_backwards=True, return_sequences=every, return_state=False),
        layers.Dense(2),
    ]
    imported = same(network(stack), tmp_path, "keras")
    assert imported.rates()[imported.outputs[0].value] == ("window" if every else "sequence")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("cell", CELLS)
def test_masked_steps_hold_the_state(cell: str, kind: str, tmp_path: Path) -> None:
    stack = [
        layers.Masking(-1.0),
        layers.Dense(5, activation="tanh"),
        CELLS[cell](UNITS, return_sequences=True),
        layers.Dropout(0.1),
        CELLS[cell](UNITS, return_sequences=True, **ZEROED.get(cell, {})),
        layers.Dense(2),
    ]
    imported = same(network(stack), tmp_path, kind, -1.0)
    assert "window" not in imported.rates().values()


ZEROED = {"gru": {"zero_output_for_mask": True}}


@pytest.mark.parametrize("functional", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_masked_steps_of_both_directions(kind: str, functional: bool, tmp_path: Path) -> None:
    stack = [
        layers.Masking(0.5),
        layers.Bidirectional(layers.GRU(UNITS, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(UNITS), merge_mode="sum"),
        layers.Dense(3, activation="softmax"),
    ]
    if functional:
        x = y = keras.Input((None, FEATURES), name="samples")
        for layer in stack:
            y = layer(y)
        model = randomised(keras.Model(x, y))
    else:
        model = network(stack)
    imported = prepare(same(model, tmp_path, kind, 0.5))
    assert len([p for p in imported.layers if isinstance(p, window.ValueMask)]) == 1


REFUSED: dict[str, tuple[list[Any], str]] = {
    "mask lost": (
        [layers.Masking(0.0), layers.Softmax(name="soft"), layers.GRU(2)],
        "layer 'soft' (Softmax): masked steps reach it; only recurrent layers and Activation,",
    ),
    "wrapped layer": (
        [layers.Bidirectional(layers.RNN(layers.LSTMCell(2)), name="both")],
        "layer 'both' (Bidirectional): wraps 'RNN'; it may wrap GRU, LSTM, SimpleRNN",
    ),
    "backwards and masked": (
        [layers.Masking(0.0), layers.GRU(2, go_backwards=True, return_sequences=True, name="g")],
        "layer 'g' (GRU): go_backwards over masked steps; use Bidirectional",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    stack, text = REFUSED[case]
    assert text in refusal(saved(network(stack), tmp_path, "keras"))


def test_the_layers_of_a_sleep_stage_network(tmp_path: Path) -> None:
    """A mask, a front and two layers in both directions, as sleepecg ships them."""
    stack = [
        layers.Masking(-1),
        layers.BatchNormalization(),
        layers.Dense(6),
        layers.ReLU(),
        layers.Bidirectional(layers.GRU(UNITS, return_sequences=True)),
        layers.Bidirectional(layers.GRU(UNITS, return_sequences=True)),
        layers.Dense(4, activation="softmax"),
    ]
    imported = same(network(stack), tmp_path, "keras", -1.0)
    assert len(whole_sequence(imported)) == 2
