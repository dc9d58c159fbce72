"""Layout operators on Values: they permute, drop, add and pick axes and never touch a number.

Picking the last step of a time axis is the one that computes: it asks for a LastStep layer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.loops import ADVICE, Loops
from rnn2c.frontend.matching import match, may_go
from rnn2c.frontend.values import Axes, Axis, Kind, Value, part_names, position

OverTime = Literal["last", "first", "flip"]
ENDLESS = 2**31 - 1
MOST_PICKED = 2**16


@dataclass(frozen=True, eq=False)
class Layout:
    """The operators; callbacks make layers and return the names of their values.

    pick: some elements of a vector; join: vectors one after the other; over_time: of a per-step
    vector its last or first step, or all in opposite order; trim: a value without its last steps,
    None where these are no padding; loops: of time steps.
    """

    axes: Axes
    raw_inputs: Collection[str]
    over_time: Callable[[str, OverTime], str]
    pick: Callable[[str, Sequence[int]], str]
    join: Callable[[Sequence[str]], str]
    trim: Callable[[str, int], str | None]
    loops: Loops

    def transpose(self, value: Value, order: Sequence[int], where: str) -> Value:
        if sorted(order) != list(range(len(value.axes))):
            raise Rnn2cError(f"{where}: {list(order)} is no order of {len(value.axes)} axes")
        return Value(value.parts, tuple(value.axes[k] for k in order))

    def squeeze(self, value: Value, positions: Sequence[int] | None, where: str) -> Value:
        """Drop axes of size 1; None means all of them except time."""
        rank = len(value.axes)
        if positions is None:
            chosen = {
                k for k, a in enumerate(value.axes) if a.size == 1 and self.axes.kind(a) != "time"
            }
        else:
            chosen = {position(k, rank, where) for k in positions}
        for k in chosen:
            if value.axes[k].size != 1 or self.axes.kind(value.axes[k]) == "time":
                self.axes.bind(value.axes[k], "unit", where)
        return Value(value.parts, tuple(a for k, a in enumerate(value.axes) if k not in chosen))

    def unsqueeze(self, value: Value, positions: Sequence[int], where: str) -> Value:
        rank = len(value.axes) + len(positions)
        new = {position(k, rank, where) for k in positions}
        if len(new) != len(positions):
            raise Rnn2cError(f"{where}: axes {list(positions)} name one axis twice")
        old = iter(value.axes)
        axes = tuple(self.axes.unit() if k in new else next(old) for k in range(rank))
        return Value(value.parts, axes)

    def reshape(self, value: Value, dims: Sequence[int | Axis], where: str) -> Value:
        """Only axes of size 1 may come or go; -1 stands for whatever fits.

        A stack whose features come next may become one vector: both directions of a layer.
        """
        axes = match(self.axes, value.axes, tuple(dims))
        if axes is None:  # one feature needs no dimension of its own
            wide = [a for a in value.axes if (a.size, self.axes.kind(a)) != (1, "feature")]
            if len(wide) < len(value.axes):
                axes = match(self.axes, tuple(wide), tuple(dims))
        if axes is None:
            joined = self._unstacked(value)
            if joined is not None and match(self.axes, joined.axes, tuple(dims)) is not None:
                return self.reshape(self._merged(joined), dims, where)
            sizes = [a.size if a.size is not None else a.label or "?" for a in value.axes]
            wanted = [d if isinstance(d, int) else d.label or "?" for d in dims]
            raise UnsupportedError(
                f"{where}: reshapes {sizes} to {wanted}; only dimensions of size 1 may be added or "
                "removed"
            )
        for axis in set(value.axes) - set(axes):
            self.axes.bind(axis, "unit", where)
        fresh = tuple(a if a in value.axes else self.axes.unit() for a in axes)
        return Value(value.parts, fresh)

    def _unstacked(self, value: Value) -> Value | None:
        """The axes of a stack and its features as one, if nothing but units lies between them."""
        kinds = [self.axes.kind(a) for a in value.axes]
        if "part" not in kinds or "feature" not in kinds:
            return None
        stack, features = kinds.index("part"), kinds.index("feature")
        between = value.axes[stack + 1 : features]
        if stack > features or not all(may_go(self.axes, a) for a in between):
            return None
        size = len(self.parts(value)) * (value.axes[features].size or 0)
        one = self.axes.new("feature", size)
        axes = (*value.axes[:stack], *between, one, *value.axes[features + 1 :])
        return Value(self.parts(value), axes)

    def _merged(self, stack: Value) -> Value:
        return Value((self.join(stack.parts),), stack.axes)

    def flatten(self, value: Value, first: int, last: int, where: str) -> Value:
        """Merge the axes first..last; all but one of them must have size 1."""
        merged = value.axes[first : last + 1]
        kinds = {self.axes.kind(a) for a in merged}
        joined = self._unstacked(value) if {"part", "feature"} <= kinds else None
        if joined is not None:
            return self.flatten(self._merged(joined), first, last - 1, where)
        wide = [a for a in merged if not may_go(self.axes, a)]
        if len(wide) > 1:
            sizes = [a.size if a.size is not None else a.label or "?" for a in merged]
            raise UnsupportedError(
                f"{where}: flattens {sizes}; time and features cannot be merged, select the last "
                "step instead"
            )
        kept = wide[0] if wide else self.axes.unit()
        for axis in merged:
            if axis is not kept:
                self.axes.bind(axis, "unit", where)
        return Value(value.parts, (*value.axes[:first], kept, *value.axes[last + 1 :]))

    def select(self, value: Value, at: int, index: int, where: str) -> Value:
        """Pick one element of an axis and drop the axis."""
        axis = value.axes[at]
        rest = (*value.axes[:at], *value.axes[at + 1 :])
        if axis.size is not None and not -axis.size <= index < axis.size:
            raise Rnn2cError(f"{where}: index {index} is outside a dimension of {axis.size}")
        kind = self._kind_when_selected(value, axis, index)
        if kind == "part" and self.axes.kind(axis) is None:  # or time, if the steps of a loop
            return Value((self.loops.row(value.parts[0], index, axis, where),), rest)
        self.axes.bind(axis, kind, where)
        if kind == "part":
            return Value((self.parts(value)[index],), rest)
        if kind == "unit":
            return Value(value.parts, rest)
        if kind == "feature":
            if axis.size == 1:
                return Value(value.parts, rest)
            name = self.pick(self._one(value, where), [index % (axis.size or 1)])
            return Value((name,), rest)
        if index == -1 or (axis.size is None and index == 0):
            end: OverTime = "first" if index == 0 else "last"
            return Value(tuple(self.over_time(p, end) for p in value.parts), rest)
        if axis.size is None:
            raise UnsupportedError(f"{where}: picks time step {index}; {ADVICE}")
        at_step = (self.loops.row(p, index % axis.size, axis, where) for p in value.parts)
        return Value(tuple(at_step), rest)

    def flip(self, value: Value, at: int, where: str) -> Value:
        """An axis in opposite order: time, features or a stack."""
        axis = value.axes[at]
        if self.axes.kind(axis) == "feature" and axis.size is not None:
            return self.take(value, at, range(axis.size)[::-1], where)
        if self.axes.is_unit(axis):
            return value
        if self.axes.kind(axis) == "part":
            return Value(self.parts(value)[::-1], value.axes)
        self.axes.bind(axis, "time", where)
        return Value(tuple(self.over_time(p, "flip") for p in value.parts), value.axes)

    def _kind_when_selected(self, value: Value, axis: Axis, index: int) -> Kind:
        kind = self.axes.kind(axis)
        if kind is not None:
            return kind
        if axis.size == 1 or (axis.size is None and index == 0):
            return "unit"
        return "part" if self._is_raw(value) and axis.size is not None else "time"

    def _is_raw(self, value: Value) -> bool:
        return len(value.parts) == 1 and value.parts[0] in self.raw_inputs

    def parts(self, value: Value) -> tuple[str, ...]:
        """Names of all vectors of `value`, a stacked model input taken apart."""
        stack = next((a for a in value.axes if self.axes.kind(a) == "part"), None)
        if stack is None or stack.size is None or len(value.parts) == stack.size:
            return value.parts
        return part_names(value.parts[0], stack.size)

    def slice(self, value: Value, at: int, start: int, stop: int, step: int, where: str) -> Value:
        """Everything, the last step, or a range of the layers of a stack."""
        axis = value.axes[at]
        if step == 1 and start == 0 and stop >= (ENDLESS if axis.size is None else axis.size):
            return value
        if self.axes.kind(axis) == "time" and (start, step) == (0, 1):
            trimmed = self._trimmed(value, at, stop)
            if trimmed is not None:
                return trimmed
        if self.axes.kind(axis) == "feature" and axis.size is not None:
            return self.take(value, at, range(axis.size)[slice(start, stop, step)], where)
        whole = (axis.size or ENDLESS) - 1
        if step == -1 and start in (-1, whole, ENDLESS) and stop < -whole:
            return self.flip(value, at, where)
        if step != 1:
            raise UnsupportedError(
                f"{where}: slices with step {step}; only step 1, or -1 over all of it, is supported"
            )
        if axis.size is None:
            picked = [start] if (start, stop >= ENDLESS) == (-1, True) else []
            picked = [start] if (start, stop) == (0, 1) else picked
        else:
            picked = list(range(axis.size))[slice(start, stop)]
            if len(picked) == axis.size > 1:
                return value
        if len(picked) == 1:
            return self.unsqueeze(self.select(value, at, picked[0], where), [at], where)
        if picked and (
            self.axes.kind(axis) == "part" or (self.axes.kind(axis) is None and self._is_raw(value))
        ):
            self.axes.bind(axis, "part", where)
            names = self.parts(value)
            axes = (*value.axes[:at], self.axes.new("part", len(picked)), *value.axes[at + 1 :])
            return Value(tuple(names[k] for k in picked), axes)
        raise UnsupportedError(
            f"{where}: slices {start}:{stop} of a dimension; only the last time step (-1:), "
            "features or layers of h_n can be sliced"
        )

    def _trimmed(self, value: Value, at: int, stop: int) -> Value | None:
        """The value without its last steps, if they come from padding alone."""
        axis = value.axes[at]
        size = axis.size if stop >= 0 else 0
        count = 0 if size is None else size - stop
        names = [self.trim(p, count) if count > 0 else None for p in value.parts]
        if None in names:
            return None
        left = Axis(None if axis.size is None else axis.size - count)
        self.axes.bind(left, "time", "")
        axes = (*value.axes[:at], left, *value.axes[at + 1 :])
        return Value(tuple(n for n in names if n), axes)

    def take(self, value: Value, at: int, indices: Sequence[int], where: str) -> Value:
        """Some features, in any order."""
        axis = value.axes[at]
        size = axis.size or 0
        if self.axes.kind(axis) != "feature":
            raise UnsupportedError(
                f"{where}: picks {len(indices)} elements of a dimension; only features or one time "
                "step, the last, can be picked"
            )
        if len(indices) > MOST_PICKED:
            raise UnsupportedError(
                f"{where}: picks {len(indices)} features; at most {MOST_PICKED} can be picked"
            )
        if not indices or not all(-size <= k < size for k in indices):
            raise Rnn2cError(f"{where}: picks {list(indices)[:8]} of {size} features")
        name = self.pick(self._one(value, where), [k % size for k in indices])
        new = self.axes.new("feature", len(indices))
        return Value((name,), (*value.axes[:at], new, *value.axes[at + 1 :]))

    def _one(self, value: Value, where: str) -> str:
        """The only vector of a value."""
        if len(self.parts(value)) != 1:
            raise UnsupportedError(f"{where}: reads a stack of layers; select one of them first")
        return value.parts[0]

    def concat(self, values: Sequence[Value], at: int, where: str) -> Value:
        """Stack vectors (the h_n of several layers) along an axis that is not a computed one."""
        if len(values) == 1:
            return values[0]
        if any(len(a.axes) != len(b.axes) for a, b in pairwise(values)):
            raise Rnn2cError(f"{where}: the inputs have different ranks")
        if all(self.axes.kind(v.axes[at]) == "feature" for v in values):
            return self._joined(values, at, where)
        names: list[str] = []
        for value in values:
            axis = value.axes[at]
            if not (self.axes.is_unit(axis) or self.axes.kind(axis) == "part"):
                raise UnsupportedError(
                    f"{where}: concatenates along time; only features or the h_n or c_n of several "
                    "layers can be stacked"
                )
            names.extend(self.parts(value))
        axes = values[0].axes
        rolled = self.loops.stacked(names) if len(names) == len(values) > 1 else None
        if rolled is not None:
            return Value(rolled[:1], (*axes[:at], rolled[1], *axes[at + 1 :]))
        stacked = self.axes.new("part", len(names))
        return Value(tuple(names), (*axes[:at], stacked, *axes[at + 1 :]))

    def _joined(self, values: Sequence[Value], at: int, where: str) -> Value:
        """Vectors one after the other; all other axes must agree."""
        axes = values[0].axes
        for value in values:
            self._one(value, where)
            for k, axis in enumerate(value.axes):
                if k != at:
                    self.axes.align(axes[k], axis, where)
        size = sum(v.axes[at].size or 0 for v in values)
        name = self.join([v.parts[0] for v in values])
        return Value((name,), (*axes[:at], self.axes.new("feature", size), *axes[at + 1 :]))
