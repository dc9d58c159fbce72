"""Layers of a Model that look at where in a sequence a step is: its first step, its end, its order.

A value of rate `window` is known only when the whole sequence is: whatever a reverse layer
computes, and all that is made of it.  Such a model is compiled for a largest number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import FloatArray, Layer, Model, Recurrent
from rnn2c.ir.temporal import needs_window


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstStep(Layer):
    """The value of the first time step; of rate `sequence`.

    Of a reverse cell it is the state it ends with.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class Flip(Layer):
    """The steps in opposite order; of rate `window`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StepMask(Layer):
    """A mask [1]: 1 at the first `steps` time steps of its input, then 0."""

    steps: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueMask(Layer):
    """A mask [1]: 0 where every feature equals `value`, else 1  (keras.layers.Masking).

    In integers: where every feature equals the integer that stands for `value`.  Of an input of
    tokens: 0 where the token is `value`.  channels: those of the input, if it is divided by any.
    """

    value: float
    channels: tuple[float, ...] = ()

    @property
    def values(self) -> FloatArray:
        """What is masked, of each feature or [1] of all."""
        return np.asarray(self.value / np.array(self.channels or (1.0,)), np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Masked(Layer):
    """inputs = (x, mask): x where the mask is 1, zero where it is 0."""


def whole_sequence(model: Model) -> tuple[Layer, ...]:
    """The layers that make the model wait for the whole sequence: reverse ones and the like."""
    rates = model.rates()

    def waits(layer: Layer) -> bool:
        if isinstance(layer, Recurrent):
            return layer.direction == "reverse"
        first = isinstance(layer, FirstStep) and rates[layer.inputs[0]] == "step"
        return first or isinstance(layer, Flip) or needs_window(layer)

    return tuple(layer for layer in model.layers if waits(layer))
