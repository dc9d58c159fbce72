"""The recurrent cells: LSTM, GRU and the simple RNN, with every variation that ONNX knows.

Equations: https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html and onnx__RNN.html.  Gate
rows are ordered i, f, g, o (LSTM) and r, z, n (GRU).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rnn2c.ir.layer import Direction, FloatArray, Layer, Tensor


@dataclass(frozen=True)
class CellFunction:
    """An activation inside a cell: a function of `ir.functions` and its parameters, if any."""

    function: str
    alpha: float = 0.0
    beta: float = 0.0

    def __str__(self) -> str:
        parameters = f" {self.alpha:.6g} {self.beta:.6g}" if self.alpha or self.beta else ""
        return f"{self.function}{parameters}"


SIGMOID, TANH, RELU = (CellFunction(name) for name in ("sigmoid", "tanh", "relu"))
GATES = ("sigmoid", "hard_sigmoid")
"""Functions with values in [0, 1]."""
FLAT = 20.0
"""Sigmoid and tanh are constant to single precision beyond it, so such a clip changes nothing."""
LIMITED = (*GATES, "tanh", "softsign")
"""Functions with values in [-1, 1]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recurrent(Layer):
    """Base of the cells.  inputs = (x, h0, mask), for an LSTM (x, h0, c0, mask), from the end on
    optional; h0, c0 are per sequence.

    w_ih [gates * units, input size], w_hh [gates * units, size], b_ih and b_hh [gates * units];
    size, the length of h, is units but for a projection.  activations: one per entry of `roles`;
    clip limits every pre-activation of a gate to [-clip, clip]; constant_h [size]: the initial h
    where it is neither zero nor an input; far_start: calibration saw an h as an input beyond
    [-1, 1].  The value `name` is the hidden state h after each step.
    direction `reverse`: from the last step to the first.  mask [1] per step: where it is 0, h and c
    stay as they are.
    """

    gates: ClassVar[int]
    roles: ClassVar[str]
    usual: ClassVar[tuple[CellFunction, ...]]

    w_ih: Tensor
    w_hh: Tensor
    b_ih: FloatArray
    b_hh: FloatArray
    direction: Direction = "forward"
    activations: tuple[CellFunction, ...] = ()
    clip: float = math.inf
    constant_h: FloatArray | None = None
    far_start: bool = False

    def __post_init__(self) -> None:
        if not self.activations:
            object.__setattr__(self, "activations", self.usual)

    @property
    def units(self) -> int:
        return self.w_hh.shape[0] // self.gates

    @property
    def size(self) -> int:
        """Length of h."""
        return self.w_hh.shape[1]

    @property
    def input_size(self) -> int:
        return self.w_ih.shape[1]

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the initial values of the outputs, the empty string where none is given."""
        given = self.inputs[1 : 1 + len(self.outputs)]
        return (*given, *("",) * (len(self.outputs) - len(given)))

    @property
    def mask(self) -> str:
        """Name of the mask; the empty string without one."""
        return "".join(self.inputs[1 + len(self.outputs) :])

    @property
    def data_inputs(self) -> tuple[str, ...]:
        return (self.inputs[0], self.mask) if self.mask else self.inputs[:1]

    @property
    def constant_states(self) -> tuple[FloatArray | None, ...]:
        """The constant initial value of each output, None for zero or an input."""
        return (self.constant_h,)

    @property
    def plain(self) -> bool:
        """Whether it is the common form of its cell, which has a lowering of its own."""
        return self.activations == self.usual and self.clip >= FLAT and self.starts_limited

    @property
    def bounded(self) -> bool:
        """Whether every new h lies within [-1, 1] if the one before did."""
        return self.activations[0].function in LIMITED

    @property
    def starts_limited(self) -> bool:
        """Whether the initial h, if any, lies within [-1, 1]."""
        within = self.constant_h is None or float(np.abs(self.constant_h).max()) <= 1
        return within and not self.far_start


@dataclass(frozen=True, kw_only=True, eq=False)
class Lstm(Recurrent):
    """Gates i, f, g, o; also defines the value `name.c`, the cell state after each step.

    c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c')  (torch.nn.LSTM)
    The activations are those of the gates, of g and of c'.  peepholes [3 * units] (i, f, o): i and
    f also see c, o sees c'; coupled: f = 1 - i instead of a gate; projection [size, units]:
    h' = projection (sigmoid(o) tanh(c')).
    """

    gates = 4
    roles = "fgh"
    usual = (SIGMOID, TANH, TANH)

    peepholes: FloatArray | None = None
    coupled: bool = False
    projection: Tensor | None = None
    constant_c: FloatArray | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.name, f"{self.name}.c")

    @property
    def constant_states(self) -> tuple[FloatArray | None, ...]:
        return (self.constant_h, self.constant_c)

    @property
    def plain(self) -> bool:
        ordinary = self.peepholes is None and self.projection is None and not self.coupled
        return ordinary and super().plain

    @property
    def bounded(self) -> bool:
        gate, _, out = self.activations
        return self.projection is None and gate.function in LIMITED and out.function in LIMITED


@dataclass(frozen=True, kw_only=True, eq=False)
class Gru(Recurrent):
    """Gates r, z, n;  h' = n + z (h - n).

    reset_after (torch.nn.GRU, ONNX linear_before_reset=1): n = tanh(W x + b_ih + r (U h + b_hh));
    reset before the product: n = tanh(W x + b_ih + U (r h) + b_hh).  The activations are those of
    r and z, and of n.
    """

    gates = 3
    roles = "fg"
    usual = (SIGMOID, TANH)

    reset_after: bool = True

    @property
    def bounded(self) -> bool:
        gate, candidate = self.activations
        return gate.function in GATES and candidate.function in LIMITED


@dataclass(frozen=True, kw_only=True, eq=False)
class Rnn(Recurrent):
    """h' = activation(W x + b_ih + U h + b_hh)  (torch.nn.RNN)."""

    gates = 1
    roles = "f"
    usual = (TANH,)

    @property
    def relu(self) -> bool:
        """Whether it is torch.nn.RNN with relu."""
        return self.activations == (RELU,) and math.isinf(self.clip)

    @property
    def plain(self) -> bool:
        return self.relu or super().plain
