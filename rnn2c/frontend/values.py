"""What a tensor of the source graph stands for while it is imported.

    Operand = Value      vectors of the Model, laid out along axes
            | ndarray    a constant; a shape vector is an object array of ints and symbolic Axis

Layout operators only change `axes`, so a Model has no layout at all.  The meaning of an axis is
found out late, by its use: `Axes.bind` records it once and refuses a second, different one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import MAX_NAME, Rnn2cError, UnsupportedError, quoted

Kind = Literal["time", "unit", "part", "feature"]
Constant = NDArray[Any]

MAX_WEIGHT = 1e30

__all__ = [
    "Axes", "Axis", "Constant", "Kind", "Operand", "Value", "as_items", "check_values", "plain",
    "quoted", "shape_vector",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Axis:
    """One dimension, compared by identity; `size` is None where the file leaves it symbolic."""

    size: int | None
    label: str = ""


@dataclass(frozen=True)
class Value:
    """Vectors named `parts`, seen as a tensor with `axes`.

    More than one part needs an axis of kind `part` of that size (a stack of h_n).  A model input
    that is itself such a stack has one part, its name, until `Layout.parts` takes it apart.
    """

    parts: tuple[str, ...]
    axes: tuple[Axis, ...]


Operand = Value | Constant


class Axes:
    """The kinds of all axes: `time`, `feature`, `part` (one of several vectors), `unit` (size 1).

    The batch axis is a `unit`: a Model has no batch.
    """

    def __init__(self) -> None:
        self._kinds: dict[Axis, Kind] = {}
        self._twins: dict[Axis, list[Axis]] = {}
        self._assumed: set[Axis] = set()

    def assume(self, axis: Axis, kind: Kind) -> None:
        """What `axis` means unless it turns out to be time."""
        self._kinds[axis] = kind
        self._assumed.add(axis)

    def is_assumed(self, axis: Axis) -> bool:
        """Whether nothing has told yet what `axis` means."""
        return axis in self._assumed

    def kind(self, axis: Axis) -> Kind | None:
        return self._kinds.get(axis)

    def of_kind(self, kind: Kind) -> list[Axis]:
        return [axis for axis, known in self._kinds.items() if known == kind]

    def new(self, kind: Kind, size: int) -> Axis:
        axis = Axis(size)
        self._kinds[axis] = kind
        return axis

    def unit(self) -> Axis:
        return self.new("unit", 1)

    def is_unit(self, axis: Axis) -> bool:
        """True where the axis has size 1 and is not known to be time or features."""
        kind = self.kind(axis)
        return kind == "unit" or (kind is None and axis.size == 1)

    def bind(self, axis: Axis, kind: Kind, where: str) -> None:
        """Record what `axis` means; raises UnsupportedError on a conflict or a wrong size."""
        known = self._kinds.setdefault(axis, kind)
        if axis in self._assumed and kind in (known, "time"):
            self._assumed.discard(axis)
            known = self._kinds[axis] = kind
        if known != kind and not (kind == "unit" and axis.size == 1 and known != "time"):
            raise UnsupportedError(
                f"{where}: a dimension{_labelled(axis)} is used both as {known} and as {kind}"
            )
        if kind == "unit" and axis.size not in (None, 1):
            raise UnsupportedError(
                f"{where}: batch size {axis.size}; give batch 1 or a dynamic batch instead"
            )
        if axis.size == 0:
            raise UnsupportedError(f"{where}: a {kind} dimension of size 0; at least 1 is needed")
        for twin in self._twins.pop(axis, []):
            self.align(axis, twin, where)

    def align(self, a: Axis, b: Axis, where: str) -> None:
        """Two values are combined along these axes: they mean the same, known now or later."""
        if a is b:
            return
        kinds = self.kind(a), self.kind(b)
        sizes = a.size, b.size
        if None not in sizes and a.size != b.size:
            raise UnsupportedError(
                f"{where}: combines dimensions of {a.size} and {b.size}; sizes must be equal,"
                " repeat the smaller one before"
            )
        if None not in kinds and kinds[0] != kinds[1]:
            raise UnsupportedError(
                f"{where}: combines a {kinds[0]} dimension with a {kinds[1]} dimension; both values"
                " must be per step or both per sequence"
            )
        if kinds[0] is not None:
            self.bind(b, kinds[0], where)
        elif kinds[1] is not None:
            self.bind(a, kinds[1], where)
        else:
            self._twins.setdefault(a, []).append(b)
            self._twins.setdefault(b, []).append(a)

    def extent(self, item: int | Axis, where: str) -> int:
        """A dimension of a constant; a symbolic one can only be the batch, which is 1."""
        if isinstance(item, Axis):
            if item.size is None:
                self.bind(item, "unit", where)
            return 1 if item.size is None else item.size
        return int(item)


def _labelled(axis: Axis) -> str:
    return f" {quoted(axis.label)}" if axis.label else ""


def as_items(constant: Constant) -> tuple[int | Axis, ...]:
    """A shape vector as a tuple; raises Rnn2cError unless it is one of integers and axes."""
    items = constant.reshape(-1).tolist()
    if not all(isinstance(i, (int, Axis)) for i in items):
        raise Rnn2cError("a shape must be a vector of integers")
    return tuple(items)


def shape_vector(items: Iterable[int | Axis]) -> Constant:
    """The inverse of as_items: int64 where every item is known, else an object array."""
    values = [i.size if isinstance(i, Axis) and i.size is not None else i for i in items]
    if all(isinstance(i, int) for i in values):
        return np.array(values, np.int64)
    vector = np.empty(len(values), object)
    vector[:] = values
    return vector


def check_values(values: Constant, where: str) -> None:
    """Raise Rnn2cError unless every float in a tensor of a file is finite and usable."""
    if not np.issubdtype(values.dtype, np.floating):
        return
    with np.errstate(invalid="ignore"):  # a signalling NaN complains about the cast alone
        good = np.abs(values.astype(np.float64)) <= MAX_WEIGHT
    if not np.all(good):
        index = tuple(int(k) for k in np.argwhere(~good)[0])
        raise Rnn2cError(
            f"{where}: element {list(index)} is {values[index]:g}; weights must be finite and at "
            f"most {MAX_WEIGHT:g}"
        )


def plain(name: str) -> str:
    """A layer name made of letters, digits, `_` and `.` only."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._") else "_" for c in name)
    return kept.strip("._")[:MAX_NAME]


def part_names(name: str, count: int) -> tuple[str, ...]:
    """Names of the vectors of a stacked input or output: NAME.0, NAME.1, ..."""
    return tuple(part_name(name, k) for k in range(count))


def part_name(name: str, index: int) -> str:
    """The name of one of them."""
    return f"{name}.{index}"


def position(index: int, rank: int, where: str) -> int:
    """A non-negative axis position; raises Rnn2cError where it is outside the rank."""
    if not -rank <= index < rank:
        raise Rnn2cError(f"{where}: axis {index} of a tensor with {rank} axes")
    return index % rank
