"""One call of a Keras layer, as its handler sees it: operands, settings and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.keras_file import Json, KerasFile
from rnn2c.frontend.keras_graph import LayerSpec
from rnn2c.frontend.keras_settings import Settings
from rnn2c.frontend.keras_weights import weights_of
from rnn2c.frontend.values import Value, quoted
from rnn2c.ir.graph import FloatArray


@dataclass(frozen=True, eq=False)
class Scaled:
    """scale * value + shift, which a BatchNormalization leaves to the next layer."""

    value: Value
    scale: FloatArray
    shift: FloatArray
    where: str


Operand = Value | Scaled


@dataclass(eq=False)
class Call:
    """operands: what the call reads; states: initial states; inner: see weights_of.

    hidden: leading axes that the layer does not see (time, inside a TimeDistributed).
    """

    builder: Builder
    file: KerasFile
    spec: LayerSpec
    operands: Sequence[Operand]
    states: Sequence[Operand] = ()
    inner: str = ""
    hidden: int = 0
    config: Json | None = None
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        config = self.spec.config if self.config is None else self.config
        self.settings = Settings(self.where, config)

    @property
    def where(self) -> str:
        return self.spec.where

    @property
    def operand(self) -> Operand:
        return self.operands[0]

    def refuse(self, text: str) -> UnsupportedError:
        return UnsupportedError(f"{self.where}: {text}")

    def value(self) -> Value:
        """The operand of a layer that can absorb no scale."""
        return plain_value(self.operand)

    def seen(self) -> Value:
        """The operand with whatever scale is pending; only for its axes."""
        return self.operand.value if isinstance(self.operand, Scaled) else self.operand

    def axis(self, axis: object) -> int:
        """A position among all axes for one that the layer counts without the hidden axes."""
        rank = len(self.seen().axes) - self.hidden
        if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
            raise Rnn2cError(f"{self.where}: axis {quoted(axis)} of a tensor with {rank} axes")
        return axis % rank + self.hidden

    def weights(self, roles: Sequence[str]) -> list[FloatArray]:
        return weights_of(self.file, self.spec, self.inner, roles)

    def shaped(self, role: str, found: FloatArray, shape: Sequence[int]) -> FloatArray:
        """The weight; raises Rnn2cError with both shapes where they differ."""
        if list(found.shape) != list(shape):
            raise Rnn2cError(
                f"{self.where}: {role} has shape {list(found.shape)}, expected {list(shape)}"
            )
        return found

    def absorb(self, weight: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """weight [out, in] and bias [out] that apply to the operand's value without its scale."""
        x = self.operand
        if not isinstance(x, Scaled):
            return weight, bias
        return weight * x.scale[None, :], bias + weight @ x.shift

    def features(self) -> int:
        """Size of the operand's last axis."""
        axes = self.seen().axes
        return (axes[-1].size or 0) if axes else 0


Handler = Callable[[Call], Sequence[Operand]]


def plain_value(operand: Operand) -> Value:
    """The Value; raises UnsupportedError where a normalisation could not be absorbed."""
    if isinstance(operand, Scaled):
        raise UnsupportedError(
            f"{operand.where}: is supported next to a Dense layer without activation before it, or "
            "with a Dense, LSTM, GRU or SimpleRNN behind it"
        )
    return operand


def zeros(count: int) -> FloatArray:
    """A bias that is not there."""
    return np.zeros(count)
