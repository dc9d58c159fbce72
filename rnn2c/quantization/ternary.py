"""Weights -m, 0 and m, with one m for each row: as near to the given ones as they can be.

The largest k weights of a row become their mean magnitude, the others 0.  The squared error is what
the row had, less (the sum of these k)^2 / k; k is where that is largest.  A row that has only one
magnitude stays as it is, and so do zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Model, Tensor
from rnn2c.ir.names import prose

MOST_ERROR = 0.05
"""Of the root mean square of a matrix: more is said."""


def with_ternary_weights(model: Model) -> Model:
    """The model with such weights in the matrices of its recurrent layers, still real numbers."""
    return model.with_layers(tuple(map(_layer, model.layers)))


def notes_of_ternary_weights(layers: Iterable[graph.Layer]) -> Iterator[str]:
    """One line for every matrix of the given layers that is far from ternary."""
    for layer in layers:
        for name, tensor in _matrices(layer).items():
            real = tensor.real()
            size = float(np.linalg.norm(real)) or 1.0
            error = float(np.linalg.norm(nearest(real) - real)) / size
            if error > MOST_ERROR:
                yield (
                    f"layer '{prose(layer.name)}': {name} with weights -m, 0 and m is off by"
                    f" {100 * error:.0f} % (root mean square); train with such weights"
                )


def nearest(weight: FloatArray) -> FloatArray:
    """[rows, columns] -> the ternary rows with the least squared error."""
    size = np.abs(weight)
    largest = -np.sort(-size, axis=1)
    sums = np.cumsum(largest, axis=1)
    last = np.argmax(sums**2 / np.arange(1, weight.shape[1] + 1), axis=1)[:, None]
    least = np.take_along_axis(largest, last, axis=1)
    mean = np.take_along_axis(sums, last, axis=1) / (last + 1)
    return np.asarray(np.where(size >= least, np.sign(weight) * mean, 0.0), np.float64)


def _layer(layer: graph.Layer) -> graph.Layer:
    changed: dict[str, Any] = {n: Tensor(nearest(t.real())) for n, t in _matrices(layer).items()}
    return replace(layer, **changed) if changed else layer


def _matrices(layer: graph.Layer) -> dict[str, Tensor]:
    """The matrices of a recurrent layer, by field name."""
    if not isinstance(layer, graph.Recurrent):
        return {}
    return {n: t for n, t in vars(layer).items() if isinstance(t, Tensor)}
