"""Real Keras networks for the tests (on its torch backend), their files and their own results."""

from __future__ import annotations

import os
import resource
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported
import keras
from keras import layers

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir.graph import Model

FEATURES, UNITS, STEPS = 3, 4, 7
FORMATS = ("keras", "h5")
CELLS: dict[str, Callable[..., Any]] = {
    "lstm": layers.LSTM,
    "gru": layers.GRU,
    "gru_before": lambda *a, **k: layers.GRU(*a, reset_after=False, **k),
    "rnn": layers.SimpleRNN,
    "rnn_relu": lambda *a, **k: layers.SimpleRNN(*a, activation="relu", **k),
}
HEADS: dict[str, Callable[[], list[Any]]] = {
    "none": list,
    "dense": lambda: [layers.Dense(2)],
    "softmax": lambda: [layers.Dense(5, activation="relu"), layers.Dense(3, activation="softmax")],
    "separate": lambda: [
        layers.Dropout(0.5),
        layers.Dense(3, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("tanh"),
        layers.Softmax(),
    ],
    "normalised": lambda: [layers.BatchNormalization(scale=False), layers.Dense(6), layers.ReLU()],
}


@dataclass(frozen=True)
class Case:
    """A Sequential network: stacked cells, then a head."""

    cell: str
    depth: int
    every_step: bool
    head: str
    bias: bool = True

    def __str__(self) -> str:
        shown = "steps" if self.every_step else "last"
        return f"{self.cell}-{self.depth}-{shown}-{self.head}-{'bias' if self.bias else 'plain'}"


def sequential(case: Case) -> Any:
    """The network of a case, with random weights."""
    make = CELLS[case.cell]
    stack = [
        make(UNITS + k, use_bias=case.bias, return_sequences=case.every_step or k < case.depth - 1)
        for k in range(case.depth)
    ]
    return network([*stack, *HEADS[case.head]()])


def network(stack: Sequence[Any], shape: tuple[int | None, ...] = (None, FEATURES)) -> Any:
    """A Sequential model of the layers, with random weights."""
    return randomised(keras.Sequential([keras.Input(shape, name="samples"), *stack]))


def randomised(model: Any) -> Any:
    """Weights that no initializer gives: biases and moving averages are not zero or one."""
    random = np.random.default_rng(3)
    for weight in model.weights:
        if "seed" in weight.path:
            continue
        value = random.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(value) + 0.3 if "variance" in weight.path else value)
    return model


def saved(model: Any, folder: Path, kind: str) -> Path:
    """The file of a model in one of FORMATS."""
    path = folder / f"net.{kind}"
    model.save(path)
    return path


def feeds_of(model: Any, seed: int) -> list[np.ndarray]:
    """One random sequence of batch 1 for every input."""
    random = np.random.default_rng(seed)
    shapes = [(1, t.shape[1] or STEPS, *t.shape[2:]) for t in model.inputs]
    return [random.normal(size=s).astype(np.float32) for s in shapes]


def results_of(model: Any, feeds: list[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """What Keras computes, in the order of its outputs (of `names` where they have names)."""
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_states()
    found = model(feeds if len(feeds) > 1 else feeds[0], training=False)
    if isinstance(found, dict):
        found = [found[name] for name in names]
    found = found if isinstance(found, (list, tuple)) else [found]
    return [keras.ops.convert_to_numpy(r) for r in found]


def assert_same(path: Path, model: Any) -> Model:
    """The import of the file computes what Keras computes, to 1e-5."""
    imported = load(path)
    names = [o.name for o in imported.outputs]
    for seed in range(11, 31):  # the first input that a relu at the end does not turn into zeros
        feeds = feeds_of(model, seed)
        expected = results_of(model, feeds, names)
        if all(np.abs(array).max() > 1e-3 for array in expected):
            break
    compare(imported, feeds, expected)
    assert imported.cross_check == "not cross-checked: Keras is not run"
    return imported


def compare(imported: Model, feeds: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    """The Model's results for the first sequence of each feed, against Keras' own."""
    inputs = {i.name: feed[0] for i, feed in zip(imported.inputs, feeds, strict=True)}
    found = imported.run(inputs)
    for output, theirs in zip(imported.outputs, expected, strict=True):
        ours = found[output.name]
        assert ours.shape == theirs[0].shape
        assert np.abs(theirs).max() > 1e-3, "Keras gives zeros: nothing would be compared"
        np.testing.assert_allclose(ours, theirs[0], rtol=0, atol=1e-5)


def refusal(path: Path) -> str:
    """The one line about a file that is refused within 10 s of processor time."""
    started = _processor_seconds()
    with pytest.raises(Rnn2cError) as caught:
        load(path)
    assert _processor_seconds() - started < 10
    text = str(caught.value)
    assert text == " ".join(text.split())
    assert len(text) < 500
    return text


def _processor_seconds() -> float:
    """Of this process and its children: unlike a clock, not a matter of what else is running."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def rewritten(path: Path, change: dict[str, bytes]) -> Path:
    """The .keras file with some members replaced (or added)."""
    with zipfile.ZipFile(path) as old:
        members = {n: old.read(n) for n in old.namelist()} | change
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members.items():
            new.writestr(name, data)
    return path
