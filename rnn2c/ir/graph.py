"""Model: the float graph of a network, later the same graph with integer weights and formats.

    Model   = inputs, delays, layers (in topological order), outputs, numerics (None until
              quantized)
    Layer   = Lstm | Gru | Rnn | Linear | Activation | Softmax | LogSoftmax | ArgMax | Extreme
            | LastStep | LayerNorm | Affine | Rounded | Sum | Product | Concat | Pick | Embedding
            | layers of ir/window.py and ir/temporal.py

A layer reads values by name and defines the values in `Layer.outputs`.  Every value is a vector
with a rate: `step` (one vector per time step), `window` (the same, but known only when the whole
sequence is) or `sequence` (one vector per sequence).  There is no batch dimension.  Gate rows are
ordered i, f, g, o (LSTM) and r, z, n (GRU); front ends permute on copies.  Layers and models are
frozen: a pass returns new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnn2c.ir.cells import RELU as RELU
from rnn2c.ir.cells import CellFunction as CellFunction
from rnn2c.ir.cells import Gru as Gru
from rnn2c.ir.cells import Lstm as Lstm
from rnn2c.ir.cells import Recurrent as Recurrent
from rnn2c.ir.cells import Rnn as Rnn
from rnn2c.ir.formats import FLOAT32 as FLOAT32
from rnn2c.ir.formats import CellFormats as CellFormats
from rnn2c.ir.formats import Float32 as Float32
from rnn2c.ir.formats import Format as Format
from rnn2c.ir.formats import Numerics as Numerics
from rnn2c.ir.layer import Direction as Direction
from rnn2c.ir.layer import FloatArray as FloatArray
from rnn2c.ir.layer import IntArray as IntArray
from rnn2c.ir.layer import Layer as Layer
from rnn2c.ir.layer import NumberArray as NumberArray
from rnn2c.ir.layer import Rate as Rate
from rnn2c.ir.layer import Tensor as Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear(Layer):
    """y = activation(weight x + bias); weight [out, in], bias [out]; activation "" is none."""

    weight: Tensor
    bias: FloatArray
    activation: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Activation(Layer):
    """An elementwise function of `ir.functions`; alpha and beta are its parameters, if any."""

    function: str
    alpha: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine(Layer):
    """y = x * scale + offset, element by element; scale and offset [size]."""

    scale: FloatArray
    offset: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Rounded(Layer):
    """x as a quantized source keeps it: in whole steps of `form`, limited to its range."""

    form: Format


@dataclass(frozen=True, kw_only=True, eq=False)
class Sum(Layer):
    """y = a + b, or a - b with `subtract`; inputs = (a, b) of one size and rate."""

    subtract: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Product(Layer):
    """y = a * b, element by element; inputs = (a, b) of one size and rate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Layer):
    """The vectors of all inputs one after the other; one rate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pick(Layer):
    """y[k] = x[indices[k]]: a slice or any selection of elements."""

    indices: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding(Layer):
    """y = table[token]; inputs = (token,), a model input of tokens; table [tokens, size]."""

    table: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Layer):
    """Softmax over the vector."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LogSoftmax(Layer):
    """The logarithm of the softmax over the vector."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerNorm(Layer):
    """y = gain (x - mean) / sqrt(variance + epsilon) + bias, over the vector; gain, bias [size].

    Not `centred`: y = gain x / sqrt(mean of squares + epsilon) + bias (RMS normalization).
    """

    gain: FloatArray
    bias: FloatArray
    epsilon: float
    centred: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class ArgMax(Layer):
    """Index of the largest element (the first one on ties), a vector of one element."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Extreme(Layer):
    """The largest or the smallest element, a vector of one element."""

    function: Literal["max", "min"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LastStep(Layer):
    """The value of the last time step; turns rate `step` into rate `sequence`."""


@dataclass(frozen=True)
class Input:
    """A model input: a vector of `size` per step, or once per sequence (an initial state).

    tokens: how many there are if the input is a token, an integer in [0, tokens), else 0.
    channels: the value is what the caller gives divided by these, one for each element, if any.
    """

    name: str
    size: int
    rate: Rate = "step"
    tokens: int = 0
    channels: tuple[float, ...] = ()


@dataclass(frozen=True)
class Delay:
    """The value `name` [size] of rate `step`: what `value` was one step before, zero at first.

    Layers may read it before the layer that defines `value`: that is how a loop is made.
    """

    name: str
    value: str
    size: int


@dataclass(frozen=True)
class Output:
    """A model output called `name` that shows the value `value`."""

    name: str
    value: str


@dataclass(frozen=True, eq=False)
class Model:
    """A network.  `run` evaluates it in float; see ir/evaluate.py for shapes."""

    name: str
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[Output, ...]
    numerics: Numerics | None = None
    cross_check: str = "not cross-checked"
    delays: tuple[Delay, ...] = ()

    @property
    def sources(self) -> tuple[Input | Delay, ...]:
        """What defines values and is no layer."""
        return (*self.inputs, *self.delays)

    @property
    def kept(self) -> set[str]:
        """Names of the values that are wanted whatever the layers read: by outputs and delays."""
        return {o.value for o in self.outputs} | {d.value for d in self.delays}

    def layer(self, name: str) -> Layer:
        """The layer that defines the value `name`."""
        return next(layer for layer in self.layers if name in layer.outputs)

    def sizes(self) -> dict[str, int]:
        """Vector length of every value."""
        from rnn2c.ir.check import infer_sizes

        return infer_sizes(self)

    def rates(self) -> dict[str, Rate]:
        """Rate of every value."""
        from rnn2c.ir.check import infer_rates

        return infer_rates(self)

    def run(self, inputs: Mapping[str, NDArray[np.floating]]) -> dict[str, FloatArray]:
        """Evaluate in float64: [T, n] per step, [n] per sequence, by the model's own names."""
        from rnn2c.ir.evaluate import evaluate

        return evaluate(self, inputs)

    def with_layers(self, layers: tuple[Layer, ...]) -> Model:
        return replace(self, layers=layers)
