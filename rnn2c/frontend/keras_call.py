"""One call of a Keras layer, as its handler sees it: operands, settings and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.json_text import Json
from rnn2c.frontend.keras_file import KerasFile
from rnn2c.frontend.keras_graph import LayerSpec
from rnn2c.frontend.keras_settings import Settings
from rnn2c.frontend.keras_weights import weights_of
from rnn2c.frontend.values import Value, quoted
from rnn2c.ir.graph import FloatArray


@dataclass(eq=False)
class Call:
    """operands: what the call reads; states: initial states; inner: see weights_of.

    hidden: leading axes that the layer does not see (time, inside a TimeDistributed); numbers: what
    the call reads that is no tensor; mask: name of the mask of the operand, compared: with what an
    operation compared it.  A handler sets passes, the mask of what it makes, and uses_mask.
    """

    builder: Builder
    file: KerasFile
    spec: LayerSpec
    operands: Sequence[Value]
    states: Sequence[Value] = ()
    inner: str = ""
    hidden: int = 0
    config: Json | None = None
    numbers: Sequence[float] = ()
    mask: str = ""
    compared: float | None = None
    passes: str = field(default="", init=False)
    uses_mask: bool = field(default=False, init=False)
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        config = self.spec.config if self.config is None else self.config
        self.settings = Settings(self.where, config)

    @property
    def where(self) -> str:
        return self.spec.where

    @property
    def operand(self) -> Value:
        return self.operands[0]

    def refuse(self, text: str) -> UnsupportedError:
        return UnsupportedError(f"{self.where}: {text}")

    def axis(self, axis: object) -> int:
        """A position among all axes for one that the layer counts without the hidden axes."""
        rank = len(self.operand.axes) - self.hidden
        if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
            raise Rnn2cError(f"{self.where}: axis {quoted(axis)} of a tensor with {rank} axes")
        return axis % rank + self.hidden

    def weights(self, roles: Sequence[str], beside: Sequence[str] = ()) -> list[FloatArray]:
        """See weights_of."""
        return weights_of(self.file, self.spec, self.inner, roles, beside)

    def shaped(self, role: str, found: FloatArray, shape: Sequence[int]) -> FloatArray:
        """The weight; raises Rnn2cError with both shapes where they differ."""
        if list(found.shape) != list(shape):
            raise Rnn2cError(
                f"{self.where}: {role} has shape {list(found.shape)}, expected {list(shape)}"
            )
        return found

    def features(self) -> int:
        """Size of the operand's last axis."""
        axes = self.operand.axes
        return (axes[-1].size or 0) if axes else 0


Handler = Callable[[Call], Sequence[Value]]


def zeros(count: int) -> FloatArray:
    """A bias that is not there."""
    return np.zeros(count)
