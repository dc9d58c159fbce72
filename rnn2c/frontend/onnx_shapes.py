"""Shapes of tensors inside an ONNX graph, inferred by the onnx package in a child process."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import onnx

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.child import run_child

LARGEST_KEPT = 1024
"""Elements of a constant that shapes may depend on; of larger ones only the type is passed on."""


def inferred_inputs(
    proto: onnx.ModelProto, numbers: Iterable[int], wanted: Sequence[str]
) -> dict[str, onnx.ValueInfoProto]:
    """Type and shape of the tensors `wanted`, which the nodes `numbers` make.

    What cannot be inferred is left out.
    """
    try:
        answer = run_child("shapes", _upstream(proto, numbers, wanted).SerializeToString())
    except Rnn2cError:
        return {}  # the caller asks for the shape
    found = onnx.GraphProto.FromString(answer)
    return {info.name: _without_labels(info) for info in found.output}


def _upstream(
    proto: onnx.ModelProto, numbers: Iterable[int], wanted: Sequence[str]
) -> onnx.ModelProto:
    made = onnx.ModelProto(ir_version=proto.ir_version)
    made.opset_import.extend(proto.opset_import)
    graph = made.graph
    graph.name = "upstream"
    graph.node.extend(proto.graph.node[k] for k in sorted(numbers))
    read = {name for node in graph.node for name in node.input}
    graph.input.extend(i for i in proto.graph.input if i.name in read)
    for tensor in proto.graph.initializer:
        if tensor.name in read and math.prod(tensor.dims) <= LARGEST_KEPT:
            graph.initializer.add().CopyFrom(tensor)
        elif tensor.name in read:
            info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(info)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    return made


def _without_labels(info: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """The names that inference invents say nothing."""
    for dim in info.type.tensor_type.shape.dim:
        if dim.dim_param.startswith("unk__"):
            dim.ClearField("dim_param")
    return info
