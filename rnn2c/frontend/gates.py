"""Gate order, permuted once and on copies: i, f, g, o for an LSTM and r, z, n for a GRU.

PyTorch stores these orders already.  ONNX stores i, o, f, c and z, r, h (its `c` and `h` are our
`g` and `n`).  Keras stores i, f, c, o and z, r, h.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnn2c.ir.graph import FloatArray

Cell = Literal["LSTM", "GRU", "RNN"]

GATE_COUNT: Mapping[Cell, int] = {"LSTM": 4, "GRU": 3, "RNN": 1}
ONNX_ORDER: Mapping[Cell, tuple[int, ...]] = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
KERAS_ORDER: Mapping[Cell, tuple[int, ...]] = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN": (0,)}


def from_onnx(cell: Cell, array: NDArray[np.floating]) -> FloatArray:
    """Copy an array [gates * units, ...] in ONNX gate order to our order, as float64."""
    return _reordered(cell, ONNX_ORDER, array)


def from_keras(cell: Cell, array: NDArray[np.floating]) -> FloatArray:
    """Copy an array [gates * units, ...] in Keras gate order to our order, as float64."""
    return _reordered(cell, KERAS_ORDER, array)


def _reordered(
    cell: Cell, order: Mapping[Cell, tuple[int, ...]], array: NDArray[np.floating]
) -> FloatArray:
    blocks = np.asarray(array, np.float64).reshape(GATE_COUNT[cell], -1, *array.shape[1:])
    return np.ascontiguousarray(blocks[list(order[cell])].reshape(array.shape))
