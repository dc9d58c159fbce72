"""Quantized ONNX models, which are not imported: refused by name, a bad scale or zero point first.

Without this check such a file would be refused for its integer constants, which tells nobody why.
"""

from __future__ import annotations

import numpy as np
import onnx

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.onnx_node import described
from rnn2c.frontend.values import quoted

OPERATORS = frozenset(
    """QuantizeLinear DequantizeLinear DynamicQuantizeLinear DynamicQuantizeLSTM MatMulInteger
    QLinearMatMul QGemm ConvInteger QLinearConv""".split()
)
SCALES = (float(np.finfo(np.float32).tiny), 1e20)
WIDE = (onnx.TensorProto.FLOAT, onnx.TensorProto.INT32, onnx.TensorProto.INT16)


def refuse_quantized(graph: onnx.GraphProto) -> None:
    """Raise Rnn2cError naming the first node that quantizes, and its scale if that is at fault."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type not in OPERATORS:
            continue
        where = described(node.name, quoted(node.op_type)[1:-1], node.output)
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            _check_scale(tensors.get(node.input[1]) if len(node.input) > 1 else None, where)
            _check_zero(tensors.get(node.input[2]) if len(node.input) > 2 else None, where)
        raise UnsupportedError(
            f"{where}: quantized models are not imported; export the float32 model, "
            "rnn2c quantizes it"
        )


def _check_scale(tensor: onnx.TensorProto | None, where: str) -> None:
    if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT:
        return
    raw = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 4 * 4], "<f4")
    for value in (*raw.tolist(), *tensor.float_data):
        if not SCALES[0] <= value <= SCALES[1]:
            raise Rnn2cError(
                f"{where}: scale {quoted(tensor.name)} is {value:g}; a scale must be positive and "
                f"from {SCALES[0]:.2g} to {SCALES[1]:g}; export the float32 model"
            )


def _check_zero(tensor: onnx.TensorProto | None, where: str) -> None:
    if tensor is not None and tensor.data_type in WIDE:
        raise Rnn2cError(
            f"{where}: zero point {quoted(tensor.name)} has a wrong type; export the float32 model"
        )
