"""Models with integer weights, as a quantized source gives them."""

from __future__ import annotations

import dataclasses

import numpy as np
from core_models import cell_model, linear, model

from rnn2c.ir import graph
from rnn2c.ir.graph import IntArray, Model, Tensor
from rnn2c.ir.program import Program


def integers(tensor: Tensor, bits: int = 8, per_row: bool = True, seed: int = 0) -> Tensor:
    """The matrix rounded to integers over the whole range of the type, the lowest one included."""
    reach = np.abs(np.asarray(tensor.data)).max(axis=1)
    if not per_row:
        reach = np.full_like(reach, reach.max())
    scale = np.asarray(reach / (2 ** (bits - 1) - 1), np.float32).astype(np.float64)
    data = np.round(tensor.data / scale[:, None]).astype(np.int64)
    data[seed % data.shape[0], 0] = -(2 ** (bits - 1))
    return Tensor(data, scale=scale, bits=bits)


def given(of: Model, **how: object) -> Model:
    """The model with every matrix as integers."""
    return of.with_layers(tuple(_given(layer, how) for layer in of.layers))


def _given(layer: graph.Layer, how: dict[str, object]) -> graph.Layer:
    fields = {n: integers(t, **how) for n, t in vars(layer).items() if isinstance(t, Tensor)}  # type: ignore[arg-type]
    return dataclasses.replace(layer, **fields) if fields else layer  # type: ignore[arg-type]


def head(activation: str = "", inputs: int = 6, outputs: int = 4) -> Model:
    """One Linear layer."""
    layer = linear("fc", "x", inputs, outputs, np.random.default_rng(3), activation)
    return model((layer,), (("y", "fc"),), inputs)


def cell(kind: str) -> Model:
    """One recurrent layer."""
    return cell_model(kind, inputs=3, units=5)


def stored(program: Program) -> list[IntArray]:
    """Every matrix of a Program as rows, in the order of the layers: [gates * units, columns]."""
    rows = []
    for weight in program.weights:
        for matrix in weight.matrices:
            units, gates, columns = matrix.shape
            rows.append(matrix.transpose(1, 0, 2).reshape(gates * units, columns))
    return rows
