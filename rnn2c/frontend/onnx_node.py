"""One node of an ONNX graph with checked access to its inputs and attributes.

Every attribute of a node must be declared by its handler (`Operator.attributes`); any other one is
refused, so nothing in a file is silently ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.given import Given
from rnn2c.frontend.onnx_quantity import Quantity
from rnn2c.frontend.values import Constant, Operand, Value, quoted
from rnn2c.ir.graph import FloatArray

_FIELDS: Mapping[int, str] = {
    onnx.AttributeProto.INT: "i",
    onnx.AttributeProto.FLOAT: "f",
    onnx.AttributeProto.STRING: "s",
    onnx.AttributeProto.INTS: "ints",
    onnx.AttributeProto.FLOATS: "floats",
    onnx.AttributeProto.STRINGS: "strings",
    onnx.AttributeProto.TENSOR: "t",
}


def described(name: str, operator: str, outputs: Sequence[str]) -> str:
    """A node for messages: by its name, or by what it makes where it has none."""
    if name or not outputs:
        return f"node {quoted(name)} ({operator})"
    return f"node of {quoted(outputs[0])} ({operator})"


@dataclass(frozen=True, eq=False)
class Node:
    """`inputs` and `input_names` run in parallel; an absent optional input is None.

    quantities: of the inputs that hold integers in place of reals, else None.
    """

    operator: str
    name: str
    stem: str
    opset: int
    inputs: tuple[Operand | None, ...]
    input_names: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, onnx.AttributeProto]
    quantities: tuple[Quantity | None, ...] = ()

    @property
    def where(self) -> str:
        return described(self.name, self.operator, self.outputs)

    def refuse(self, text: str) -> UnsupportedError:
        return UnsupportedError(f"{self.where}: {text}")

    def _attribute(self, name: str, kind: int, default: Any) -> Any:
        found = self.attributes.get(name)
        if found is None:
            return default
        if found.type != kind:
            raise Rnn2cError(f"{self.where}: attribute {name} has the wrong type")
        return getattr(found, _FIELDS[kind])

    def integer(self, name: str, default: int) -> int:
        return int(self._attribute(name, onnx.AttributeProto.INT, default))

    def real(self, name: str, default: float) -> float:
        return float(self._attribute(name, onnx.AttributeProto.FLOAT, default))

    def string(self, name: str, default: str) -> str:
        raw = self._attribute(name, onnx.AttributeProto.STRING, default.encode())
        return bytes(raw).decode("utf-8", "replace")

    def ints(self, name: str) -> list[int] | None:
        found = self._attribute(name, onnx.AttributeProto.INTS, None)
        return None if found is None else [int(i) for i in found]

    def floats(self, name: str) -> list[float] | None:
        found = self._attribute(name, onnx.AttributeProto.FLOATS, None)
        return None if found is None else [float(i) for i in found]

    def strings(self, name: str) -> list[str] | None:
        found = self._attribute(name, onnx.AttributeProto.STRINGS, None)
        return None if found is None else [bytes(s).decode("utf-8", "replace") for s in found]

    def tensor(self, name: str) -> onnx.TensorProto | None:
        found: onnx.TensorProto | None = self._attribute(name, onnx.AttributeProto.TENSOR, None)
        return found

    def optional(self, index: int) -> Operand | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def operand(self, index: int) -> Operand:
        found = self.optional(index)
        if found is None:
            raise Rnn2cError(f"{self.where}: input {index} is missing")
        return found

    def value(self, index: int) -> Value:
        found = self.operand(index)
        if not isinstance(found, Value):
            raise self.refuse(f"input {index} is a constant; expected a computed tensor")
        return found

    def vector(self, index: int, builder: Builder) -> Value:
        """The same; a constant vector is the state that a loop starts from."""
        found = self.operand(index)
        if isinstance(found, Value):
            return found
        refusal = f"{self.where}: input {index} is a constant; expected a computed tensor"
        return builder.constant(found, refusal)

    def constant(self, index: int, what: str) -> Constant:
        """Input `index`, which must be an initializer or foldable to a constant."""
        found = self.operand(index)
        if isinstance(found, Value):
            name = quoted(self.input_names[index])
            raise self.refuse(f"{what} {name} is not a constant; make it an initializer")
        return found

    def weights(self, index: int, what: str) -> Constant:
        found = self.constant(index, what)
        if found.dtype != np.float32:
            name = quoted(self.input_names[index])
            raise self.refuse(f"{what} {name} has type {found.dtype}; export it as float32")
        return found

    def reals(self, index: int, what: str) -> FloatArray:
        """Like weights in float64, and exact where they are integers with a scale."""
        given = self.given(index)
        return given.real() if given else self.weights(index, what).astype(np.float64)

    def quantity(self, index: int) -> Quantity | None:
        return self.quantities[index] if index < len(self.quantities) else None

    def given(self, index: int) -> Given | None:
        """The integers of input `index`, if it is a constant that a quantized source gives."""
        found = self.quantity(index)
        return found if isinstance(found, Given) else None

    def reading(self, first: Operand) -> Node:
        """The same node with another first input."""
        return replace(self, inputs=(first, *self.inputs[1:]), quantities=())

    def integers(self, index: int, attribute: str) -> list[int] | None:
        """A list of integers given as input `index` or, in old opsets, as an attribute."""
        found = self.optional(index)
        if found is None:
            return self.ints(attribute)
        vector = self.constant(index, attribute)
        if vector.dtype == object or not np.issubdtype(vector.dtype, np.integer):
            raise self.refuse(f"{attribute} must be constant integers")
        return [int(i) for i in vector.reshape(-1)]


Result = Operand | Quantity
Handler = Callable[[Builder, Node], Sequence[Result]]


@dataclass(frozen=True)
class Operator:
    """How one ONNX operator is imported: a function, and the attributes and inputs it reads.

    quantities: whether it knows what to do with inputs that hold integers in place of reals.
    """

    handler: Handler
    attributes: tuple[str, ...] = ()
    inputs: int = 1
    quantities: bool = False
