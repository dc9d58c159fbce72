"""Layers that look over several time steps, for all front ends: convolution, pooling, reductions.

They take [batch, features, time], where images have their width: the last axis is time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend import pointwise
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.compose import extreme_feature, over_features, padded
from rnn2c.frontend.given import Array, Given
from rnn2c.frontend.values import Axis, Value, position
from rnn2c.ir.graph import FloatArray, Linear, Tensor
from rnn2c.ir.temporal import Conv1d, Pool, Reduce

MOST_TAPS, MOST_SPAN = 1024, 2**14
Reduction = Literal["mean", "sum", "max", "min"]


@dataclass(frozen=True)
class Window:
    """The numbers of a kernel along time; pads: before and after."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    pads: tuple[int, int] = (0, 0)

    def checked(self, where: str) -> Window:
        """The same; Rnn2cError for numbers that make no window."""
        numbers = (self.kernel, self.stride, self.dilation)
        if min(numbers) < 1 or max(*numbers, *map(abs, self.pads)) > 2**16:
            raise Rnn2cError(f"{where}: kernel, stride and dilation {list(numbers)}")
        if self.kernel > MOST_TAPS or self.span > MOST_SPAN:
            raise UnsupportedError(
                f"{where}: a kernel of {self.kernel} taps that spans {self.span + 1} steps; at most"
                f" {MOST_TAPS} taps and {MOST_SPAN} steps are supported"
            )
        return self

    @property
    def span(self) -> int:
        return self.dilation * (self.kernel - 1)

    def same(self, upper: bool, steps: int | None, where: str) -> Window:
        """Padded so that there are as many outputs as inputs, or one for each stride of them.

        steps: the length of the sequence, which the padding depends on where there is a stride.
        """
        total = self.span
        if self.stride != 1 and steps is None and self.span:
            raise UnsupportedError(
                f"{where}: padding 'same' with stride {self.stride} depends on the length of the"
                " sequence; fix the length, give the padding in numbers, or pad on the left alone"
            )
        if self.stride != 1:
            over = (steps or 0) % self.stride or self.stride
            total = max(self.span + 1 - over, 0)
        less = total // 2
        before, after = (less, total - less) if upper else (total - less, less)
        if self.stride != 1 and after:
            raise UnsupportedError(
                f"{where}: padding 'same' with stride {self.stride} puts {after} of its rows"
                f" behind the last of {steps} steps; with a stride only rows in front are"
                " supported: pad on the left alone (causal), or use stride 1"
            )
        return replace(self, pads=(before, after))

    def steps(self, size: int | None) -> int | None:
        """How many outputs there are for so many inputs."""
        if size is None:
            return None
        return (size + sum(self.pads) - self.span - 1) // self.stride + 1


def convolution(
    builder: Builder, stem: str, x: Value, weight: FloatArray | Given, bias: FloatArray | None,
    window: Window, groups: int, where: str,
) -> Value:  # fmt: skip
    """x [batch, features, time] (or without batch), weight [out, features / groups, kernel]."""
    if len(weight.shape) != 3 or weight.shape[2] != window.kernel:
        raise UnsupportedError(
            f"{where}: the weight has shape {list(weight.shape)}; only kernels along one axis, the"
            " last, are supported"
        )
    rows = weight.shape[0]
    features = _bind(builder, x, where)
    if groups < 1 or rows % groups or features != weight.shape[1] * groups:
        raise Rnn2cError(
            f"{where}: a weight of shape {list(weight.shape)} in {groups} groups for {features}"
            " features"
        )
    bias = np.zeros(rows) if bias is None else np.asarray(bias, np.float64).reshape(-1)
    if bias.shape != (rows,):
        raise Rnn2cError(f"{where}: the bias has shape {list(bias.shape)}, expected [{rows}]")
    source, whole = _padded(builder, pointwise.vector(builder, x, where), window)
    name = builder.unique(stem, "conv")
    common = {"name": name, "inputs": (source,), "weight": _taps(weight, where), "bias": bias}
    if whole == Window(1) and groups == 1:
        builder.add(Linear(**common))  # type: ignore[arg-type]
    else:
        builder.add(Conv1d(**common, **vars(whole), groups=groups))  # type: ignore[arg-type]
    return _shown(builder, x, name, rows, window, where)


def _taps(weight: FloatArray | Given, where: str) -> Tensor:
    """[out, features, kernel] as rows of one tap after the other."""

    def move(array: Array) -> Array:
        return array.transpose(0, 2, 1).reshape(array.shape[0], -1)

    if isinstance(weight, Given):
        return weight.moved(move).tensor(where)
    return Tensor(np.array(move(np.asarray(weight, np.float64))))


def pool(
    builder: Builder, stem: str, x: Value, function: Literal["max", "average"], window: Window,
    count_pads: bool, where: str,
) -> Value:  # fmt: skip
    """The largest or the average of every window, feature by feature.

    A window of all steps that the source has is a reduction of the whole sequence.
    """
    if window == Window(x.axes[-1].size or 0, window.stride):
        reduction: Reduction = "max" if function == "max" else "mean"
        return reduce_time(builder, stem, x, reduction, [len(x.axes) - 1], True, where)
    features = _bind(builder, x, where)
    if max(window.pads) >= max(window.kernel, 2):
        raise Rnn2cError(f"{where}: padding {list(window.pads)} for a kernel of {window.kernel}")
    name = builder.unique(stem, f"{function}_pool")
    source = pointwise.vector(builder, x, where)
    given = vars(window)
    builder.add(
        Pool(name=name, inputs=(source,), function=function, count_pads=count_pads, **given)
    )
    return _shown(builder, x, name, features, window, where)


def pad_axis(
    builder: Builder, stem: str, x: Value, ends: Mapping[int, tuple[int, int]], where: str
) -> Value:
    """Zeros before and after one axis: time or the features."""
    ((at, pads), *more) = ends.items()
    if more:
        raise UnsupportedError(f"{where}: pads {len(ends)} axes; pad one after the other")
    axis = x.axes[at]
    if builder.axes.kind(axis) == "feature" and not builder.axes.is_assumed(axis):
        return padded(builder, stem, x, at, pads[0], pads[1], 0.0, where)
    if at == len(x.axes) - 1:
        return pad(builder, stem, x, pads, where)
    swapped = tuple(range(len(x.axes)))
    if at != len(x.axes) - 2:
        raise UnsupportedError(f"{where}: pads axis {at}; only time can be padded")
    order = (*swapped[:-2], swapped[-1], swapped[-2])
    moved = pad(builder, stem, builder.layout.transpose(x, order, where), pads, where)
    return builder.layout.transpose(moved, order, where)


def pad(builder: Builder, stem: str, x: Value, pads: tuple[int, int], where: str) -> Value:
    """Zeros before and after the sequence; the convolution that reads them takes them over."""
    features = _bind(builder, x, where)
    if min(pads) < 0:
        raise UnsupportedError(f"{where}: cuts steps off ({list(pads)}); do it before the model")
    name = builder.unique(stem, "pad")
    source, whole = _padded(builder, pointwise.vector(builder, x, where), Window(1, pads=pads))
    builder.add(Pool(name=name, inputs=(source,), function="average", **vars(whole)))
    return _shown(builder, x, name, features, Window(1, pads=pads), where)


def _padded(builder: Builder, source: str, window: Window) -> tuple[str, Window]:
    """What a convolution reads, and its window, with the padding in front of it taken over."""
    layer = builder.layer(source)
    if isinstance(layer, Pool) and (layer.kernel, layer.stride) == (1, 1):
        pads = (layer.pads[0] + window.pads[0], layer.pads[1] + window.pads[1])
        return layer.inputs[0], replace(window, pads=pads)
    return source, window


def reduce_time(
    builder: Builder, stem: str, x: Value, function: Reduction, at: Sequence[int], keep: bool,
    where: str,
) -> Value:  # fmt: skip
    """One vector of all steps; at: axes of the source, of which one is time, the others units."""
    positions = sorted({position(k, len(x.axes), where) for k in at})
    wide = [k for k in positions if not builder.axes.is_unit(x.axes[k])]
    if len(wide) != 1 or builder.axes.kind(x.axes[wide[0]]) not in (None, "time"):
        unbound = [k for k in wide if not builder.axes.is_assumed(x.axes[k])]
        if len(wide) == 1 and unbound:
            return _reduce_features(builder, stem, x, function, wide[0], keep, where)
        if len(wide) != 1:
            raise UnsupportedError(
                f"{where}: {function} over axes {positions}; give one of them, time or the features"
            )
    builder.axes.bind(x.axes[wide[0]], "time", where)
    rest = [k for k in range(len(x.axes)) if k not in positions]
    open_ = [k for k in rest if builder.axes.kind(x.axes[k]) is None and x.axes[k].size != 1]
    if len(open_) == 1 and x.axes[open_[0]].size is not None:
        builder.axes.bind(x.axes[open_[0]], "feature", where)
    name = builder.unique(stem, function)
    source = pointwise.vector(builder, x, where)
    builder.add(Reduce(name=name, inputs=(source,), function=function))
    axes = tuple(
        (builder.axes.unit() if k in positions else a)
        for k, a in enumerate(x.axes)
        if keep or k not in positions
    )
    return Value((name,), axes)


def _reduce_features(
    builder: Builder, stem: str, x: Value, function: Reduction, at: int, keep: bool, where: str
) -> Value:
    if function == "max" or function == "min":
        return extreme_feature(builder, stem, x, function, at, keep, where)
    return over_features(builder, stem, x, at, where, mean=function == "mean", keep=keep)


def _bind(builder: Builder, x: Value, where: str) -> int:
    """The axes are [batch, features, time] or [features, time]; returns the feature size."""
    rank = len(x.axes)
    if rank not in (2, 3):
        raise UnsupportedError(
            f"{where}: data of {rank} dimensions; only [batch, features, time] is supported"
        )
    builder.axes.bind(x.axes[-1], "time", where)
    builder.axes.bind(x.axes[-2], "feature", where)
    if rank == 3:
        builder.axes.bind(x.axes[0], "unit", where)
    if x.axes[-2].size is None:
        raise UnsupportedError(f"{where}: the number of features is not fixed")
    return x.axes[-2].size


def _shown(builder: Builder, x: Value, name: str, rows: int, window: Window, where: str) -> Value:
    steps = window.steps(x.axes[-1].size)
    if steps is not None and steps < 1:
        raise Rnn2cError(
            f"{where}: {x.axes[-1].size} steps are too few for a kernel that spans"
            f" {window.span + 1}; export with a longer sequence"
        )
    time = Axis(steps)
    builder.axes.bind(time, "time", where)
    return Value((name,), (*x.axes[:-2], builder.axes.new("feature", rows), time))
