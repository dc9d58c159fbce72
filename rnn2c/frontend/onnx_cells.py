"""What an ONNX recurrent node says of each of its directions: activations, clip, weights."""

from __future__ import annotations

import math

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.cell_functions import onnx_functions
from rnn2c.frontend.cells import CELLS, CellForm, CellWeights
from rnn2c.frontend.gates import GATE_COUNT, Cell, from_onnx
from rnn2c.frontend.onnx_node import Node
from rnn2c.frontend.values import Constant, quoted
from rnn2c.ir.graph import Direction, FloatArray, Tensor

DIRECTIONS: dict[str, tuple[Direction, ...]] = {
    "forward": ("forward",),
    "reverse": ("reverse",),
    "bidirectional": ("forward", "reverse"),
}


def direction_forms(node: Node, cell: Cell) -> list[CellForm]:
    """Activations and clip of each direction."""
    direction = node.string("direction", "forward")
    if direction not in DIRECTIONS:
        raise node.refuse(f"direction {quoted(direction)}; expected {', '.join(DIRECTIONS)}")
    directions = DIRECTIONS[direction]
    usual = CELLS[cell].usual * len(directions)
    names = node.strings("activations")
    if names is not None and len(names) != len(usual):
        raise node.refuse(
            f"{len(names)} activations ({quoted(', '.join(names))}); {direction} {cell} has"
            f" {len(usual)}"
        )
    names = [f.function for f in usual] if names is None else names
    alpha, beta = (node.floats(f"activation_{n}") or () for n in ("alpha", "beta"))
    functions = onnx_functions(names, alpha, beta, node.where)
    clip = node.real("clip", math.inf)
    if not clip > 0:
        raise node.refuse(f"clip={clip:g}; it must be above 0")
    each = len(usual) // len(directions)
    return [
        CellForm(activations=functions[k * each : (k + 1) * each], clip=clip, direction=way)
        for k, way in enumerate(directions)
    ]


def direction_weights(node: Node, cell: Cell, directions: int) -> list[CellWeights]:
    """W, R, B and P of each direction, in our gate order."""
    gates = GATE_COUNT[cell]
    w, r = node.weights(1, "weight W"), node.weights(2, "weight R")
    units = node.integer("hidden_size", r.shape[-1] if r.ndim == 3 else 0)
    if units < 1:
        raise Rnn2cError(f"{node.where}: hidden_size={units}; at least 1 is needed")
    if w.ndim != 3 or w.shape[:2] != (directions, gates * units) or w.shape[2] < 1:
        raise _misshapen(node, 1, w, f"[{directions}, {gates * units}, input size]", units)
    if r.shape != (directions, gates * units, units):
        raise _misshapen(node, 2, r, f"[{directions}, {gates * units}, {units}]", units)
    bias: FloatArray = np.zeros((directions, 2 * gates * units))
    if node.optional(3) is not None:
        bias = node.reals(3, "bias B")
        if bias.shape != (directions, 2 * gates * units):
            raise _misshapen(node, 3, bias, f"[{directions}, {2 * gates * units}]", units)
    peepholes: list[FloatArray | None] = [None] * directions
    if cell == "LSTM" and node.optional(7) is not None:
        peepholes = _peepholes(node, units, directions)
    found = []
    for k in range(directions):
        b_ih, b_hh = np.split(bias[k], 2)
        matrices = _matrix(node, 1, cell, w, k), _matrix(node, 2, cell, r, k)
        biases = from_onnx(cell, b_ih), from_onnx(cell, b_hh)
        found.append(CellWeights(*matrices, *biases, peepholes[k]))
    return found


def _peepholes(node: Node, units: int, directions: int) -> list[FloatArray | None]:
    """P [directions, 3 * units] in the order i, o, f, as i, f, o."""
    given = node.weights(7, "peepholes P")
    if given.shape != (directions, 3 * units):
        raise _misshapen(node, 7, given, f"[{directions}, {3 * units}]", units)
    parts = (np.split(np.asarray(row, np.float64), 3) for row in given)
    return [np.concatenate([i, f, o]) for i, o, f in parts]


def _matrix(
    node: Node, index: int, cell: Cell, weights: Constant, direction: int
) -> FloatArray | Tensor:
    """W or R in our order: as integers where a quantized source gives them."""
    given = node.given(index)
    if given:
        return given.moved(lambda array: from_onnx(cell, array[direction])).tensor(node.where)
    return from_onnx(cell, weights[direction])


def _misshapen(node: Node, index: int, got: Constant, wanted: str, units: int) -> Rnn2cError:
    letter = {1: "W", 2: "R", 3: "B", 7: "P"}[index]
    return Rnn2cError(
        f"{node.where}: {letter} {quoted(node.input_names[index])} has shape {list(got.shape)}, "
        f"expected {wanted} for hidden_size={units}"
    )
