"""An exported program as plain records: what the PyTorch front end reads, without torch.

They come from a module that torch.export has recorded (`of_program`) or from a .pt2 file that is
read without torch (pt2_graph).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnn2c.errors import UnsupportedError, quoted
from rnn2c.frontend.imported import Imported
from rnn2c.frontend.pytorch_fold import Folder
from rnn2c.frontend.values import Constant

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Ref:
    """As an argument: the result of the node, or the input or constant, of this name."""

    name: str


class TorchName(str):
    """As an argument: a constant of torch by its full name, as torch.float32."""


@dataclass(frozen=True)
class Source:
    """An argument of forward.

    shape: numbers, or names of dynamic sizes; None if it is no tensor.  dtype: as torch.float32.
    """

    name: str
    shape: tuple[int | str, ...] | None
    dtype: str


@dataclass(frozen=True, eq=False)
class Node:
    """One call.  target: aten.NAME.OVERLOAD or getitem; arguments by schema name, defaults left out
    or not; path: of the module that makes the call, "" for the root."""

    name: str
    target: str
    arguments: Mapping[str, Any]
    path: str


@dataclass(frozen=True, eq=False)
class Graph:
    """nodes in order of execution; constants and results by name."""

    sources: tuple[Source, ...]
    constants: Mapping[str, Constant]
    nodes: tuple[Node, ...]
    results: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, eq=False)
class ProgramImport:
    """An exported program (for the cross-check) and what it became."""

    graph: Graph
    imported: Imported


def encoded(graph: Graph) -> bytes:
    """The nodes as JSON, for torch in another process: [name, target, arguments] each."""
    return json.dumps(
        [[n.name, n.target, {k: _coded(v) for k, v in n.arguments.items()}] for n in graph.nodes]
    ).encode()


def _coded(value: Any) -> Any:
    if isinstance(value, list):
        return [_coded(v) for v in value]
    if isinstance(value, Ref):
        return {"ref": value.name}
    return {"torch": value.removeprefix("torch.")} if isinstance(value, TorchName) else value


def of_program(program: torch.export.ExportedProgram) -> Graph:
    """The records of a program that torch.export made in this process."""
    stored = _stored(program)
    constants = {name: _array(name, tensor) for name, tensor in stored.items()}
    folder = Folder(stored)
    sources: list[Source] = []
    nodes: list[Node] = []
    returned: list[Any] = []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name not in constants:
            sources.append(_source(node))
        elif node.op == "call_function" and (folded := folder.fold(node)) is not None:
            if hasattr(folded, "numpy"):
                constants[node.name] = _array(node.name, folded)
        elif node.op == "call_function":
            nodes.append(Node(node.name, _target(node), _arguments(node), _path(node)))
        elif node.op == "output":
            returned = _plain(node.args[0])
    spec = program.call_spec.out_spec
    assert spec is not None
    names = result_names(spec.num_leaves, spec.context if spec.type is dict else None)
    return Graph(tuple(sources), constants, tuple(nodes), tuple(zip(names, returned, strict=True)))


def result_names(count: int, keys: list[Any] | None) -> list[str]:
    """`y`, or `y0`, `y1`, ..., or the keys of a returned dictionary of tensors."""
    if keys is not None and len(keys) == count:
        return [str(k) for k in keys]
    return ["y"] if count == 1 else [f"y{k}" for k in range(count)]


def _stored(program: torch.export.ExportedProgram) -> dict[str, torch.Tensor]:
    """Parameters, buffers and lifted constants by placeholder name."""
    signature = program.graph_signature
    stored: Mapping[str, Any] = {**program.state_dict, **program.constants}
    targets = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    return {name: stored[target].detach().cpu() for name, target in targets.items()}


def _array(name: str, tensor: torch.Tensor) -> Constant:
    try:
        constant: Constant = tensor.detach().cpu().contiguous().numpy()
    except TypeError:  # numpy has no bfloat16
        raise UnsupportedError(
            f"tensor {quoted(name)} has type {tensor.dtype}; convert the module with .float()"
        ) from None
    return constant


def _source(node: torch.fx.Node) -> Source:
    example = node.meta.get("val")
    if example is None or not hasattr(example, "shape"):
        return Source(node.name, None, "")
    return Source(node.name, tuple(int(s) for s in example.shape), str(example.dtype))


def _target(node: torch.fx.Node) -> str:
    if getattr(node.target, "_schema", None) is not None:
        return str(node.target)
    return str(getattr(node.target, "__name__", node.target))


def _path(node: torch.fx.Node) -> str:
    """Attribute path of the module that made this node ("" for the root module)."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack.values())[-1][0]) if stack else ""


def _arguments(node: torch.fx.Node) -> dict[str, Any]:
    schema = getattr(node.target, "_schema", None)
    names = [a.name for a in schema.arguments] if schema else ["self", "index"]
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return {key: _plain(value) for key, value in given.items()}


def _plain(value: Any) -> Any:
    import torch

    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, torch.fx.Node):
        return Ref(value.name)
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return TorchName(value)
    return str(value) if isinstance(value, torch.device) else value
