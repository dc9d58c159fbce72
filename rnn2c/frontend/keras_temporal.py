"""Keras layers over several time steps: convolutions, pooling, padding.

Their data is [batch, time, features].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import temporal
from rnn2c.frontend.keras_call import Call, Handler
from rnn2c.frontend.keras_layers import ACTIVATIONS, TRAINING, activated
from rnn2c.frontend.temporal import Reduction, Window
from rnn2c.frontend.values import Value, quoted
from rnn2c.ir.graph import FloatArray

DEPTHWISE = frozenset(
    f"{part}_{what}"
    for part in ("depthwise", "pointwise")
    for what in ("initializer", "regularizer", "constraint")
)
LAST = "channels_last"


def _one(call: Call, key: str, default: int) -> int:
    """A number that may be given as a list of one."""
    found = call.settings.take(key, default)
    found = found[0] if isinstance(found, list) and len(found) == 1 else found
    found = default if found is None else found
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise Rnn2cError(f"{call.where}: {key} is {quoted(found)}, expected at least 1")
    return found


def _window(call: Call, kernel: int, stride: int) -> Window:
    call.settings.must_be("data_format", LAST, f"use data_format={LAST!r}")
    window = Window(kernel, stride, _one(call, "dilation_rate", 1)).checked(call.where)
    match call.settings.take("padding", "valid"):
        case "valid":
            return window
        case "causal":
            return Window(kernel, stride, window.dilation, (window.span, 0))
        case "same":
            steps = call.operand.axes[1].size if len(call.operand.axes) > 1 else None
            return window.same(True, steps, call.where)
        case other:
            raise call.refuse(
                f"padding={quoted(other)} is not supported; use causal, valid or same"
            )


def _moved(call: Call, x: Value) -> Value:
    """[batch, time, features] as [batch, features, time], and back."""
    if len(x.axes) != 3:
        raise call.refuse(f"the input has {len(x.axes)} dimensions, expected 3")
    return call.builder.layout.transpose(x, (0, 2, 1), call.where)


def _convolved(
    call: Call, x: Value, kernel: FloatArray, bias: FloatArray | None, window: Window, groups: int
) -> Value:
    """x [batch, features, time]; kernel [out, features / groups, taps]."""
    name = call.spec.name
    return temporal.convolution(call.builder, name, x, kernel, bias, window, groups, call.where)


def _finished(call: Call, y: Value) -> Sequence[Value]:
    back = _moved(call, y)
    return [activated(call, back, call.settings.function("activation", ACTIVATIONS))]


def conv1d(call: Call) -> Sequence[Value]:
    """kernel [taps, features / groups, filters]."""
    settings = call.settings
    settings.ignore(TRAINING)
    settings.must_be("lora_rank", None, "merge the adapter first")
    settings.ignore(frozenset({"lora_alpha", "rank"}))
    settings.must_be("quantization_config", None, "save the model before quantizing it")
    rows, groups, taps = settings.count("filters"), _one(call, "groups", 1), _taps(call)
    biased = settings.flag("use_bias")
    found = call.weights(["kernel", "bias"] if biased else ["kernel"])
    if call.features() % groups:
        raise Rnn2cError(f"{call.where}: {groups} groups of {call.features()} features")
    kernel = call.shaped("kernel", found[0], (taps, call.features() // groups, rows))
    bias = call.shaped("bias", found[1], (rows,)) if biased else None
    window = _window(call, taps, _one(call, "strides", 1))
    x = _moved(call, call.operand)
    return _finished(call, _convolved(call, x, kernel.transpose(2, 1, 0), bias, window, groups))


def _taps(call: Call) -> int:
    return _one(call, "kernel_size", 1)


def depthwise(call: Call) -> Sequence[Value]:
    """kernel [taps, features, multiplier]."""
    y, _ = _depthwise(call, "kernel", "bias")
    return _finished(call, y)


def _depthwise(call: Call, role: str, bias_role: str) -> tuple[Value, list[FloatArray]]:
    """The depthwise part, and the weights after its kernel if there is a pointwise part."""
    settings = call.settings
    settings.ignore(TRAINING | DEPTHWISE | frozenset({"rank", "filters", "groups"}))
    taps, times, size = _taps(call), _one(call, "depth_multiplier", 1), call.features()
    biased, separable = settings.flag("use_bias"), role == "depthwise_kernel"
    roles = [role, *(["pointwise_kernel"] if separable else []), *([bias_role] if biased else [])]
    found = call.weights(roles)
    kernel = call.shaped(role, found[0], (taps, size, times))
    flat = kernel.transpose(1, 2, 0).reshape(size * times, 1, taps)
    bias = None
    if biased and not separable:
        bias = call.shaped(bias_role, found[1], (size * times,))
    window = _window(call, taps, _one(call, "strides", 1))
    x = _moved(call, call.operand)
    return _convolved(call, x, flat, bias, window, size), found[1:]


def separable(call: Call) -> Sequence[Value]:
    """A depthwise convolution, then a Linear layer with kernel [1, features, filters]."""
    rows = call.settings.count("filters")
    y, found = _depthwise(call, "depthwise_kernel", "bias")
    width = y.axes[1].size or 0
    kernel = call.shaped("pointwise_kernel", found[0], (1, width, rows))
    bias = call.shaped("bias", found[1], (rows,)) if len(found) > 1 else None
    return _finished(call, _convolved(call, y, kernel.transpose(2, 1, 0), bias, Window(1), 1))


def pool(function: Literal["max", "average"]) -> Handler:
    """MaxPooling1D and AveragePooling1D; an average leaves out padding."""

    def handler(call: Call) -> Sequence[Value]:
        kernel = _one(call, "pool_size", 2)
        window = _window(call, kernel, _one(call, "strides", kernel))
        x, counted = _moved(call, call.operand), not any(window.pads)
        name = call.spec.name
        y = temporal.pool(call.builder, name, x, function, window, counted, call.where)
        return [_moved(call, y)]

    return handler


def whole(function: Reduction) -> Handler:
    """GlobalAveragePooling1D and GlobalMaxPooling1D."""

    def handler(call: Call) -> Sequence[Value]:
        call.settings.must_be("data_format", LAST, f"use data_format={LAST!r}")
        keep, x = call.settings.flag("keepdims", False), call.operand
        if len(x.axes) != 3:
            raise call.refuse(f"the input has {len(x.axes)} dimensions, expected 3")
        name = call.spec.name
        return [temporal.reduce_time(call.builder, name, x, function, [1], keep, call.where)]

    return handler


def zero_padding(call: Call) -> Sequence[Value]:
    """Zeros before and after the sequence."""
    call.settings.must_be("data_format", LAST, f"use data_format={LAST!r}")
    found = call.settings.take("padding")
    both = [found, found] if isinstance(found, int) else found
    if not isinstance(both, list) or len(both) != 2 or not all(type(k) is int for k in both):
        raise Rnn2cError(f"{call.where}: padding is {quoted(found)}, expected two numbers")
    x = _moved(call, call.operand)
    pads = (int(both[0]), int(both[1]))
    return [_moved(call, temporal.pad(call.builder, call.spec.name, x, pads, call.where))]


HANDLERS: dict[str, Handler] = {
    "AveragePooling1D": pool("average"),
    "Conv1D": conv1d,
    "DepthwiseConv1D": depthwise,
    "GlobalAveragePooling1D": whole("mean"),
    "GlobalMaxPooling1D": whole("max"),
    "MaxPooling1D": pool("max"),
    "SeparableConv1D": separable,
    "ZeroPadding1D": zero_padding,
}
