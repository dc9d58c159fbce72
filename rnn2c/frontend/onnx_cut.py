"""Cuts a part out of an ONNX graph: the nodes between named tensors become a model of their own.

Everything else is left behind unread, operators that are not supported included.  The part is a
new file in memory, so that import and cross-check see the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import onnx

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.onnx_shapes import inferred_inputs
from rnn2c.frontend.part import Part
from rnn2c.frontend.values import quoted

MOST_COMPARED = 4000
SHOWN_NAMES = 3


class Graph:
    """Look-ups in an ONNX graph; raises Rnn2cError where two nodes make one tensor."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes = list(graph.node)
        self.inputs = {i.name: i for i in graph.input}
        self.outputs = [o.name for o in graph.output]
        self.constants = {t.name for t in graph.initializer}
        self.maker: dict[str, int] = {}
        for number, node in enumerate(self.nodes):
            for name in filter(None, node.output):
                if name in self.maker:
                    raise Rnn2cError(f"tensor {quoted(name)} is defined a second time")
                self.maker[name] = number

    def before(self, wanted: Iterable[str], border: Iterable[str]) -> set[int]:
        """Numbers of the nodes that make `wanted`, as far back as the tensors of `border`."""
        stop, found, left = set(border), set[int](), list(wanted)
        while left:
            name = left.pop()
            number = self.maker.get(name)
            if name in stop or number is None or number in found:
                continue
            found.add(number)
            left += [n for n in self.nodes[number].input if n]
        return found

    def read(self, numbers: Iterable[int]) -> set[str]:
        """Names of the tensors that these nodes read."""
        return {name for k in numbers for name in self.nodes[k].input if name}

    def behind(self, start: Iterable[str]) -> set[str]:
        """All tensors that depend on one of these, themselves included."""
        reached = set(start)
        for node in self.nodes:
            if reached.intersection(node.input):
                reached.update(filter(None, node.output))
        return reached

    def require(self, option: str, names: Iterable[str]) -> None:
        """Raise Rnn2cError, which lists near names, unless all are computed tensors or inputs."""
        for name in names:
            if name in self.constants:
                raise Rnn2cError(f"{option} {quoted(name)}: is a constant of the graph")
            if name not in self.maker and name not in self.inputs:
                near = ", ".join(quoted(n) for n in self._near(name)) or "none"
                raise Rnn2cError(f"{option} {quoted(name)}: no tensor is called so; near: {near}")

    def _near(self, name: str) -> list[str]:
        """Names that contain this one or look like it."""
        known = [n for n in (*self.inputs, *self.maker) if n not in self.constants]
        short = name.lower()[:60]
        inside = [n for n in known if short and short in n.lower()]
        alike = difflib.get_close_matches(
            name[:60], [n for n in known if len(n) <= 60][:MOST_COMPARED], SHOWN_NAMES, 0.5
        )
        return list(dict.fromkeys([*alike, *inside]))[:SHOWN_NAMES]


def cut(proto: onnx.ModelProto, part: Part) -> onnx.ModelProto:
    """The model between the tensors part.start and part.end.

    Raises Rnn2cError for unknown names, for a start that the end does not depend on, and for an
    input whose shape is not known and not given.
    """
    graph = Graph(proto.graph)
    graph.require("--from", part.start)
    graph.require("--to", part.end)
    graph.require("--shape", part.shapes)
    graph.require("--state", [*part.state, *part.state.values()])
    end = part.end or _outputs_behind(graph, part.start)
    end = tuple(dict.fromkeys([*end, *part.state.values()]))
    start = tuple(dict.fromkeys([*part.start, *(n for n in part.state if n in graph.maker)]))
    numbers = graph.before(end, start)
    read = graph.read(numbers)
    for name in start:
        if name not in read and name not in end:
            raise Rnn2cError(
                f"--from {quoted(name)}: the tensors of --to do not depend on it; leave it out"
            )
    given = [n for n in graph.inputs if n in read | set(end) and n not in graph.constants]
    inputs = [*start, *(n for n in given if n not in start)]
    return _model(proto, graph, numbers, inputs, end, part)


def _outputs_behind(graph: Graph, start: Sequence[str]) -> tuple[str, ...]:
    if not start:
        return tuple(graph.outputs)
    reached = graph.behind(start)
    end = tuple(name for name in graph.outputs if name in reached)
    if not end:
        raise Rnn2cError(f"--from {quoted(start[0])}: no output of the graph depends on it")
    return end


def _model(
    proto: onnx.ModelProto,
    graph: Graph,
    numbers: set[int],
    inputs: Sequence[str],
    end: Sequence[str],
    part: Part,
) -> onnx.ModelProto:
    made = onnx.ModelProto(ir_version=proto.ir_version)
    made.opset_import.extend(proto.opset_import)
    made.functions.extend(proto.functions)
    made.graph.name = proto.graph.name
    for number in sorted(numbers):
        node = made.graph.node.add()
        node.CopyFrom(graph.nodes[number])
        for k, name in enumerate(node.output):
            if name in inputs:  # what is given is not computed as well
                node.output[k] = ""
    read = graph.read(numbers)
    made.graph.initializer.extend(t for t in proto.graph.initializer if t.name in read)
    sparse = [t for t in proto.graph.sparse_initializer if t.values.name in read]
    made.graph.sparse_initializer.extend(sparse)
    made.graph.input.extend(_infos(proto, graph, inputs, part))
    made.graph.output.extend(onnx.ValueInfoProto(name=name) for name in end)
    return made


def _infos(
    proto: onnx.ModelProto, graph: Graph, inputs: Sequence[str], part: Part
) -> list[onnx.ValueInfoProto]:
    """Type and shape of every input: as given, as the file says, or as onnx infers."""
    infos = {v.name: v for v in proto.graph.value_info} | graph.inputs
    unknown = [n for n in inputs if n not in part.shapes and not _has_features(infos.get(n))]
    if unknown:
        infos |= inferred_inputs(proto, graph.before(unknown, ()), unknown)
    return [_info(name, infos.get(name), part) for name in inputs]


def _info(name: str, info: onnx.ValueInfoProto | None, part: Part) -> onnx.ValueInfoProto:
    known = 0 if info is None else info.type.tensor_type.elem_type
    kind = known or int(onnx.TensorProto.FLOAT)
    if name in part.shapes:
        return onnx.helper.make_tensor_value_info(name, kind, part.shapes[name])
    if info is None or not _has_features(info):
        raise UnsupportedError(
            f"--from {quoted(name)}: its shape is not known; give it as --shape {name[:60]}=1,T,128"
        )
    made = onnx.ValueInfoProto()
    made.CopyFrom(info)
    made.type.tensor_type.elem_type = kind
    return made


def _has_features(info: onnx.ValueInfoProto | None) -> bool:
    """Whether a rank and at least one size are known."""
    shape = None if info is None else info.type.tensor_type.shape
    return shape is not None and any(d.HasField("dim_value") for d in shape.dim)


def given_shapes(proto: onnx.ModelProto, part: Part) -> None:
    """Write part.shapes over those of the graph's inputs; Rnn2cError for any other name."""
    inputs = {i.name: i for i in proto.graph.input}
    for name, shape in part.shapes.items():
        if name not in inputs:
            raise Rnn2cError(
                f"--shape {quoted(name)}: is no input of the model; they are "
                f"{', '.join(quoted(n) for n in list(inputs)[:8])}"
            )
        kind = inputs[name].type.tensor_type.elem_type or onnx.TensorProto.FLOAT
        inputs[name].CopyFrom(onnx.helper.make_tensor_value_info(name, kind, shape))
