"""Models with zeros in blocks: those of the smallest norm, as a training that prunes has them."""

from __future__ import annotations

import dataclasses

import numpy as np
from core_models import GATES

from rnn2c.ir.graph import Linear, Model, Recurrent, Tensor


def in_blocks(matrix: np.ndarray, units: int, columns: int, kept: float) -> np.ndarray:
    """[units, rows of a unit, columns] with about the share `kept` of its blocks, the rows of
    `units` units x `columns` columns; the others are 0.
    """
    count, rows, width = matrix.shape
    filled = np.pad(matrix, ((0, -count % units), (0, 0), (0, -width % columns)))
    split = filled.reshape(-1, units, rows, filled.shape[2] // columns, columns)
    norm = np.sqrt((split.astype(float) ** 2).sum(axis=(1, 2, 4)))
    order = np.argsort(-norm, axis=None, kind="stable")
    stored = np.zeros(norm.size, bool)
    stored[order[: round(kept * norm.size)]] = True
    shape = (norm.shape[0], 1, 1, norm.shape[1], 1)
    return (split * stored.reshape(shape)).reshape(filled.shape)[:count, :, :width]


def pruned(model: Model, units: int, columns: int, kept: float = 0.25) -> Model:
    """The model with the matrices of its cells and of Linear layers as in_blocks makes them."""
    return dataclasses.replace(
        model, layers=tuple(_pruned(layer, units, columns, kept) for layer in model.layers)
    )


def _pruned(layer, units: int, columns: int, kept: float):
    def tensor(old: Tensor, gates: int) -> Tensor:
        rows = old.data.reshape(gates, -1, old.data.shape[1]).transpose(1, 0, 2)
        left = in_blocks(rows, units, columns, kept)
        return dataclasses.replace(old, data=left.transpose(1, 0, 2).reshape(old.data.shape))

    if isinstance(layer, Recurrent):
        gates = GATES[type(layer).__name__.lower()]
        return dataclasses.replace(
            layer, w_ih=tensor(layer.w_ih, gates), w_hh=tensor(layer.w_hh, gates)
        )
    if isinstance(layer, Linear):
        return dataclasses.replace(layer, weight=tensor(layer.weight, 1))
    return layer
