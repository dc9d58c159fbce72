"""What Keras can say and rnn2c cannot compile is refused in one line that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from keras_models import (
    FEATURES,
    UNITS,
    Case,
    keras,
    layers,
    network,
    randomised,
    refusal,
    saved,
    sequential,
)

from rnn2c.errors import MissingToolError
from rnn2c.frontend import keras_file, load

LSTM, GRU, RNN = layers.LSTM, layers.GRU, layers.SimpleRNN


STACKS: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "cell activation": (
        lambda: [LSTM(2, activation="mish", name="cell")],
        "layer 'cell' (LSTM): activation 'mish' is not supported; use linear or relu or",
    ),
    "recurrent activation": (
        lambda: [GRU(2, recurrent_activation="exponential", name="cell")],
        "recurrent_activation 'exponential' is not supported; use linear or relu or",
    ),
    "dense activation": (
        lambda: [RNN(2), layers.Dense(2, activation="gelu", name="head")],
        "layer 'head' (Dense): activation 'gelu' is not supported; use linear or relu",
    ),
    "activation": (
        lambda: [RNN(2), layers.Activation("swish", name="act")],
        "layer 'act' (Activation): activation 'silu' is not supported",
    ),
    "two rectifiers": (
        lambda: [RNN(2), layers.ReLU(negative_slope=0.1, threshold=0.2, name="both")],
        "layer 'both' (ReLU): negative_slope and threshold together; use one of them",
    ),
    "normalisation inverted": (
        lambda: [layers.Normalization(mean=0.0, variance=1.0, invert=True, name="back"), RNN(2)],
        "layer 'back' (Normalization): invert='True' is not supported; use a Rescaling",
    ),
    "softmax over time": (
        lambda: [RNN(2, return_sequences=True), layers.Softmax(axis=1, name="soft")],
        "layer 'soft' (Softmax): works on axis 1",
    ),
    "other layers": (
        lambda: [layers.GaussianNoise(1.0, name="noise"), LSTM(2), layers.Flatten(name="flat")],
        "layer 'noise' (GaussianNoise), layer 'flat' (Flatten): not supported; supported are "
        "LSTM, GRU, SimpleRNN, Bidirectional, ",
    ),
    "several at once": (
        lambda: [layers.Lambda(abs, name="own"), layers.GaussianNoise(0.1, name="noise"), LSTM(2)],
        "layer 'own' (Lambda): holds Python code, which is never run; use standard layers; layer"
        " 'noise' (GaussianNoise): not supported; supported are",
    ),
    "wrapped cell": (
        lambda: [layers.RNN(layers.LSTMCell(2), name="wrapped")],
        "layer 'wrapped' (RNN): not supported",
    ),
    "time distributed": (
        lambda: [
            RNN(2, return_sequences=True),
            layers.TimeDistributed(layers.UnitNormalization(), name="each"),
        ],
        "layer 'each' (TimeDistributed): wraps 'UnitNormalization'; it may wrap Dense",
    ),
    "normalisation over time": (
        lambda: [RNN(2, return_sequences=True), layers.BatchNormalization(axis=1, name="norm")],
        "layer 'norm' (BatchNormalization): axis='1' is not supported; use axis=-1",
    ),
    "half precision": (
        lambda: [LSTM(2, dtype="mixed_float16", name="half")],
        "layer 'half' (LSTM): dtype 'mixed_float16' is not supported; train in float32",
    ),
    "lambda": (
        lambda: [LSTM(2), layers.Lambda(lambda x: x * 2, name="code")],
        "layer 'code' (Lambda): holds Python code, which is never run",
    ),
}


@pytest.mark.parametrize("kind", ["keras", "h5"])
@pytest.mark.parametrize("case", STACKS)
def test_layers(case, kind, tmp_path):
    make, expected = STACKS[case]
    steps = 5 if "over time" in case else None
    assert expected in refusal(saved(network(make(), (steps, FEATURES)), tmp_path, kind))


class Mine(layers.Dense):
    """A class that only its author has."""


def graph_of(kind: str) -> Any:
    """Functional models that are refused."""
    x = keras.Input((None, FEATURES), name="samples")
    match kind:
        case "computed state":
            y = LSTM(UNITS)(x, initial_state=[layers.Dense(UNITS)(RNN(2)(x))] * 2)
        case "training":
            y = RNN(2)(layers.Dropout(0.5, name="always")(x, training=True))
        case "mask":
            mask = keras.Input((None,), dtype="bool", name="mask")
            return keras.Model([x, mask], LSTM(2, name="masked")(x, mask=mask))
        case "two operands":
            y = layers.Dot(1, name="join")([RNN(2)(x), RNN(2)(x)])
        case "nested":
            y = keras.Sequential([RNN(2)], name="inside")(x)
        case "batch":
            x = keras.Input((None, FEATURES), batch_size=4, name="samples")
            y = RNN(2, name="four")(x)
        case "image":
            x = keras.Input((None, 4, FEATURES), name="samples")
            y = layers.Dense(2)(x)
        case "own class":
            y = Mine(2, name="mine")(RNN(2)(x))
    return keras.Model(x, y)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("computed state", "the initial state is computed by layer"),
        (
            "training",
            "layer 'always' (Dropout): is called with training='True'; leave training out",
        ),
        ("mask", "layer 'mask' (InputLayer): dtype 'bool' is not supported"),
        ("two operands", "layer 'join' (Dot): not supported"),
        ("nested", "layer 'inside' (Sequential): not supported"),
        ("batch", "layer 'four' (SimpleRNN): batch size 4; give batch 1"),
        ("image", "layer 'samples' (InputLayer): shape '[None, None, 4, 3]'; inputs are"),
        ("own class", "layer 'mine' (Mine): is a class of your own"),
    ],
)
def test_graphs(kind, expected, tmp_path):
    assert expected in refusal(saved(graph_of(kind), tmp_path, "keras"))


def test_subclassed_model(tmp_path):
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.cell = RNN(2)

        def call(self, x):
            return self.cell(x)

    net = Net()
    net.build((None, None, FEATURES))
    text = refusal(saved(net, tmp_path, "keras"))
    assert "the model is a 'Net'; only Sequential and Functional models are read" in text


def test_without_h5py(tmp_path, monkeypatch):
    path = saved(sequential(Case("gru", 1, False, "none")), tmp_path, "keras")
    monkeypatch.setattr(keras_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"needs h5py.*pip install 'rnn2c\[keras\]'"):
        load(path)


def test_variance_that_has_no_root(tmp_path):
    model = network([layers.BatchNormalization(name="norm"), layers.GRU(2)])
    model.layers[0].moving_variance.assign([1.0, -2.0, 1.0])
    text = refusal(saved(model, tmp_path, "keras"))
    assert "layer 'norm' (BatchNormalization): moving_variance[1] + epsilon is not positive" in text


def test_layer_that_another_layer_owns(tmp_path):
    """Keras stores a layer that is wrapped and used by itself once only."""
    x = keras.Input((None, 3))
    shared = layers.Dense(2)
    steps = layers.TimeDistributed(shared, name="each")(x)
    model = randomised(keras.Model(x, [shared(x), steps]))
    text = refusal(saved(model, tmp_path, "keras"))
    assert "the file has no kernel for it; a layer that is part of two others" in text
