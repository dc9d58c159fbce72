"""Which axes the dimensions of a reshape stand for."""

from __future__ import annotations

from rnn2c.frontend.values import Axes, Axis


def match(
    kinds: Axes, axes: tuple[Axis, ...], dims: tuple[int | Axis, ...]
) -> tuple[Axis, ...] | None:
    """Axes for `dims` out of `axes` in order; an axis not among `axes` is a new unit."""
    if not dims:
        return () if all(may_go(kinds, a) for a in axes) else None
    first, rest = dims[0], dims[1:]
    if axes and _fits(kinds, axes[0], first):
        found = match(kinds, axes[1:], rest)
        if found is not None:
            return (axes[0], *found)
    if axes and may_go(kinds, axes[0]):
        found = match(kinds, axes[1:], dims)
        if found is not None:
            return found
    if first in (1, -1):
        found = match(kinds, axes, rest)
        if found is not None:
            return (Axis(1), *found)
    return None


def _fits(kinds: Axes, axis: Axis, dim: int | Axis) -> bool:
    if dim == -1 or dim is axis:
        return True
    size = dim.size if isinstance(dim, Axis) else dim
    return size is not None and (axis.size == size or (size == 1 and kinds.is_unit(axis)))


def may_go(kinds: Axes, axis: Axis) -> bool:
    """Whether an axis may be dropped: a unit, or unknown."""
    unknown = kinds.kind(axis) is None and axis.size is None
    return unknown or kinds.is_unit(axis)
