"""The operators of torch that quantize: torch.export's quantized_decomposed and fake quantization.

On a constant they give the integers that a layer keeps; on computed data they say how a value is
rounded.
"""

from __future__ import annotations

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import pointwise
from rnn2c.frontend.given import Array, Given
from rnn2c.frontend.pytorch_call import Call, Handler, Result, Rounding
from rnn2c.frontend.values import Value
from rnn2c.ir.graph import Format

BITS = {"int8": 8, "uint8": 8, "int16": 16, "int32": 32}
MIDDLE = {"uint8": 128}


def _number(call: Call, name: str) -> float:
    found = call.get(name)
    array = np.asarray(found.real() if isinstance(found, Given) else found)
    if array.dtype.kind not in "iuf" or array.size != 1:
        raise call.refuse(f"argument {name} must be one constant number")
    return float(array.reshape(-1)[0])


def _scales(call: Call, name: str) -> Array:
    found = np.asarray(call.get(name), np.float64)
    if not np.all((found > 0) & np.isfinite(found)):
        raise Rnn2cError(f"{call.where}: a scale must be positive and finite")
    return found


def _kind(call: Call) -> str:
    kind = str(call.get("dtype", "torch.int8")).removeprefix("torch.")
    if kind not in BITS:
        raise call.refuse(f"type {kind}; supported are {', '.join(BITS)}")
    return kind


def _format(call: Call, middle: int) -> Format:
    """Of one value, in signed integers: middle is what that subtracts."""
    low, high = (int(_number(call, n)) - middle for n in ("quant_min", "quant_max"))
    scale = float(_scales(call, "scale").reshape(-1)[0])
    point = int(_number(call, "zero_point")) - middle
    bits = 8 if -128 <= low <= high <= 127 else 16
    if not -32768 <= low <= point <= high <= 32767:
        raise Rnn2cError(
            f"{call.where}: zero point {point} and range [{low}, {high}] do not fit 16 bits"
        )
    return Format(scale, bits, point, low, high)


def _given(call: Call, codes: Array, middle: int, bits: int, axis: int | None) -> Given:
    """Constant integers with one scale, or one for each index of an axis."""
    names = ("scale", "zero_point") if axis is None else ("scales", "zero_points")
    scale, zero = _scales(call, names[0]), np.asarray(call.get(names[1], 0), np.int64)
    if axis is not None:
        axis = axis % max(codes.ndim, 1)
        if scale.shape != codes.shape[axis : axis + 1] or zero.shape not in ((), scale.shape):
            raise Rnn2cError(
                f"{call.where}: scales of shape {list(scale.shape)} for axis {axis} of"
                f" {list(codes.shape)}"
            )
    across = [-1 if k == axis else 1 for k in range(codes.ndim)]

    def spread(array: Array) -> Array:
        return np.broadcast_to(array.reshape(across if array.size > 1 else ()), codes.shape)

    return Given(codes.astype(np.int64) - middle, spread(zero - middle), spread(scale), bits)


def quantize(call: Call) -> Result:
    """quantize_per_tensor of computed data."""
    kind = _kind(call)
    form = _format(call, MIDDLE.get(kind, 0))
    x = call.value("input")
    return Rounding(pointwise.rounded(call.builder, "", x, form, call.where), form)


def dequantize(call: Call) -> Result:
    """dequantize_per_tensor: back to reals."""
    call.skip("out_dtype")
    kind, found = _kind(call), call.get("input")
    middle = MIDDLE.get(kind, 0)
    if isinstance(found, Rounding):
        if _format(call, middle) != found.form:
            raise call.refuse("reads with another scale or zero point than was written with")
        return found.value
    call.skip("quant_min", "quant_max")
    return _given(call, _integers(call, found), middle, BITS[kind], None)


def dequantize_channels(call: Call) -> Result:
    """dequantize_per_channel of constant integers."""
    call.skip("out_dtype", "quant_min", "quant_max")
    kind, codes = _kind(call), _integers(call, call.get("input"))
    return _given(call, codes, MIDDLE.get(kind, 0), BITS[kind], int(call.get("axis", 0)))


def _integers(call: Call, found: object) -> Array:
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iu":
        raise call.refuse("dequantizes what no quantize made; quantize inside the module")
    return found


def fake_quantize(call: Call) -> Result:
    """aten.fake_quantize_per_tensor_affine: rounded data, or weights with their integers."""
    if call.get("fake_quant_enabled") is not None and not _number(call, "fake_quant_enabled"):
        raise call.refuse("is switched off; remove it from the module")
    found, form = call.get("self"), _format(call, 0)
    middle = (form.lo + form.hi + 1) // 2
    if isinstance(found, Value):
        shifted = Format(form.scale, form.bits, form.zero_point, form.lo, form.hi)
        if form.bits == 16 and form.hi - form.lo < 256:
            point, low, high = (q - middle for q in (form.zero_point, form.lo, form.hi))
            shifted = Format(form.scale, 8, point, low, high)
        return pointwise.rounded(call.builder, call.path, found, shifted, call.where)
    steps = np.round(np.asarray(found, np.float32) / np.float32(form.scale))
    codes = np.clip(steps + form.zero_point, form.lo, form.hi).astype(np.int64)
    return _given(call, codes, middle, _bits(form.hi - form.lo), None)


def fake_quantize_channels(call: Call) -> Result:
    """aten.fake_quantize_per_channel_affine of weights."""
    real, axis = call.weight("self"), int(call.get("axis"))
    low, high = (int(_number(call, n)) for n in ("quant_min", "quant_max"))
    scale = _scales(call, "scale")
    zero = np.asarray(call.get("zero_point"), np.int64)
    across = [-1 if k == axis else 1 for k in range(real.ndim)]
    steps = np.round(real.astype(np.float32) / scale.astype(np.float32).reshape(across))
    codes = np.clip(steps + zero.reshape(across), low, high).astype(np.int64)
    named = Call(call.builder, call.where, call.path, {"scales": scale, "zero_points": zero})
    return _given(named, codes, (low + high + 1) // 2, _bits(high - low), axis)


def _bits(span: int) -> int:
    return 4 if span < 16 else 8 if span < 256 else 16


OPERATORS: dict[str, Handler] = {
    "fake_quantize_per_tensor_affine": fake_quantize,
    "fake_quantize_per_channel_affine": fake_quantize_channels,
    "quantized_decomposed.dequantize_per_channel": dequantize_channels,
    "quantized_decomposed.dequantize_per_tensor": dequantize,
    "quantized_decomposed.quantize_per_tensor": quantize,
}
READ_INTEGERS = frozenset("conv1d convolution embedding gru linear lstm rnn_relu rnn_tanh".split())
"""The other operators that take integers as they are."""


def refuse_integers(call: Call, operator: str) -> None:
    """Raise UnsupportedError where an operator of reals is given integers."""
    if handler_name(operator) in READ_INTEGERS | set(OPERATORS):
        return
    values = [v for a in call.arguments.values() for v in (a if isinstance(a, list) else [a])]
    if any(isinstance(v, Rounding) for v in values):
        raise call.refuse("reads integers; dequantize them first")
    if any(isinstance(v, Given) for v in values):
        raise call.refuse(
            "changes weights that came as integers before a layer uses them; integers of Linear,"
            " Conv1d, Embedding, LSTM, GRU and RNN are kept as they are"
        )


def handler_name(operator: str) -> str:
    """Without the overload: quantized_decomposed.quantize_per_tensor, fake_quantize_..."""
    return operator.rpartition(".")[0] or operator
