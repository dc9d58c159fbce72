"""The PyTorch front end: torch.export records the module, each aten operator has one handler.

The module is never changed: a deep copy in eval mode is exported.  torch is imported only here and
only when a module is loaded.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend import (
    pytorch_compute,
    pytorch_functions,
    pytorch_layout,
    pytorch_pointwise,
    pytorch_rnn,
)
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.imported import Imported
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.values import Axis, Value, plain, quoted
from rnn2c.ir.graph import Model

if TYPE_CHECKING:
    import torch

# Keyed by "NAME.OVERLOAD" or, for all overloads alike, by "NAME".
OPERATORS: dict[str, Handler] = {
    **pytorch_compute.OPERATORS,
    **pytorch_functions.OPERATORS,
    **pytorch_layout.OPERATORS,
    **pytorch_pointwise.OPERATORS,
    **pytorch_rnn.OPERATORS,
}


@dataclass(frozen=True, eq=False)
class ModuleImport:
    """An exported module (for the cross-check) and what it became."""

    program: torch.export.ExportedProgram
    imported: Imported
    example: tuple[Any, ...]


def load_module(
    module: Any, example_input: Any, name: str | None = None, *, cross_check: bool = True
) -> Model:
    """Import a torch.nn.Module.

    example_input: a tensor or array, or a tuple of them for several arguments, with batch 1; only
    shapes matter.  Inputs are named after the arguments of forward; outputs `y`, or `y0`, `y1`, ...
    or the keys of a returned dictionary.  Raises Rnn2cError naming the operator at fault.
    """
    found = import_module(module, example_input, name)
    if not cross_check:
        return found.imported.model
    from rnn2c.frontend.crosscheck import check_module

    return replace(found.imported.model, cross_check=check_module(found))


def import_module(module: Any, example_input: Any, name: str | None = None) -> ModuleImport:
    """Like load_module without the cross-check; also returns the exported program."""
    import torch

    if example_input is None:
        raise Rnn2cError("a torch module needs example_input: a tensor [1, T, features]")
    example = example_input if isinstance(example_input, tuple) else (example_input,)
    tensors = tuple(None if e is None else torch.as_tensor(e, dtype=torch.float32) for e in example)
    kept = copy.deepcopy(module).eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # nn.RNN keeps views of its weights; export warns about them and drops them.
            warnings.simplefilter("ignore", UserWarning)
            program = torch.export.export(kept, tensors)
    except Exception as error:  # torch.export raises many kinds, all about the user's module
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise Rnn2cError(f"torch.export cannot record this module: {text[0][:200]}") from None
    builder = Builder(name or plain(type(module).__name__).lower() or "model")
    imported = _import_graph(builder, program)
    return ModuleImport(program, imported, tensors)


def _import_graph(builder: Builder, program: torch.export.ExportedProgram) -> Imported:
    constants = _constants(program)
    results: dict[str, Result] = {}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            results[node.name] = _placeholder(builder, node, constants)
        elif node.op == "call_function":
            results[node.name] = _call(builder, node, results)
            _trace(builder, node.name, results[node.name])
    returned = next(n for n in program.graph.nodes if n.op == "output").args[0]
    operands = [results[n.name] if hasattr(n, "name") else n for n in returned]
    names = output_names(program)
    outputs = list(zip(names, operands, strict=True))
    for output, operand in outputs:
        if operand is None or isinstance(operand, (list, tuple)):
            raise UnsupportedError(f"output {quoted(output)}: not a tensor")
    return builder.finish(outputs)  # type: ignore[arg-type]


def _trace(builder: Builder, name: str, result: Result) -> None:
    if isinstance(result, Value):
        builder.trace(name, result)


def output_names(program: torch.export.ExportedProgram) -> list[str]:
    """`y`, or `y0`, `y1`, ..., or the keys of a returned dictionary."""
    spec = program.call_spec.out_spec
    assert spec is not None
    count = spec.num_leaves
    keys = spec.context if spec.type is dict else None
    if keys is not None and len(keys) == count:
        return [str(k) for k in keys]
    return ["y"] if count == 1 else [f"y{k}" for k in range(count)]


def _constants(program: torch.export.ExportedProgram) -> dict[str, np.ndarray[Any, Any]]:
    """Parameters, buffers and lifted constants by placeholder name."""
    signature = program.graph_signature
    found: dict[str, np.ndarray[Any, Any]] = {}
    stored: Mapping[str, Any] = {**program.state_dict, **program.constants}
    targets = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    for placeholder, target in targets.items():
        found[placeholder] = stored[target].detach().cpu().numpy()
    return found


def _placeholder(
    builder: Builder, node: Any, constants: Mapping[str, np.ndarray[Any, Any]]
) -> Result:
    if node.name in constants:
        return constants[node.name]
    example = node.meta.get("val")
    if example is None or not hasattr(example, "shape"):
        return None
    if not example.dtype.is_floating_point:
        raise UnsupportedError(f"input {quoted(node.name)}: type {example.dtype}; use float32")
    return builder.input(node.name, [Axis(int(s)) for s in example.shape])


def _call(builder: Builder, node: Any, results: Mapping[str, Result]) -> Result:
    operator = str(getattr(node.target, "__name__", node.target))
    path = _path(node)
    where = f"node {quoted(node.name)} ({quoted(str(node.target))[1:-1]}, module {quoted(path)})"
    handler = OPERATORS.get(operator) or OPERATORS.get(operator.split(".")[0])
    if handler is None:
        raise UnsupportedError(
            f"{where}: this operator is not supported; supported are {', '.join(sorted(OPERATORS))}"
        )
    arguments = _named_arguments(node, results)
    call = Call(builder, where, path, arguments)
    result = handler(call)
    left = call.unread()
    if left:
        raise UnsupportedError(f"{where}: argument {left[0]} is not supported")
    return result


def _path(node: Any) -> str:
    """Attribute path of the module that made this node ("" for the root module)."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack.values())[-1][0]) if stack else ""


def _named_arguments(node: Any, results: Mapping[str, Result]) -> dict[str, Any]:
    """Arguments by their schema names, those with default values left out."""
    schema = getattr(node.target, "_schema", None)
    names = [a.name for a in schema.arguments] if schema else ["self", "index"]
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return {key: _resolve(value, results) for key, value in given.items()}


def _resolve(value: Any, results: Mapping[str, Result]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_resolve(v, results) for v in value]
    if hasattr(value, "op") and hasattr(value, "name"):
        return results[value.name]
    return value
