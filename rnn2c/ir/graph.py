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
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnn2c.ir.cells import RELU as RELU
from rnn2c.ir.cells import CellFunction as CellFunction
from rnn2c.ir.cells import Gru as Gru
from rnn2c.ir.cells import Lstm as Lstm
from rnn2c.ir.cells import Recurrent as Recurrent
from rnn2c.ir.cells import Rnn as Rnn
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


@dataclass(frozen=True)
class Format:
    """How a quantized value is stored: real = scale * (q - zero_point), q in [lo, hi]."""

    scale: float
    bits: int
    zero_point: int = 0
    lo: int = 0
    hi: int = 0

    def __post_init__(self) -> None:
        if self.lo == self.hi == 0:
            object.__setattr__(self, "lo", -(2 ** (self.bits - 1)))
            object.__setattr__(self, "hi", 2 ** (self.bits - 1) - 1)

    def quantize(self, real: NDArray[np.floating]) -> NumberArray:
        """Round to the nearest step, ties away from even as numpy does, and saturate."""
        q = np.round(np.asarray(real, np.float64) / self.scale) + self.zero_point
        return np.clip(q, self.lo, self.hi).astype(np.int64)

    def dequantize(self, q: NumberArray) -> FloatArray:
        return (np.asarray(q, np.float64) - self.zero_point) * self.scale


@dataclass(frozen=True)
class Float32(Format):
    """A real number in single precision: no scale, and no range that could be proven."""

    scale: float = 1.0
    bits: int = 32

    def __post_init__(self) -> None:
        """lo and hi stay 0; they mean nothing here."""

    def quantize(self, real: NDArray[np.floating]) -> NumberArray:
        """The nearest float32; infinite beyond its range."""
        with np.errstate(over="ignore"):
            return np.asarray(real, np.float32)


FLOAT32 = Float32()


@dataclass(frozen=True)
class CellFormats:
    """The inner signals of a cell that is not plain: 16-bit numbers with power-of-two scales.

    before, after: fraction bits in front of and behind the function of each role; inner: of an LSTM
    o times what is made of c, of a GRU with reset before the product r * h.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    inner: Format | None = None


@dataclass(frozen=True)
class Numerics:
    """Everything the quantizer decided; it fixes every bit the program computes.

    profile: `accurate`, `fast` or `compact` (`float32`: no integers); accumulate: `joint` or
    `split`; formats: one per value; pre_bits: fraction bits of both parts of n in a GRU; split:
    layers that sum apart though the others sum jointly; cells: formats inside the cells that are
    not plain; notes: what saturates in normal use.
    """

    profile: Literal["accurate", "fast", "compact", "float32"]
    accumulate: Literal["joint", "split"]
    formats: Mapping[str, Format]
    pre_bits: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    split: frozenset[str] = frozenset()
    cells: Mapping[str, CellFormats] = field(default_factory=dict)

    def sums_jointly(self, layer: str) -> bool:
        """Whether a layer has one sum over x and h, not one each."""
        return self.accumulate == "joint" and layer not in self.split


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
