"""What every layer of a Model is made of: names of its inputs and outputs, and weight matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rate = Literal["step", "window", "sequence"]
Direction = Literal["forward", "reverse"]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
NumberArray = NDArray[Any]
"""int64, or float32 where a program computes in float32."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A weight matrix [rows, columns]: reals, or integers with one scale per row.

    `data` holds float64 reals when `scale` is None, else int64 integers of that many bits, and the
    real matrix is `(data - zero[:, None]) * scale[:, None]`, where `zero` None is 0.  A float Model
    may hold integers too: those of a source that was quantized before, which stay as they are.
    packing: how the integers are stored (packing/) where their values were chosen for it.
    """

    data: NDArray[np.float64] | NDArray[np.int64]
    scale: FloatArray | None = None
    bits: int = 0
    zero: NDArray[np.int64] | None = None
    packing: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.data.shape
        return rows, columns

    def real(self) -> FloatArray:
        """The matrix as float64 reals, whatever it is stored as."""
        data = np.asarray(self.data, np.float64)
        if self.scale is None:
            return data
        zero = 0 if self.zero is None else self.zero[:, None]
        return np.asarray((data - zero) * self.scale[:, None])


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One node: `inputs` are value names; the empty string means an absent optional input."""

    name: str
    inputs: tuple[str, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the values this layer defines; the first carries the layer's own name."""
        return (self.name,)

    @property
    def data_inputs(self) -> tuple[str, ...]:
        """The inputs that are no initial states."""
        return self.inputs
