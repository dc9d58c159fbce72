"""Layers that look over several time steps, and when their results exist.

A layer with a kernel computes its output o from the inputs o * stride + dilation * j - pads[0] for
taps j = 0 .. kernel-1.  The newest of them has to be there: without padding at the end (pads[1] =
0) the result belongs to that step, else to the whole sequence (rate `window`).

Every value of rate `step` exists at certain steps only: its Times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.ir import functions
from rnn2c.ir.graph import FloatArray, IntArray, Layer, Linear, Model


class Times(NamedTuple):
    """The time steps first, first + every, first + 2 every, ..."""

    first: int
    every: int


ALWAYS = Times(0, 1)
MOST_WAIT = 2**16 - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Framed(Layer):
    """Base of the layers with a kernel.  pads: zero rows before and after the sequence."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    pads: tuple[int, int] = (0, 0)

    @property
    def span(self) -> int:
        """Steps from the oldest to the newest tap."""
        return self.dilation * (self.kernel - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv1d(Framed, Linear):
    """A Linear layer of the last steps: weight [out, kernel * in / groups], columns of the oldest
    tap first  (torch.nn.Conv1d, whose weight is [out, in / groups, kernel]).

    Rows and features fall into `groups` equal parts; a part of the rows reads its part of x.
    """

    groups: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Framed):
    """The largest or the average of the taps, feature by feature.

    count_pads: zeros of the padding count in an average; they never count for the largest.
    """

    function: Literal["max", "average"]
    count_pads: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Reduce(Layer):
    """All steps of a sequence in one vector, feature by feature; of rate `sequence`."""

    function: Literal["mean", "sum", "max", "min"]


def described(layer: Framed | Reduce) -> str:
    """The numbers of a layer in a few words."""
    if isinstance(layer, Reduce):
        return layer.function
    texts = [f"kernel {layer.kernel}"]
    texts += [f"stride {layer.stride}"] if layer.stride > 1 else []
    texts += [f"dilation {layer.dilation}"] if layer.dilation > 1 else []
    texts += [f"pads {layer.pads[0]} {layer.pads[1]}"] if any(layer.pads) else []
    match layer:
        case Conv1d(groups=groups, activation=activation):
            texts += [f"{groups} groups"] if groups > 1 else []
            texts += [activation] if activation else []
        case Pool(function=function, count_pads=count_pads):
            texts = [function, *texts, *([] if count_pads else ["padding left out"])]
    return ", ".join(texts)


def needs_window(layer: Layer) -> bool:
    """Whether the layer reads steps after the one that its result belongs to."""
    return isinstance(layer, Framed) and layer.pads[1] > 0


def infer_times(model: Model) -> dict[str, Times]:
    """When each value exists that is not of rate `sequence`; UnsupportedError where values of
    different times are combined.
    """
    rates = model.rates()
    times = {i.name: ALWAYS for i in model.sources}
    for layer in model.layers:
        found = {times[n] for n in layer.data_inputs if rates[n] != "sequence"}
        if len(found) > 1:
            raise UnsupportedError(
                f"layer '{layer.name}' combines values of different time steps:"
                f" {_listed(layer, times)}; give its branches the same strides, and padding on the"
                " left instead of the right"
            )
        own = found.pop() if found else ALWAYS
        if isinstance(layer, Framed):
            own = _framed(layer, own, rates[layer.name] == "window")
        times.update(dict.fromkeys(layer.outputs, own))
    for delay in model.delays:
        if times[delay.value] != ALWAYS:
            raise UnsupportedError(
                f"'{delay.name}' delays '{delay.value}', which does not exist at every step"
            )
    return times


def _framed(layer: Framed, x: Times, waits: bool) -> Times:
    check_framed(layer)
    wait = layer.span - layer.pads[0]
    if waits:
        if layer.stride != 1 or sum(layer.pads) != layer.span:
            raise UnsupportedError(
                f"layer '{layer.name}': needs the whole sequence, with stride {layer.stride} and"
                f" {sum(layer.pads)} rows of padding for a kernel that spans {layer.span + 1}"
                " steps; only padding that keeps the number of steps ('same', stride 1) or, where"
                " all of the model runs step by step, padding on the left alone is supported"
            )
        return x
    if wait < 0:
        raise UnsupportedError(
            f"layer '{layer.name}': {layer.pads[0]} rows of padding before the first step for a"
            f" kernel that spans {layer.span + 1} steps; at most {layer.span} are supported"
        )
    times = Times(x.first + x.every * wait, x.every * layer.stride)
    if sum(times) > MOST_WAIT:
        raise UnsupportedError(
            f"layer '{layer.name}': first has a result at step {times.first}, then every"
            f" {times.every} steps; at most {MOST_WAIT} in all can be counted"
        )
    return times


def _listed(layer: Layer, times: dict[str, Times]) -> str:
    return ", ".join(
        f"'{n}' from step {times[n].first} every {times[n].every}" for n in layer.data_inputs
    )


def columns(layer: Conv1d, size: int) -> int:
    """Columns of the weight for an input of `size` features; Rnn2cError for unfit numbers."""
    check_framed(layer)
    rows = layer.weight.shape[0]
    if layer.groups < 1 or size % layer.groups or rows % layer.groups:
        raise Rnn2cError(
            f"layer '{layer.name}': {layer.groups} groups of {size} features and {rows} outputs"
        )
    return layer.kernel * size // layer.groups


def check_framed(layer: Framed) -> None:
    """Raise Rnn2cError for numbers that make no layer."""
    for what, least in (("kernel", 1), ("stride", 1), ("dilation", 1)):
        if getattr(layer, what) < least:
            raise Rnn2cError(f"layer '{layer.name}': {what} {getattr(layer, what)}")
    if min(layer.pads) < 0:
        raise UnsupportedError(
            f"layer '{layer.name}': negative padding {list(layer.pads)}; cut the sequence before it"
            " is given to the model"
        )


def evaluate(layer: Framed | Reduce, x: FloatArray) -> FloatArray:
    """x [..., T, n] -> [..., K, n] (Reduce: [..., n])."""
    match layer:
        case Reduce(function=function):
            fold = {"mean": np.mean, "sum": np.sum, "max": np.max, "min": np.min}[function]
            return np.asarray(fold(x, axis=-2))  # type: ignore[operator]
        case Conv1d():
            return _convolution(layer, _frames(layer, x, 0.0))
        case Pool(function="max"):
            return np.asarray(_frames(layer, x, -np.inf).max(axis=-2))
        case Pool(count_pads=count_pads):
            total = _frames(layer, x, 0.0).sum(axis=-2)
            there = _frames(layer, np.ones((x.shape[-2], 1)), 1.0 if count_pads else 0.0)
            return np.asarray(total / there.sum(axis=-2))
    raise Rnn2cError(f"layer '{layer.name}': no evaluation of {type(layer).__name__}")


def taps(layer: Framed, steps: int) -> IntArray:
    """[K, kernel]: the padded steps that each output reads; K is 0 for too short a sequence."""
    count = max(0, (steps + sum(layer.pads) - layer.span - 1) // layer.stride + 1)
    reach = layer.dilation * np.arange(layer.kernel)
    return np.asarray(layer.stride * np.arange(count)[:, None] + reach, np.int64)


def _frames(layer: Framed, x: FloatArray, fill: float) -> FloatArray:
    """[..., K, kernel, n]"""
    read = taps(layer, x.shape[-2])
    if not len(read):
        raise Rnn2cError(
            f"layer '{layer.name}': {x.shape[-2]} steps are too few for a kernel that spans"
            f" {layer.span + 1}; give longer sequences"
        )
    around = [(0, 0)] * (x.ndim - 2) + [layer.pads, (0, 0)]
    padded = np.pad(x, around, constant_values=fill)
    return np.asarray(padded[..., read, :])


def _convolution(layer: Conv1d, frames: FloatArray) -> FloatArray:
    weight, width = layer.weight.real(), frames.shape[-1] // layer.groups
    rows = len(weight) // layer.groups
    parts = []
    for g in range(layer.groups):
        own = frames[..., g * width : (g + 1) * width]
        flat = own.reshape(*own.shape[:-2], layer.kernel * width)
        parts.append(flat @ weight[g * rows : (g + 1) * rows].T)
    return functions.apply(layer.activation, np.concatenate(parts, axis=-1) + layer.bias)
