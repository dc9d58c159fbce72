"""The aten operators over several time steps: convolution, pooling, padding, reductions."""

from __future__ import annotations

from typing import Any, Literal

from rnn2c.frontend import temporal
from rnn2c.frontend.given import Given
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.temporal import Reduction, Window


def _one(call: Call, name: str, default: int) -> int:
    """A number that may be given as a list of one."""
    found = call.get(name)
    if isinstance(found, (list, tuple)):
        if len(found) > 1:
            raise call.refuse(f"argument {name} has {len(found)} numbers; one is supported")
        found = found[0] if found else None
    return default if found is None else int(found)


def conv1d(call: Call) -> Result:
    """A convolution of [batch, features, time]."""
    found, given = call.get("weight"), call.get("bias")
    weight = found if isinstance(found, Given) else call.weight("weight")
    bias = None if given is None else call.weight("bias")
    if len(weight.shape) != 3:
        raise call.refuse(f"a weight of {len(weight.shape)} dimensions; use Conv1d")
    kernel, padding = weight.shape[2], call.get("padding", 0)
    window = Window(kernel, _one(call, "stride", 1), _one(call, "dilation", 1)).checked(call.where)
    if padding == "same":
        window = window.same(True, None, call.where)
    elif padding != "valid":
        both = _one(call, "padding", 0)
        window = Window(kernel, window.stride, window.dilation, (both, both)).checked(call.where)
    groups, x = int(call.get("groups", 1)), call.value("input")
    return temporal.convolution(
        call.builder, call.path, x, weight, bias, window, groups, call.where
    )


def convolution(call: Call) -> Result:
    """The general form of convolution, as a decomposed program has it."""
    if call.get("transposed") or any(call.get("output_padding", [])):
        raise call.refuse("a transposed convolution; only Conv1d is supported")
    return conv1d(call)


def pool(function: Literal["max", "average"]) -> Handler:
    """max_pool1d and avg_pool1d."""

    def handler(call: Call) -> Result:
        kernel = _one(call, "kernel_size", 1)
        both = _one(call, "padding", 0)
        stride = _one(call, "stride", kernel)
        window = Window(kernel, stride, _one(call, "dilation", 1), (both, both))
        if call.get("ceil_mode") and stride > 1:
            raise call.refuse("ceil_mode=True is not supported; use ceil_mode=False")
        counted = bool(call.get("count_include_pad", True)) or both == 0
        return temporal.pool(
            call.builder, call.path, call.value(), function, window.checked(call.where), counted,
            call.where,
        )  # fmt: skip

    return handler


def adaptive(function: Reduction, gives_indices: bool = False) -> Handler:
    """Adaptive pooling to one step."""

    def handler(call: Call) -> Result:
        size = _one(call, "output_size", 1)
        if size != 1:
            raise call.refuse(f"pools to {size} steps; only to 1")
        y = temporal.reduce_time(
            call.builder, call.path, call.value(), function, [-1], True, call.where
        )
        return (y, None) if gives_indices else y  # type: ignore[return-value]

    return handler


def reduction(function: Reduction, gives_indices: bool = False) -> Handler:
    """mean, sum, amax, amin over dims; max and min over a dim give values and indices."""

    def handler(call: Call) -> Result:
        dims: Any = call.get("dim")
        dims = [dims] if isinstance(dims, int) else dims
        if not dims:
            raise call.refuse("reduces all dimensions; give dim, that of time")
        keep = bool(call.get("keepdim", False))
        if call.get("dtype") is not None:
            raise call.refuse("argument dtype is not supported")
        y = temporal.reduce_time(
            call.builder, call.path, call.value(), function, [int(d) for d in dims], keep,
            call.where,
        )  # fmt: skip
        return (y, None) if gives_indices else y  # type: ignore[return-value]

    return handler


def pad(call: Call) -> Result:
    """F.pad with zeros."""
    if call.get("mode", "constant") != "constant" or call.get("value"):
        raise call.refuse("pads with other numbers than 0; use constant padding with 0")
    pads, x = [int(p) for p in call.get("pad")], call.value()
    rank = len(x.axes)
    ends = {rank - 1 - k // 2: (pads[k], pads[k + 1]) for k in range(0, len(pads), 2)}
    used = {k: both for k, both in ends.items() if any(both)}
    if not used:
        return x
    return temporal.pad_axis(call.builder, call.path, x, used, call.where)


OPERATORS: dict[str, Handler] = {
    "adaptive_avg_pool1d": adaptive("mean"),
    "adaptive_max_pool1d": adaptive("max", gives_indices=True),
    "amax": reduction("max"),
    "amin": reduction("min"),
    "avg_pool1d": pool("average"),
    "constant_pad_nd": pad,
    "conv1d": conv1d,
    "convolution": convolution,
    "max.dim": reduction("max", gives_indices=True),
    "max_pool1d": pool("max"),
    "mean": reduction("mean"),
    "min.dim": reduction("min", gives_indices=True),
    "pad": pad,
    "sum": reduction("sum"),
}
