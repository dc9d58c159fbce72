"""Reading an ONNX file that nobody vouches for.

Only a regular file of bounded size is read; every tensor's dimensions are checked against the bytes
it brings before an array is made; external data is refused without opening anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.files import read_bytes
from rnn2c.frontend.values import Axis, Constant, check_values, quoted

MAX_FILE_BYTES = 256 * 2**20
MAX_HALVES = 2**25
MAX_STEPS = 2**16
OPSETS = range(7, 27)

# Element type -> (name of the typed field, dtype); raw bytes are accepted for all of them.
TYPES: Mapping[int, tuple[str, type[np.generic]]] = {
    onnx.TensorProto.FLOAT: ("float_data", np.float32),
    onnx.TensorProto.DOUBLE: ("double_data", np.float64),
    onnx.TensorProto.FLOAT16: ("", np.float16),
    onnx.TensorProto.INT64: ("int64_data", np.int64),
    onnx.TensorProto.INT32: ("int32_data", np.int32),
    onnx.TensorProto.BOOL: ("int32_data", np.bool_),
    onnx.TensorProto.INT8: ("int32_data", np.int8),
    onnx.TensorProto.UINT8: ("int32_data", np.uint8),
    onnx.TensorProto.INT16: ("int32_data", np.int16),
    onnx.TensorProto.UINT16: ("int32_data", np.uint16),
}
HALVES = (onnx.TensorProto.INT4, onnx.TensorProto.UINT4)
"""Types of which a byte holds two elements."""


def read_model(path: Path) -> onnx.ModelProto:
    """Parse the file; raises Rnn2cError with the path for anything that is no ONNX model."""
    data = read_bytes(path, MAX_FILE_BYTES, "an .onnx file")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception:  # protobuf raises its own, undocumented kinds on malformed bytes
        raise Rnn2cError(
            f"{quoted(path)}: not an ONNX file, or a damaged one; export it again"
        ) from None
    if not model.HasField("graph") or not model.graph.node:
        raise Rnn2cError(f"{quoted(path)}: holds no ONNX graph (the file has {len(data)} bytes)")
    _check_text(model.graph)
    return model


def _check_text(graph: onnx.GraphProto) -> None:
    """Refuse names that are no UTF-8; protobuf gives them as bytes, not as text."""
    named = [*graph.initializer, *graph.input, *graph.output]
    texts = [("a tensor", item.name) for item in named]
    for node in graph.node:
        where = f"node {quoted(node.name)}"
        names = (node.name, node.op_type, node.domain, *node.input, *node.output)
        texts += [(where, name) for name in names]
        texts += [(where, a.name) for a in node.attribute]
        texts += [(where, text) for p in node.metadata_props for text in (p.key, p.value)]
    for axis in (a for i in graph.input for a in i.type.tensor_type.shape.dim):
        texts.append(("a dimension", axis.dim_param))
    for where, text in texts:
        if not isinstance(text, str):
            raise Rnn2cError(f"{where}: {quoted(text)} is no UTF-8 text; export the model again")


def opset(model: onnx.ModelProto) -> int:
    """Version of the standard operators; raises UnsupportedError outside OPSETS."""
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise UnsupportedError(
            f"opset {versions[0] if versions else 'missing'}; opsets {OPSETS[0]} to {OPSETS[-1]} "
            "are supported"
        )
    return int(versions[0])


def constants(graph: onnx.GraphProto) -> dict[str, Constant]:
    """All initializers by name."""
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise UnsupportedError(f"sparse initializer {quoted(name)}: store it dense instead")
    found: dict[str, Constant] = {}
    for tensor in graph.initializer:
        if tensor.name in found:
            raise Rnn2cError(f"initializer {quoted(tensor.name)} is defined twice")
        found[tensor.name] = array(tensor, f"initializer {quoted(tensor.name)}")
    return found


def array(tensor: onnx.TensorProto, where: str) -> Constant:
    """The tensor as a numpy array; raises Rnn2cError where its bytes and dimensions disagree."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise UnsupportedError(
            f"{where}: external data is not read; write one file:"
            " torch.onnx.export(..., external_data=False)"
        )
    if tensor.data_type not in TYPES and tensor.data_type not in HALVES:
        kind = _type_name(tensor.data_type)
        raise UnsupportedError(f"{where}: element type {kind}; export it as float32")
    field, dtype = TYPES.get(tensor.data_type, ("int32_data", np.uint8))
    dims = [int(d) for d in tensor.dims]
    count = math.prod(dims)
    if tensor.data_type in HALVES and count > MAX_HALVES:
        raise UnsupportedError(
            f"{where}: {count} elements of 4 bits; at most {MAX_HALVES} are read"
        )
    needed = (count + 1) // 2 if tensor.data_type in HALVES else count
    width = np.dtype(dtype).itemsize
    held = len(tensor.raw_data) // width
    exact = len(tensor.raw_data) % width == 0
    if not tensor.HasField("raw_data"):
        held, exact = (len(getattr(tensor, field)) if field else 0), True
    if min(dims, default=0) < 0 or needed != held or not exact or tensor.HasField("segment"):
        unit = "bytes" if tensor.data_type in HALVES else "elements"
        raise Rnn2cError(f"{where}: dimensions {dims} need {needed} {unit}, the file has {held}")
    result: Constant = numpy_helper.to_array(tensor)
    check_values(result, where)
    return result


def input_dtype(info: onnx.ValueInfoProto) -> str:
    """float32, or the integer type of tokens; raises UnsupportedError for another type."""
    kind = info.type.tensor_type.elem_type if info.type.HasField("tensor_type") else 0
    known: dict[int, str] = {onnx.TensorProto.FLOAT: "float32"}
    known |= {onnx.TensorProto.INT64: "int64", onnx.TensorProto.INT32: "int32"}
    if kind not in known:
        raise UnsupportedError(
            f"input {quoted(info.name)}: element type {_type_name(kind)}; inputs must be float32,"
            " tokens int64 or int32"
        )
    return known[kind]


def input_axes(info: onnx.ValueInfoProto) -> list[Axis]:
    """Axes of a graph input; raises UnsupportedError where sizes are unknown or huge."""
    where = f"input {quoted(info.name)}"
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        raise UnsupportedError(f"{where}: has no shape; export the model with shapes")
    axes = [
        Axis(int(d.dim_value) if d.HasField("dim_value") else None, d.dim_param)
        for d in kind.shape.dim
    ]
    sizes = [1 if a.size is None else a.size for a in axes]
    if min(sizes, default=0) < 0 or math.prod(sizes[:-1]) > MAX_STEPS:
        raise UnsupportedError(
            f"{where}: shape {sizes}; dimensions must be positive and at most {MAX_STEPS} steps "
            "are given in a file; export it with a dynamic number of steps"
        )
    return axes


def _type_name(number: int) -> str:
    try:
        return str(onnx.TensorProto.DataType.Name(number)).lower()
    except ValueError:
        return f"number {number}"
