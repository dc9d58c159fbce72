"""Round to 4 bits where the bits below each weight in its word are its fraction.

The words of packing/overlapped4.py are multiplied as they stand, so a weight is its own 4 bits and,
as a fraction, the 12 bits below them: other weights.  Those are chosen first, and each weight is
rounded after its fraction has been taken off: it is off by half a step at most, as without.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, IntArray, Tensor
from rnn2c.packing.overlapped4 import COLUMNS, FRACTION, weights

TOP = 7.5
"""The largest weight in its own steps: with a fraction a little below 1 its four bits are 7."""
STEPS = 2**FRACTION
MOST_ZEROS = 0.25
"""Where more of a matrix is zero, it was pruned; zeros would become fractions."""


def is_pruned(layer: graph.Recurrent) -> bool:
    """Whether so many weights are zero that they have to stay so."""
    matrices = (layer.w_ih.real(), layer.w_hh.real())
    return any(float(np.mean(m == 0)) > MOST_ZEROS for m in matrices)


def rounded(weight: FloatArray, scale: FloatArray) -> Tensor:
    """weight [rows, columns], scale of a row: that of a step of the four bits."""
    columns = weight.shape[1]
    missing = -columns % COLUMNS
    wanted = np.pad(weight / scale[:, None], ((0, 0), (0, missing)))
    eights = wanted.reshape(len(weight), -1, COLUMNS // 2, 2)
    there = (np.arange(columns + missing) < columns).reshape(1, -1, COLUMNS // 2, 2)
    words: IntArray = np.zeros(eights.shape[:2], np.int64)
    for half in (0, 1):
        for pair in reversed(range(COLUMNS // 2)):  # from the lowest bits up
            at = 16 * half + FRACTION - 4 * pair
            below = ((words << FRACTION) >> at) & (STEPS - 1)
            own = np.clip(np.round(eights[:, :, pair, half] - below / STEPS), -8, 7)
            words |= (np.where(there[:, :, pair, half], own, 0).astype(np.int64) & 15) << at
    return Tensor(weights(words)[:, :columns], scale=scale / STEPS, bits=16, packing="overlapped4")
