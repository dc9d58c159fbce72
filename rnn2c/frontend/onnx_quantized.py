"""QuantizeLinear and DequantizeLinear.

On a constant they give the integers that a layer keeps; on computed data they say how a value is
rounded (https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import pointwise
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.given import MAX_GIVEN, Array, Given
from rnn2c.frontend.onnx_node import Node, Operator, Result, described
from rnn2c.frontend.onnx_quantity import Codes
from rnn2c.frontend.values import Constant, Value, position, quoted
from rnn2c.ir.graph import Format

SCALES = (float(np.finfo(np.float32).tiny), 1e20)


@dataclass(frozen=True)
class Kind:
    """An integer type: its bits, its range, what makes it signed."""

    bits: int
    offset: int

    @property
    def lo(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def hi(self) -> int:
        return (1 << (self.bits - 1)) - 1


KINDS = {
    "int4": Kind(4, 0), "uint4": Kind(4, 8), "int8": Kind(8, 0), "uint8": Kind(8, 128),
    "int16": Kind(16, 0), "uint16": Kind(16, 32768), "int32": Kind(32, 0),
}  # fmt: skip
TYPES: dict[int, str] = {onnx.TensorProto.DataType.Value(name.upper()): name for name in KINDS}


def check_scales(graph: onnx.GraphProto) -> None:
    """Raise Rnn2cError where a scale or zero point, given as a constant, cannot be one."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 1:
            where = described(node.name, quoted(node.op_type)[1:-1], node.output)
            tensor = tensors.get(node.input[1])
            if tensor is not None and tensor.data_type == onnx.TensorProto.FLOAT:
                raw = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 4 * 4], "<f4")
                scales = np.array([*raw.tolist(), *tensor.float_data], np.float32)
                usable_scale(scales, f"{where}: scale {quoted(tensor.name)}")


def usable_scale(scale: Constant, what: str) -> Constant:
    """The scale itself; Rnn2cError unless every element is positive, finite and of usual size."""
    if scale.dtype != np.float32:
        raise Rnn2cError(f"{what} has type {scale.dtype}, expected float32")
    for value in scale.reshape(-1).tolist():
        if not SCALES[0] <= value <= SCALES[1]:
            raise Rnn2cError(
                f"{what} is {value:g}; a scale must be positive and from {SCALES[0]:.2g} to "
                f"{SCALES[1]:g}; quantize the model again"
            )
    return scale


def scale_at(node: Node, index: int) -> Constant:
    """Input `index`, a scale."""
    return usable_scale(
        node.constant(index, "scale"), f"{node.where}: scale {quoted(node.input_names[index])}"
    )


def zero_at(node: Node, index: int, kind: str, scale: Constant) -> Constant:
    """Input `index`, a zero point: of the type `kind`, as many as scales, all zero if absent."""
    if node.optional(index) is None:
        return np.zeros(scale.shape, np.int64)
    zero, name = node.constant(index, "zero point"), quoted(node.input_names[index])
    if zero.dtype.name != kind:
        raise Rnn2cError(
            f"{node.where}: zero point {name} has the wrong type {zero.dtype.name}, expected {kind}"
        )
    if zero.size != scale.size:
        raise Rnn2cError(
            f"{node.where}: zero point {name} has {zero.size} elements for {scale.size} scales"
        )
    return zero.astype(np.int64).reshape(scale.shape)


def given_constant(
    node: Node, codes: Constant, scale: Constant, zero: Constant, axis: int
) -> Given:
    """Integers of a source with one scale, or with one for each index of an axis."""
    kind = KINDS.get(codes.dtype.name)
    if kind is None:
        raise node.refuse(f"dequantizes {codes.dtype.name}; supported are {', '.join(KINDS)}")
    if codes.size > MAX_GIVEN:
        raise node.refuse(f"{codes.size} integers; at most {MAX_GIVEN} are read")
    if kind.bits == 32 and np.any(zero):
        raise node.refuse("int32 with a zero point; it has to be 0")
    if scale.ndim > 1:
        raise Rnn2cError(
            f"{node.where}: scales of shape {list(scale.shape)}; give a vector of them"
        )
    if scale.size > 1:
        axis = position(axis, codes.ndim, node.where)
        if scale.shape != codes.shape[axis : axis + 1]:
            raise Rnn2cError(
                f"{node.where}: scales of shape {list(scale.shape)} for axis {axis} of"
                f" {list(codes.shape)}; give one scale, or one for each index of that axis"
            )
    across = [-1 if k == axis and scale.size > 1 else 1 for k in range(codes.ndim)]

    def spread(array: Array) -> Array:
        return np.broadcast_to(array.reshape(across), codes.shape)

    signed = codes.astype(np.int64 if kind.bits == 32 else np.int16) - kind.offset
    return Given(signed, spread(zero - kind.offset), spread(scale.astype(np.float64)), kind.bits)


def value_format(node: Node, scale: Constant, zero: Constant, kind: str) -> tuple[Format, int]:
    """The format of a computed value, in signed integers, and what was subtracted for that."""
    if scale.size != 1 or scale.ndim > 1:
        raise node.refuse(
            f"{scale.size} scales for computed data; one for the whole tensor is supported"
        )
    k = KINDS.get(kind)
    if k is None or k.bits == 32:
        raise node.refuse(f"quantizes to {kind}; 4, 8 and 16 bits are supported")
    point = int(zero.reshape(-1)[0]) - k.offset
    form = Format(float(scale.reshape(-1)[0]), max(k.bits, 8), point, k.lo, k.hi)
    return form, k.offset


def _plain_attributes(node: Node) -> None:
    if node.integer("block_size", 0) != 0:
        raise node.refuse(
            "block_size: scales of blocks are not supported; quantize per tensor or per channel"
        )
    if node.integer("saturate", 1) != 1:
        raise node.refuse("saturate=0 is not supported; values are limited to the range")
    node.integer("precision", 0)  # of the division; float32 is what everyone has
    if node.operator == "DequantizeLinear" and node.integer("output_dtype", 0) not in (0, 1):
        raise node.refuse("output_dtype: float32 is supported")


def quantize(builder: Builder, node: Node) -> Sequence[Result]:
    """Of computed data: how it is rounded.  Of a constant: its integers."""
    _plain_attributes(node)
    scale = scale_at(node, 1)
    kind = _wanted_kind(node)
    zero = zero_at(node, 2, kind, scale)
    found = node.operand(0)
    if isinstance(found, Value):
        return [rounded(builder, node, found, *value_format(node, scale, zero, kind))]
    reals, k = node.weights(0, "constant"), KINDS[kind]
    blank = np.zeros(reals.shape, onnx.helper.tensor_dtype_to_np_dtype(_number(kind)))
    like = given_constant(node, blank, scale, zero, node.integer("axis", 1))
    steps = np.round(reals / np.asarray(like.scale, np.float32)).astype(np.float64)
    codes = np.clip(steps + like.zero, k.lo, k.hi).astype(np.int64) + k.offset
    return [codes.astype(blank.dtype)]


def _number(kind: str) -> int:
    return {name: number for number, name in TYPES.items()}[kind]


def _wanted_kind(node: Node) -> str:
    zero, number = node.optional(2), node.integer("output_dtype", 0)
    kind = "uint8" if zero is None else getattr(getattr(zero, "dtype", None), "name", "")
    if zero is None and number:
        kind = TYPES.get(number, f"type {number}")
    if kind not in KINDS or kind == "int32" or (node.opset < 21 and KINDS[kind].bits != 8):
        name = quoted(node.input_names[2]) if zero is not None else "attribute output_dtype"
        raise Rnn2cError(
            f"{node.where}: zero point {name} has the wrong type {kind}; int8 and uint8 are"
            " supported, from opset 21 on also int4, uint4, int16 and uint16"
        )
    return kind


def rounded(builder: Builder, node: Node, x: Value, form: Format, offset: int) -> Codes:
    """x in this format."""
    return Codes(pointwise.rounded(builder, "", x, form, node.where), form, offset)


def dequantize(builder: Builder, node: Node) -> Sequence[Result]:
    """The reals that integers stand for."""
    _plain_attributes(node)
    scale = scale_at(node, 1)
    quantity, found = node.quantity(0), node.operand(0)
    if isinstance(quantity, Codes):
        return [codes_value(node, quantity, scale, 2)]
    if isinstance(found, Value) or quantity is not None:
        raise node.refuse("dequantizes what no QuantizeLinear made; quantize inside the model")
    zero = zero_at(node, 2, found.dtype.name, scale)
    return [given_constant(node, found, scale, zero, node.integer("axis", 1))]


def codes_value(node: Node, codes: Codes, scale: Constant, zero_index: int) -> Value:
    """The value of codes that are read with the scale and zero point they were written with."""
    kind = next(n for n, k in KINDS.items() if (k.offset, k.hi) == (codes.offset, codes.form.hi))
    zero = zero_at(node, zero_index, kind, scale)
    if value_format(node, scale, zero, kind) != (codes.form, codes.offset):
        raise node.refuse(
            f"reads with scale {float(scale.reshape(-1)[0]):g} what was written with"
            f" {codes.form.scale:g}, or with another zero point; use one for both"
        )
    return codes.value


ATTRIBUTES = ("axis", "block_size", "output_dtype", "precision", "saturate")
OPERATORS = {
    "DequantizeLinear": Operator(dequantize, ATTRIBUTES[:3], inputs=3, quantities=True),
    "QuantizeLinear": Operator(quantize, ATTRIBUTES, inputs=3),
}
