"""Recurrent layers as the front ends describe them: weights, variations, initial states."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.gates import Cell
from rnn2c.frontend.values import Constant
from rnn2c.ir import graph
from rnn2c.ir.graph import CellFunction, Direction, FloatArray, Tensor

CELLS: dict[Cell, type[graph.Recurrent]] = {
    "LSTM": graph.Lstm,
    "GRU": graph.Gru,
    "RNN": graph.Rnn,
}


@dataclass(frozen=True, eq=False)
class CellWeights:
    """Weights of one layer in our gate order; shapes as in ir.cells."""

    w_ih: FloatArray | Tensor
    w_hh: FloatArray | Tensor
    b_ih: FloatArray
    b_hh: FloatArray
    peepholes: FloatArray | None = None
    projection: FloatArray | Tensor | None = None


def as_tensor(weight: FloatArray | Tensor) -> Tensor:
    """Integers of a quantized source as they are, else real numbers."""
    if isinstance(weight, Tensor):
        return weight
    return Tensor(np.array(weight, np.float64, order="C"))


@dataclass(frozen=True)
class CellForm:
    """What the cells of one kind differ in; the defaults are the common form of ir.cells."""

    reset_after: bool = True
    activations: tuple[CellFunction, ...] = ()
    clip: float = math.inf
    coupled: bool = False
    direction: Direction = "forward"


@dataclass(frozen=True, eq=False)
class Start:
    """The initial value of a state: a value of the model, numbers, or zero."""

    name: str = ""
    constant: FloatArray | None = None


def make_cell(
    cell: Cell,
    name: str,
    x: str,
    starts: list[Start],
    weights: CellWeights,
    form: CellForm,
    mask: str = "",
) -> graph.Recurrent:
    """The layer that computes `name` from the value x, its state held where the mask is 0."""
    fields: dict[str, object] = {
        "name": name,
        "inputs": (x, *(s.name for s in starts), *([mask] if mask else [])),
        "w_ih": as_tensor(weights.w_ih),
        "w_hh": as_tensor(weights.w_hh),
        "b_ih": weights.b_ih,
        "b_hh": weights.b_hh,
        "activations": form.activations,
        "clip": form.clip,
        "direction": form.direction,
    }
    fields |= {f"constant_{k}": s.constant for k, s in zip("hc", starts, strict=False)}
    if cell == "GRU":
        fields["reset_after"] = form.reset_after
    if cell == "LSTM":
        projection = weights.projection
        fields["coupled"] = form.coupled
        fields["peepholes"] = weights.peepholes
        fields["projection"] = None if projection is None else as_tensor(projection)
    return CELLS[cell](**fields)  # type: ignore[arg-type]


def constant_start(values: Constant, size: int, where: str) -> Start:
    """Numbers that a state of `size` elements starts with; raises Rnn2cError for another shape."""
    if values.dtype == object or not np.issubdtype(values.dtype, np.number):
        raise UnsupportedError(f"{where}: the initial state is no array of numbers")
    zero = not np.any(values)  # for a batch of any size, as exporters write it
    last = values.shape[-1] if values.shape else 1
    if last not in (1, size) or (values.size not in (1, size) and not zero):
        raise Rnn2cError(
            f"{where}: the initial state has shape {list(values.shape)}, expected [1, 1, {size}]"
        )
    if zero:
        return Start()
    numbers = np.asarray(values, np.float64).reshape(-1)
    return Start(constant=np.array(np.broadcast_to(numbers, (size,))))
