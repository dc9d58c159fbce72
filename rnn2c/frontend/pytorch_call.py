"""One call of an aten operator: its arguments by their schema names.

A handler reads its arguments through Call; an argument that no handler read is refused by the
front end, so nothing is silently ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.given import Given
from rnn2c.frontend.values import Axis, Operand, Value, position
from rnn2c.ir.graph import FloatArray, Format, Tensor


@dataclass(frozen=True)
class Rounding:
    """Integers of a computed value: `value` is already rounded to `form`."""

    value: Value
    form: Format


Result = Operand | Sequence[Operand] | Axis | int | Given | Rounding | None
"""Of an operator; an Axis or a number is a size that the program computes with."""


@dataclass(eq=False)
class Call:
    """One call of an operator; `path` is the attribute path of the module that makes it."""

    builder: Builder
    where: str
    path: str
    arguments: dict[str, Any]
    _read: set[str] = field(default_factory=set)

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return self.arguments.get(name, default)

    def unread(self) -> list[str]:
        return [n for n, v in self.arguments.items() if n not in self._read and v is not None]

    def skip(self, *names: str) -> None:
        """Arguments that only say where or how torch stores the result."""
        self._read.update(names)

    def refuse(self, text: str) -> UnsupportedError:
        return UnsupportedError(f"{self.where}: {text}")

    def value(self, name: str = "self") -> Value:
        found = self.get(name)
        if not isinstance(found, Value):
            raise self.refuse(f"argument {name} is a constant; expected a computed tensor")
        return found

    def vector(self, name: str) -> Value:
        """The same; a constant vector is the state that a loop starts from."""
        found = self.get(name)
        if isinstance(found, np.ndarray):
            refusal = f"{self.where}: argument {name} is a constant; expected a computed tensor"
            return self.builder.constant(found, refusal)
        return self.value(name)

    def weight(self, name: str) -> FloatArray:
        found = self.get(name)
        if isinstance(found, Given):
            return found.real()
        if not isinstance(found, np.ndarray):
            raise self.refuse(f"argument {name} must be a parameter of the module")
        return found.astype(np.float64)

    def matrix(self, name: str) -> FloatArray | Tensor:
        """A weight [rows, columns], as integers where a quantized source gives them."""
        found = self.get(name)
        if isinstance(found, Given):
            return found.tensor(self.where, zeros=True)
        return self.weight(name)

    def axis(self, name: str, rank: int, default: int = 0) -> int:
        return position(int(self.get(name, default)), rank, self.where)


Handler = Callable[[Call], Result]
