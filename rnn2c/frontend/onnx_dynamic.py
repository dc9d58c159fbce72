"""Activations in 8 bits whose scale is found while the model runs, times integer weights.

onnxruntime.quantization.quantize_dynamic writes them.  The integers of the weights are kept; the
activations are not rounded in the Model, for a scale found at run time means nothing to a program
that has fixed ones (github.com/microsoft/onnxruntime, docs/ContribOperators.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import onnx_rnn, onnx_temporal
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.given import Given
from rnn2c.frontend.onnx_node import Handler, Node, Operator, Result
from rnn2c.frontend.onnx_quantity import Dynamic, DynamicScale, DynamicSum, DynamicZero
from rnn2c.frontend.onnx_quantized import given_constant, scale_at, usable_scale, zero_at
from rnn2c.frontend.values import Constant, Value
from rnn2c.ir.graph import FloatArray

BITS = 8
ONE = np.ones((), np.float32)


def quantize(builder: Builder, node: Node) -> Sequence[Result]:
    """DynamicQuantizeLinear: integers, scale and zero point."""
    dynamic = Dynamic(node.value(0))
    return [dynamic, DynamicScale(dynamic, ONE), DynamicZero(dynamic)]


def matmul_integer(builder: Builder, node: Node) -> Sequence[Result]:
    """The product of dynamic integers and integer weights, in integers."""
    dynamic = _dynamic(node, 0, 2)
    return [DynamicSum(dynamic, _weight(node, 1, None, 3))]


def conv_integer(builder: Builder, node: Node) -> Sequence[Result]:
    """The same for a convolution; its weight has one zero point, or one for each output."""
    dynamic, codes = _dynamic(node, 0, 2), _codes(node, 1)
    zero = np.zeros((), np.int64)
    scale = ONE
    if node.optional(3) is not None:
        count = node.constant(3, "zero point").size
        scale = np.ones(count if count > 1 else (), np.float32)
        zero = zero_at(node, 3, codes.dtype.name, scale)
    weight = given_constant(node, codes, scale, zero, 0)

    def convolved(scaled: Given) -> Value:
        with builder.dynamic_activations(BITS):
            return onnx_temporal.convolved(builder, node, dynamic.source, scaled)

    return [DynamicSum(dynamic, weight, convolved)]


def cast(builder: Builder, node: Node) -> Sequence[Result]:
    """Integers to float, on the way to their scale."""
    found = node.quantity(0)
    if not isinstance(found, DynamicSum) or node.integer("to", 0) != onnx.TensorProto.FLOAT:
        raise node.refuse("casts integers of a dynamic quantization; only sums to float32 are cast")
    return [found]


def multiply(builder: Builder, node: Node) -> Sequence[Result]:
    """Scale times scale, or a sum times its scales: a linear layer."""
    pair = [node.quantity(k) or node.operand(k) for k in (0, 1)]
    for a, b in (pair, pair[::-1]):
        if isinstance(a, DynamicScale) and isinstance(b, np.ndarray) and b.dtype == np.float32:
            scale = usable_scale(b, f"{node.where}: the scale it multiplies with")
            return [DynamicScale(a.dynamic, a.factor * scale)]
        if isinstance(a, DynamicSum) and isinstance(b, DynamicScale) and a.dynamic is b.dynamic:
            if a.kernel is not None:
                return [a.kernel(a.weight.scaled(_of_rows(node, b.factor, a.weight.shape[0])))]
            weight = a.weight.scaled(np.asarray(b.factor, np.float64))
            return [_linear(builder, node, a.dynamic.source, weight, None)]
    raise node.refuse("multiplies integers of a dynamic quantization by something that is no scale")


def _of_rows(node: Node, factor: Constant, rows: int) -> FloatArray:
    """The factors of [batch, features, time] for a weight [features, ., .]."""
    if factor.size not in (1, rows) or (factor.size > 1 and factor.shape[-2:] != (rows, 1)):
        raise node.refuse(
            f"scales of shape {list(factor.shape)} for {rows} outputs of a convolution; give one,"
            f" or [{rows}, 1]"
        )
    return np.asarray(factor, np.float64).reshape(-1, 1, 1)


def to_float(builder: Builder, node: Node) -> Sequence[Result]:
    """MatMulIntegerToFloat: the same in one operator, with an optional bias."""
    dynamic = _dynamic(node, 0, 4)
    scale = node.quantity(2)
    if not isinstance(scale, DynamicScale) or scale.dynamic is not dynamic or scale.factor.size > 1:
        raise node.refuse("the scale of A is not that of its integers")
    weight = _weight(node, 1, 3, 5).scaled(float(scale.factor.reshape(-1)[0]))
    return [_linear(builder, node, dynamic.source, weight, _bias(node, 6))]


def quantize_matmul(builder: Builder, node: Node) -> Sequence[Result]:
    """DynamicQuantizeMatMul: the same for A as a float."""
    return [_linear(builder, node, node.value(0), _weight(node, 1, 2, 3), _bias(node, 4))]


def lstm(builder: Builder, node: Node) -> Sequence[Result]:
    """DynamicQuantizeLSTM: an LSTM whose W [directions, input size, rows] and R are integers."""
    w, r = (_recurrent_weight(node, k, k + 7 + (k == 2)) for k in (1, 2))
    reals = tuple(np.asarray(g.real(), np.float32) for g in (w, r))
    plain = replace(
        node,
        inputs=(node.operand(0), *reals, *node.inputs[3:8]),
        quantities=(None, w, r, *node.quantities[3:8]),
    )
    with builder.dynamic_activations(BITS):
        return onnx_rnn.lstm(builder, plain)


def _recurrent_weight(node: Node, index: int, scale_index: int) -> Given:
    """[directions, rows, columns]"""
    codes = _codes(node, index)
    scale = scale_at(node, scale_index)
    if codes.ndim != 3 or scale.shape not in (codes.shape[:1], (codes.shape[0], codes.shape[2])):
        raise Rnn2cError(
            f"{node.where}: weights of shape {list(codes.shape)} with scales {list(scale.shape)};"
            " expected [directions, columns, rows] with [directions] or [directions, rows]"
        )
    zero = zero_at(node, scale_index + 1, codes.dtype.name, scale)
    across = (codes.shape[0], 1, -1)
    blank = given_constant(node, codes, ONE, np.zeros((), np.int64), 0)
    shift = blank.zero + zero.reshape(across)
    spread = np.broadcast_to(scale.astype(np.float64).reshape(across), codes.shape)
    given = Given(blank.codes, shift, spread, blank.bits)
    return given.moved(lambda array: np.swapaxes(array, 1, 2))


def _codes(node: Node, index: int) -> Constant:
    codes = node.constant(index, "integer weight")
    if codes.dtype.name not in ("int8", "uint8"):
        raise node.refuse(f"integer weights of type {codes.dtype.name}; int8 and uint8 are read")
    return codes


def _weight(node: Node, index: int, scale_index: int | None, zero_index: int) -> Given:
    """A matrix [in, out]; without a scale its integers alone."""
    codes = _codes(node, index)
    if codes.ndim != 2:
        raise node.refuse(f"the weight has {codes.ndim} dimensions, expected 2")
    scale = ONE if scale_index is None else scale_at(node, scale_index)
    if node.optional(zero_index) is None:
        return given_constant(node, codes, scale, np.zeros(scale.shape, np.int64), 1)
    count = node.constant(zero_index, "zero point").size
    if count > 1 and scale.size == 1:
        scale = np.full(count, scale.reshape(-1)[0], np.float32)
    zero = zero_at(node, zero_index, codes.dtype.name, scale)
    return given_constant(node, codes, scale, zero, 1)


def _dynamic(node: Node, index: int, zero_index: int) -> Dynamic:
    found, zero = node.quantity(index), node.quantity(zero_index)
    if not isinstance(found, Dynamic):
        raise node.refuse("A is not what a DynamicQuantizeLinear made")
    if not isinstance(zero, DynamicZero) or zero.dynamic is not found:
        raise node.refuse("the zero point of A is not that of its integers")
    return found


def _bias(node: Node, index: int) -> FloatArray | None:
    return None if node.optional(index) is None else node.reals(index, "bias")


def _linear(
    builder: Builder, node: Node, x: Value, weight: Given, bias: FloatArray | None
) -> Value:
    rows = weight.moved(np.transpose).tensor(node.where, zeros=True)
    with builder.dynamic_activations(BITS):
        return builder.linear(node.stem, x, rows, bias, node.where)


DYNAMIC: dict[str, Handler] = {"Cast": cast, "Mul": multiply}
"""What operators of reals do with the numbers of a dynamic quantization."""

OPERATORS = {
    "ConvInteger": Operator(
        conv_integer, onnx_temporal.OPERATORS["Conv"].attributes, inputs=4, quantities=True
    ),
    "DynamicQuantizeLinear": Operator(quantize),
    "MatMulInteger": Operator(matmul_integer, inputs=4, quantities=True),
}
LSTM_ATTRIBUTES = tuple(a for a in onnx_rnn.OPERATORS["LSTM"].attributes if a != "layout")
MICROSOFT = {
    "DynamicQuantizeLSTM": Operator(lstm, LSTM_ATTRIBUTES, inputs=12),
    "DynamicQuantizeMatMul": Operator(quantize_matmul, inputs=5),
    "MatMulIntegerToFloat": Operator(to_float, inputs=7, quantities=True),
}
