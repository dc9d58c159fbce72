"""Integers that a quantized source gives, on their way to the weights of a layer.

They are moved about (transposed, reshaped, cut) together with their scales and zero points, and
become a Tensor only as they are: what rnn2c cannot keep exactly is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import UnsupportedError
from rnn2c.ir.graph import FloatArray, Tensor

WEIGHT_BITS = (4, 8)
MAX_GIVEN = 2**24

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Given:
    """real = (codes - zero) * scale; three arrays of one shape, codes and zero signed integers."""

    codes: Array
    zero: Array
    scale: Array
    bits: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    def steps(self) -> NDArray[np.int64]:
        """codes - zero"""
        return np.asarray(self.codes, np.int64) - np.asarray(self.zero, np.int64)

    def real(self) -> FloatArray:
        """The numbers that the integers stand for."""
        return np.asarray(self.steps() * np.asarray(self.scale, np.float64))

    def moved(self, move: Callable[[Array], Array]) -> Given:
        """The same after `move`, which takes one array and only moves elements."""
        return Given(move(self.codes), move(self.zero), move(self.scale), self.bits)

    def scaled(self, factor: float | Array) -> Given:
        """The same times a positive factor, or one for each index of the last axis."""
        scale = np.broadcast_to(np.asarray(self.scale, np.float64) * factor, self.shape)
        return Given(self.codes, self.zero, scale, self.bits)

    def tensor(self, where: str, zeros: bool = False) -> Tensor:
        """The matrix [rows, columns] with exactly these integers, or UnsupportedError.

        zeros: whether the layer knows zero points that are not in the middle.
        """
        if self.bits not in WEIGHT_BITS:
            raise UnsupportedError(
                f"{where}: integer weights of {self.bits} bits; weights of 8 and of 4 bits are"
                " kept, export others as float32"
            )
        for what, array in (("scale", self.scale), ("zero point", self.zero)):
            if np.any(array != array[:, :1]):
                raise UnsupportedError(
                    f"{where}: the weights have more than one {what} in a row; quantize them per"
                    " tensor or per output channel, or export them as float32"
                )
        steps = self.steps()
        bits = next((b for b in WEIGHT_BITS if b >= self.bits and _fits(steps, b)), 0)
        scale = np.asarray(self.scale[:, 0], np.float64)
        if not bits and zeros:
            codes, zero = np.asarray(self.codes, np.int64), np.asarray(self.zero[:, 0], np.int64)
            return Tensor(codes, scale=scale, bits=self.bits, zero=zero)
        if not bits:
            away = int(np.abs(self.zero).max())
            raise UnsupportedError(
                f"{where}: weights with a zero point {away} away from the middle of their range"
                " need 9 bits; quantize weights symmetrically, or export them as float32"
            )
        return Tensor(steps, scale=scale, bits=bits)


def _fits(steps: NDArray[np.int64], bits: int) -> bool:
    reach = 2 ** (bits - 1)
    return bool(np.all((steps >= -reach) & (steps < reach)))
