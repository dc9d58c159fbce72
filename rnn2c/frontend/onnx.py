"""The ONNX front end: one pass over the nodes, each through its handler in OPERATORS.

The file is untrusted.  A node whose operator, domain, attribute or input has no handler is refused
by name; neither torch nor onnxruntime is needed to import a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend import (
    onnx_compose,
    onnx_compute,
    onnx_dynamic,
    onnx_file,
    onnx_fold,
    onnx_functions,
    onnx_layout,
    onnx_names,
    onnx_pointwise,
    onnx_qlinear,
    onnx_quantized,
    onnx_rnn,
    onnx_temporal,
)
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.imported import Imported
from rnn2c.frontend.onnx_cut import cut, given_shapes
from rnn2c.frontend.onnx_integers import refuse_integer_output, through
from rnn2c.frontend.onnx_lengths import length_inputs, length_note, without_lengths
from rnn2c.frontend.onnx_node import Node, Operator, Result, described
from rnn2c.frontend.onnx_quantity import Quantity, shown
from rnn2c.frontend.part import WHOLE, Part
from rnn2c.frontend.time_last import time_last
from rnn2c.frontend.values import Constant, Operand, Value, plain, quoted
from rnn2c.ir.graph import Model

OPERATORS: dict[str, Operator] = {
    **onnx_fold.OPERATORS,
    **onnx_compute.OPERATORS,
    **onnx_compose.OPERATORS,
    **onnx_dynamic.OPERATORS,
    **onnx_functions.OPERATORS,
    **onnx_layout.OPERATORS,
    **onnx_pointwise.OPERATORS,
    **onnx_qlinear.OPERATORS,
    **onnx_quantized.OPERATORS,
    **onnx_rnn.OPERATORS,
    **onnx_temporal.OPERATORS,
}
MICROSOFT: dict[str, Operator] = {**onnx_dynamic.MICROSOFT, **onnx_qlinear.MICROSOFT}
"""Operators of onnxruntime, domain com.microsoft."""

MAX_NODES = 20_000


@dataclass(frozen=True, eq=False)
class OnnxImport:
    """An imported file: its protobuf (for the cross-check) and what it became."""

    proto: onnx.ModelProto
    imported: Imported


def load_onnx(
    path: Path, name: str | None = None, *, part: Part = WHOLE, cross_check: bool = True
) -> Model:
    """Import an ONNX file, or a part of it.

    name: of the Model, by default the file's stem.  cross_check: compare with onnxruntime if it is
    installed.  Raises Rnn2cError naming the node and what is supported instead.
    """
    found = import_onnx(path, name, part)
    model, note = found.imported.model, length_note(found.imported.lengths)
    if not cross_check:
        return replace(model, cross_check=model.cross_check + note)
    from rnn2c.frontend.crosscheck import check_onnx

    return replace(model, cross_check=check_onnx(found) + note)


def import_onnx(path: Path, name: str | None = None, part: Part = WHOLE) -> OnnxImport:
    """Like load_onnx without the cross-check; also returns the parsed file."""
    proto = onnx_file.read_model(path)
    opset = onnx_file.opset(proto)
    count = len(proto.graph.node)
    if count > MAX_NODES:
        raise UnsupportedError(f"{count} nodes; graphs up to {MAX_NODES} nodes are read")
    if part.cuts or part.state:
        proto = cut(proto, part)
    elif part.shapes:
        given_shapes(proto, part)
    onnx_quantized.check_scales(proto.graph)
    constants = onnx_file.constants(proto.graph)
    onnx_rnn.state_hidden_size(proto.graph, constants)
    lengths = length_inputs(proto.graph, constants)
    nodes = without_lengths(proto.graph.node, lengths)
    builder = Builder(name or plain(path.stem) or "model")
    operands: dict[str, Operand] = dict(constants)
    in_time = time_last((n.op_type, n.input, n.output) for n in nodes)
    for info in proto.graph.input:
        if info.name not in constants and info.name not in lengths:
            _refuse_known(info.name, operands, "input")
            operands[info.name] = _input(builder, info, info.name in in_time)
    quantities: dict[str, Quantity] = {}
    for proto_node in nodes:
        _run(builder, proto_node, operands, quantities, constants, opset)
    for output in proto.graph.output:
        refuse_integer_output(output.name, quantities.get(output.name))
    outputs = [(o.name, _defined(o.name, operands, "output")) for o in proto.graph.output]
    return OnnxImport(proto, replace(builder.finish(outputs, part), lengths=lengths))


def _input(builder: Builder, info: onnx.ValueInfoProto, is_time_last: bool) -> Value:
    dtype, axes = onnx_file.input_dtype(info), onnx_file.input_axes(info)
    if dtype == "float32":
        return builder.input(info.name, axes, is_time_last)
    return builder.tokens(info.name, axes, dtype)


def _run(
    builder: Builder,
    proto: onnx.NodeProto,
    operands: dict[str, Operand],
    quantities: dict[str, Quantity],
    constants: dict[str, Constant],
    opset: int,
) -> None:
    where = described(proto.name, _shown_operator(proto), proto.output)
    operator = _operator(proto, where)
    names = tuple(proto.input)
    node = Node(
        operator=proto.op_type,
        name=proto.name,
        stem=onnx_names.stem(proto, constants),
        opset=opset,
        inputs=tuple(_defined(n, operands, where) if n else None for n in names),
        input_names=names,
        outputs=tuple(proto.output),
        attributes={a.name: a for a in proto.attribute},
        quantities=tuple(quantities.get(n) for n in names),
    )
    results = _call(operator, builder, node)
    _store(builder, node, results, operands, quantities)


def _shown_operator(proto: onnx.NodeProto) -> str:
    domain = f"{proto.domain}." if proto.domain else ""
    return quoted(domain + str(proto.op_type))[1:-1]


def _operator(proto: onnx.NodeProto, where: str) -> Operator:
    known = {"": OPERATORS, "ai.onnx": OPERATORS, "com.microsoft": MICROSOFT}
    operator = known.get(proto.domain, {}).get(proto.op_type)
    if operator is None:
        raise UnsupportedError(
            f"{where}: this operator is not supported; supported are {', '.join(sorted(OPERATORS))}"
        )
    for attribute in proto.attribute:
        if attribute.name not in operator.attributes:
            raise UnsupportedError(
                f"{where}: attribute {quoted(attribute.name)} is unknown or not supported; "
                f"supported are {', '.join(operator.attributes) or 'none'}"
            )
    if len(proto.input) > operator.inputs:
        raise UnsupportedError(
            f"{where}: {len(proto.input)} inputs; at most {operator.inputs} are supported"
        )
    return operator


def _call(operator: Operator, builder: Builder, node: Node) -> Sequence[Result]:
    """Run a handler; what numpy says about malformed constants becomes an error of the node."""
    try:
        if any(node.quantities):
            return through(operator, builder, node)
        if onnx_fold.folds(node):
            return onnx_fold.fold(builder, node)
        return operator.handler(builder, node)
    except Rnn2cError as error:
        if node.where in str(error):
            raise
        raise type(error)(f"{node.where}: {error}") from None
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        text = " ".join(str(error).split())[:120]
        raise Rnn2cError(f"{node.where}: malformed inputs or attributes ({text})") from None


def _store(
    builder: Builder,
    node: Node,
    results: Sequence[Result],
    operands: dict[str, Operand],
    quantities: dict[str, Quantity],
) -> None:
    used = [n for n in node.outputs[len(results) :] if n]
    if used:
        raise node.refuse(f"output {quoted(used[0])} is not supported")
    for name, result in zip(node.outputs, results, strict=False):
        if name:
            _refuse_known(name, operands, node.where)
            if isinstance(result, Quantity):
                quantities[name] = result
                operands[name] = shown(result)
            else:
                operands[name] = result
                builder.trace(name, result)


def _refuse_known(name: str, operands: dict[str, Operand], where: str) -> None:
    if name in operands:
        raise Rnn2cError(f"{where}: tensor {quoted(name)} is defined a second time")


def _defined(name: str, operands: dict[str, Operand], where: str) -> Operand:
    if name not in operands:
        raise Rnn2cError(f"{where}: reads {quoted(name)}, which nothing before it defines")
    return operands[name]
