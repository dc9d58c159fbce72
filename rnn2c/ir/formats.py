"""Formats: how the values of a quantized Model are stored, and all that the quantizer decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnn2c.ir.layer import FloatArray, NumberArray


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
