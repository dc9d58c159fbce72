"""Convolutions, pooling and padding of Keras: from both formats they equal Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from keras_models import FORMATS, assert_same, layers, network, refusal, saved

STACKS: dict[str, Callable[[], list[Any]]] = {
    "valid": lambda: [layers.Conv1D(5, 3, strides=2, activation="relu"), layers.Dense(2)],
    "causal": lambda: [
        layers.Conv1D(4, 3, padding="causal", dilation_rate=2, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
    ],
    "causal strided": lambda: [layers.Conv1D(6, 3, strides=2, padding="causal", groups=3)],
    "depthwise": lambda: [layers.DepthwiseConv1D(3, depth_multiplier=2, activation="tanh")],
    "separable": lambda: [layers.SeparableConv1D(5, 2, depth_multiplier=2), layers.ReLU()],
    "pooled": lambda: [layers.MaxPooling1D(2, strides=1), layers.AveragePooling1D(2)],
    "padded": lambda: [layers.ZeroPadding1D((2, 0)), layers.Conv1D(3, 3)],
    "averaged": lambda: [
        layers.Conv1D(4, 2),
        layers.GRU(3, return_sequences=True),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2, activation="softmax"),
    ],
    "largest": lambda: [layers.Conv1D(4, 1), layers.GlobalMaxPooling1D()],
    "same": lambda: [layers.Conv1D(4, 3, padding="same"), layers.MaxPooling1D(2, 1, "same")],
    "same average": lambda: [layers.AveragePooling1D(3, 1, "same")],
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", STACKS)
def test_filters(name: str, kind: str, tmp_path) -> None:
    model = network(STACKS[name]())
    assert_same(saved(model, tmp_path, kind), model)


STRIDED: dict[str, Callable[[], list[Any]]] = {
    "pooled": lambda: [
        layers.Conv1D(4, 3, padding="causal"),
        layers.MaxPooling1D(2, padding="same"),
        layers.AveragePooling1D(3, padding="same"),
    ],
    "convolution": lambda: [layers.Conv1D(4, 2, strides=3, padding="same"), layers.GRU(3)],
    "one tap": lambda: [layers.Conv1D(4, 1, strides=5, padding="same"), layers.Dense(2)],
}
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "same with stride": (
        lambda: layers.Conv1D(2, 3, strides=2, padding="same"),
        "(Conv1D): padding 'same' with stride 2 puts 1 of its rows behind the last of 8 steps;"
        " with a stride only rows in front are supported: pad on the left alone (causal)",
    ),
    "channels first": (
        lambda: layers.MaxPooling1D(2, data_format="channels_first"),
        "data_format='channels_first' is not supported",
    ),
}


def test_same_padding_with_a_stride_needs_a_length(tmp_path) -> None:
    model = network([layers.MaxPooling1D(2, padding="same")])
    text = "(MaxPooling1D): padding 'same' with stride 2 depends on the length of the sequence; fix"
    assert text in refusal(saved(model, tmp_path, "keras"))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("make", STRIDED.values(), ids=STRIDED)
def test_same_padding_with_a_stride_of_a_fixed_length(make, kind: str, tmp_path) -> None:
    model = network(make(), (12, 3))
    assert_same(saved(model, tmp_path, kind), model)


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, tmp_path) -> None:
    make, text = REFUSED[name]
    assert text in refusal(saved(network([make()], (8, 3)), tmp_path, "keras"))
