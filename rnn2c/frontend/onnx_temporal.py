"""ONNX operators over several time steps: Conv, pooling, Pad and reductions over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from rnn2c.frontend import temporal
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.given import Given
from rnn2c.frontend.onnx_node import Handler, Node, Operator
from rnn2c.frontend.temporal import Reduction, Window
from rnn2c.frontend.values import Operand, Value

REDUCTIONS: tuple[Reduction, ...] = ("mean", "sum", "max", "min")
WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")


def _window(node: Node, kernel: Sequence[int]) -> Window:
    """The numbers along the last axis; those of an axis of height 1 in front must do nothing."""
    rank = len(kernel)
    strides, dilations = node.ints("strides") or [1] * rank, node.ints("dilations") or [1] * rank
    pads = node.ints("pads") or [0] * 2 * rank
    if not rank == len(strides) == len(dilations) or len(pads) != 2 * rank or rank not in (1, 2):
        raise node.refuse(f"a kernel of {rank} dimensions; one along time is supported")
    if rank == 2 and (kernel[0], pads[0], pads[2]) != (1, 0, 0):
        raise node.refuse(f"a kernel of {list(kernel)}; only [1, k] along time is supported")
    ends = (pads[rank - 1], pads[-1])
    window = Window(kernel[-1], strides[-1], dilations[-1], ends).checked(node.where)
    match node.string("auto_pad", "NOTSET"):
        case "NOTSET":
            return window
        case "VALID":
            return Window(window.kernel, window.stride, window.dilation)
        case "SAME_UPPER" | "SAME_LOWER" as same:
            if window.stride > window.span + 1:
                raise node.refuse(
                    f"auto_pad {same} with stride {window.stride} for a kernel that spans"
                    f" {window.span + 1} steps is less than no padding; give pads in numbers"
                )
            time = node.value(0).axes[-1:]
            steps = time[0].size if time else None
            return window.same(same == "SAME_UPPER", steps, node.where)
        case other:
            raise node.refuse(f"auto_pad {other} is unknown")


def _flat(builder: Builder, node: Node, rank: int) -> Value:
    """The data as [batch, features, time]; an image [batch, features, 1, time] loses its height."""
    x = node.value(0)
    if rank == 2 and len(x.axes) == 4:
        return builder.layout.squeeze(x, [2], node.where)
    if rank == 2 or len(x.axes) != 3:
        raise node.refuse(f"data of {len(x.axes)} dimensions; [batch, features, time] is supported")
    return x


def _tall(builder: Builder, node: Node, rank: int, y: Value) -> list[Operand]:
    return [builder.layout.unsqueeze(y, [2], node.where) if rank == 2 else y]


def conv(builder: Builder, node: Node) -> Sequence[Operand]:
    """A convolution along the last axis."""
    weight = node.weights(1, "weight")
    rank = weight.ndim - 2
    kernel = node.ints("kernel_shape") or list(weight.shape[2:])
    if kernel != list(weight.shape[2:]):
        raise node.refuse(f"kernel_shape {kernel} for a weight of shape {list(weight.shape)}")
    window = _window(node, kernel)
    given, shape = node.given(1), (*weight.shape[:2], -1)
    flat = given.moved(lambda a: a.reshape(shape)) if given else weight.reshape(shape)
    bias = None if node.optional(2) is None else node.reals(2, "bias")
    x, groups = _flat(builder, node, rank), node.integer("group", 1)
    y = temporal.convolution(builder, node.stem, x, flat, bias, window, groups, node.where)
    return _tall(builder, node, rank, y)


def convolved(
    builder: Builder, node: Node, x: Value, weight: Given, bias: Given | None = None
) -> Value:
    """The convolution of a node whose attributes are those of Conv, on given integers."""
    reals = [None if g is None else np.asarray(g.real(), np.float32) for g in (weight, bias)]
    (y,) = conv(builder, replace(node, inputs=(x, *reals), quantities=(None, weight, bias)))
    assert isinstance(y, Value)
    return y


def _pool(function: Literal["max", "average"]) -> Handler:
    def handler(builder: Builder, node: Node) -> Sequence[Operand]:
        kernel = node.ints("kernel_shape")
        if not kernel:
            raise node.refuse("has no kernel_shape")
        window = _window(node, kernel)
        if node.integer("ceil_mode", 0) and window.stride > 1:
            raise node.refuse("ceil_mode=1 is not supported; use ceil_mode=0")
        node.integer("storage_order", 0)  # of the indices, which are not supported
        counted = bool(node.integer("count_include_pad", 0)) or not any(window.pads)
        x, where = _flat(builder, node, len(kernel)), node.where
        y = temporal.pool(builder, node.stem, x, function, window, counted, where)
        return _tall(builder, node, len(kernel), y)

    return handler


def _global(function: Reduction) -> Handler:
    def handler(builder: Builder, node: Node) -> Sequence[Operand]:
        x = node.value(0)
        at = range(2, len(x.axes))
        return [temporal.reduce_time(builder, node.stem, x, function, at, True, node.where)]

    return handler


def _reduce(function: Reduction) -> Handler:
    def handler(builder: Builder, node: Node) -> Sequence[Operand]:
        axes, keep = node.integers(1, "axes"), bool(node.integer("keepdims", 1))
        if node.integer("noop_with_empty_axes", 0) or not axes:
            raise node.refuse("reduces all axes; give the axis of time")
        return [
            temporal.reduce_time(
                builder, node.stem, node.value(0), function, axes, keep, node.where
            )
        ]

    return handler


def pad(builder: Builder, node: Node) -> Sequence[Operand]:
    """Zeros before and after the sequence."""
    mode = node.string("mode", "constant")
    if mode != "constant":
        raise node.refuse(f"mode {mode} is not supported; pad with zeros")
    pads = node.integers(1, "pads")
    value = node.optional(2)
    if isinstance(value, Value) or (value is not None and np.any(value)):
        raise node.refuse("pads with other numbers than 0; pad with zeros")
    if node.real("value", 0.0) != 0.0:
        raise node.refuse("pads with other numbers than 0; pad with zeros")
    x = node.value(0)
    rank = len(x.axes)
    axes = node.integers(3, "axes") or list(range(rank))
    if pads is None or len(pads) != 2 * len(axes):
        raise node.refuse("needs two numbers of padding for every axis")
    ends = {a % rank: (pads[k], pads[k + len(axes)]) for k, a in enumerate(axes)}
    used = {k: both for k, both in ends.items() if any(both)}
    if not used:
        return [x]
    return [temporal.pad_axis(builder, node.stem, x, used, node.where)]


_POOL = (*WINDOW, "ceil_mode")
OPERATORS = {
    "AveragePool": Operator(_pool("average"), (*_POOL, "count_include_pad")),
    "Conv": Operator(conv, (*WINDOW, "group"), inputs=3),
    "GlobalAveragePool": Operator(_global("mean")),
    "GlobalMaxPool": Operator(_global("max")),
    "MaxPool": Operator(_pool("max"), (*_POOL, "storage_order")),
    "Pad": Operator(pad, ("mode", "pads", "value"), inputs=4),
    **{
        f"Reduce{name.capitalize()}": Operator(
            _reduce(name), ("axes", "keepdims", "noop_with_empty_axes"), inputs=2
        )
        for name in REDUCTIONS
    },
}
