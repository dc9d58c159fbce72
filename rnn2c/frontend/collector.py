"""Collects the inputs and layers of a Model in the making: unique names, budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.imported import Port
from rnn2c.frontend.time_last import may_be_time_last
from rnn2c.frontend.values import Axes, Axis, Operand, Value, plain, quoted
from rnn2c.ir import graph
from rnn2c.ir.graph import Layer, Tensor

MAX_WEIGHTS = 2**25
MAX_FOLDED = 2**22


class Collector:
    """See the module's first line; raw_inputs: the names of those that are no tokens."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.axes = Axes()
        self.raw_inputs: set[str] = set()
        self._layers: dict[str, Layer] = {}
        self._inputs: list[Port] = []
        self._inner: list[Port] = []
        self._tokens: set[str] = set()
        self._unfinished: dict[str, str] = {}
        self._taken: set[str] = set()
        self._anonymous: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._weights = 0
        self._counted: dict[int, Tensor] = {}
        self._shared: dict[tuple[tuple[int, int], bytes], Tensor] = {}
        self._folded = 0
        self._dynamic_bits = 0
        self._dynamic: dict[str, int] = {}

    def input(self, name: str, axes: Sequence[Axis], is_time_last: bool = False) -> Value:
        """Declare a model input; its last axis holds the features unless it is used as time."""
        if is_time_last and len(axes) in (2, 3):
            self.axes.bind(axes[-2], "feature", f"input {quoted(name)}")
            self.axes.bind(axes[-1], "time", f"input {quoted(name)}")
        if not axes or (axes[-1].size is None and not may_be_time_last(axes)):
            raise UnsupportedError(
                f"input {quoted(name)}: the last dimension must be a fixed feature size"
            )
        if axes[-1].size == 0:
            raise UnsupportedError(
                f"input {quoted(name)}: a feature dimension of size 0; at least 1 is needed"
            )
        if axes[-1].size is not None and self.axes.kind(axes[-1]) is None:
            self.axes.assume(axes[-1], "feature")
        self._inputs.append(Port(name, (name,), tuple(axes)))
        self.raw_inputs.add(name)
        self._taken.add(name)
        return Value((name,), tuple(axes))

    def tokens(self, name: str, axes: Sequence[Axis], dtype: str) -> Value:
        """Declare a model input of integers, which embeddings look up."""
        self._inputs.append(Port(name, (name,), tuple(axes), dtype))
        self._tokens.add(name)
        self._taken.add(name)
        return Value((name,), tuple(axes))

    def trace(self, tensor: str, operand: Operand) -> None:
        """Remember that a source tensor shows a value, for the cross-check."""
        if isinstance(operand, Value) and all(part in self._taken for part in operand.parts):
            self._inner.append(Port(tensor, operand.parts, operand.axes))

    def forget(self, tensor: str) -> None:
        """The source changes this tensor later, so a cross-check cannot look at it."""
        self._inner = [p for p in self._inner if p.name != tensor]

    def unique(self, stem: str, fallback: str) -> str:
        """A free layer name: STEM, STEM.1, ...; without a stem FALLBACK0, FALLBACK1, ..."""
        stem = plain(stem)
        number = self._numbers.get(stem or f".{fallback}", 0)
        name = f"{stem}.{number}" if stem and number else stem or f"{fallback}{number}"
        while name in self._taken or f"{name}.c" in self._taken:
            number += 1
            name = f"{stem}.{number}" if stem else f"{fallback}{number}"
        self._numbers[stem or f".{fallback}"] = number
        if not stem:
            self._anonymous.add(name)
        return name

    def fold(self, elements: int, where: str) -> None:
        """Account for a constant that is about to be made; raises UnsupportedError over budget."""
        self._folded += elements
        if self._folded > MAX_FOLDED:
            raise UnsupportedError(
                f"{where}: makes a constant of {elements} elements; at most {MAX_FOLDED} are "
                "folded in one model"
            )

    @contextmanager
    def dynamic_activations(self, bits: int) -> Iterator[None]:
        """Layers added meanwhile round what they read to so many bits in the source, not here."""
        self._dynamic_bits = bits
        try:
            yield
        finally:
            self._dynamic_bits = 0

    def add(self, layer: Layer) -> None:
        """Append a layer; raises UnsupportedError over the budget of weights."""
        # What the steps of a loop share is kept once, and counted in full when they are one layer.
        new = [v for v in _matrices(layer) if id(v) not in self._counted]
        self._counted |= {id(v): v for v in new}
        self._weights += sum(v.data.size for v in new)
        _refuse_too_many(self._weights, layer.name)
        self._layers[layer.name] = layer
        if self._dynamic_bits and isinstance(layer, (graph.Linear, graph.Recurrent)):
            self._dynamic[layer.name] = self._dynamic_bits
        self._taken.update(layer.outputs)

    def shared(self, matrix: Tensor) -> Tensor:
        """One object for equal matrices of real numbers."""
        if matrix.scale is not None:
            return matrix
        digest = sha256(matrix.data.tobytes()).digest()
        return self._shared.setdefault((matrix.shape, digest), matrix)

    def check_weights(self, layers: Iterable[Layer]) -> None:
        """Raises UnsupportedError over the budget of weights, which a small file may use often."""
        total = 0
        for layer in layers:
            total += sum(v.data.size for v in _matrices(layer))
            _refuse_too_many(total, layer.name)

    def copied(self, original: str, copy: str) -> None:
        """What is known of a layer holds for its copy too."""
        for notes in (self._unfinished, self._dynamic):
            if original in notes:
                notes[copy] = notes[original]  # type: ignore[assignment]

    def layer(self, name: str) -> Layer | None:
        """The layer called so; None for a model input."""
        return self._layers.get(name)

    def source(self, value: str) -> Layer | None:
        """The layer that defines a value; None for a model input."""
        return next((p for p in self._layers.values() if value in p.outputs), None)

    def is_float(self, value: Value) -> bool:
        """False for tokens and class indices, which are integers in the source."""
        return not any(
            p in self._tokens or isinstance(self._layers.get(p), graph.ArgMax) for p in value.parts
        )


def _matrices(layer: Layer) -> list[Tensor]:
    return [v for v in vars(layer).values() if isinstance(v, Tensor)]


def _refuse_too_many(weights: int, layer: str) -> None:
    if weights > MAX_WEIGHTS:
        raise UnsupportedError(
            f"layer {quoted(layer)}: more than {MAX_WEIGHTS} weights in all; a model for a"
            " microcontroller must be smaller"
        )
