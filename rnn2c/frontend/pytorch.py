"""The PyTorch front end: torch.export records the module, each aten operator has one handler.

The module is never changed: a deep copy in eval mode is exported.  torch is imported only here and
only when a module is loaded.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend import (
    pytorch_cells,
    pytorch_compose,
    pytorch_compute,
    pytorch_functions,
    pytorch_inplace,
    pytorch_layout,
    pytorch_modules,
    pytorch_moves,
    pytorch_pointwise,
    pytorch_quantized,
    pytorch_rnn,
    pytorch_temporal,
)
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.embedding import TOKEN_TYPES
from rnn2c.frontend.imported import Imported
from rnn2c.frontend.part import WHOLE, Part
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.pytorch_constants import folded
from rnn2c.frontend.pytorch_graph import Graph, Node, ProgramImport, Ref, Source, of_program
from rnn2c.frontend.time_last import time_last
from rnn2c.frontend.values import Axis, Operand, Value, plain, quoted
from rnn2c.ir.graph import Model

# Keyed by "NAME.OVERLOAD" or, for all overloads alike, by "NAME".
OPERATORS: dict[str, Handler] = {
    **pytorch_cells.OPERATORS,
    **pytorch_compose.OPERATORS,
    **pytorch_compute.OPERATORS,
    **pytorch_functions.OPERATORS,
    **pytorch_layout.OPERATORS,
    **pytorch_moves.OPERATORS,
    **pytorch_pointwise.OPERATORS,
    **pytorch_quantized.OPERATORS,
    **pytorch_rnn.OPERATORS,
    **pytorch_temporal.OPERATORS,
}


def load_module(
    module: Any,
    example_input: Any,
    name: str | None = None,
    *,
    state: Mapping[str, str] | None = None,
    cross_check: bool = True,
) -> Model:
    """Import a torch.nn.Module.

    example_input: a tensor or array, a tuple of arguments, or a dictionary of keyword arguments,
    each a tensor of batch 1 or what torch.export takes (tuples of them, None, numbers); of tensors
    only shapes matter.  Inputs are named after the arguments of forward; outputs `y`, or `y0`,
    `y1`, ... or the keys of a returned dictionary.  Raises Rnn2cError naming the operator at fault.
    """
    found = import_module(module, example_input, name, state or {})
    if not cross_check:
        return found.imported.model
    from rnn2c.frontend.crosscheck import check_module, check_original

    text = check_module(found)
    if found.imported.dynamic:
        text = check_original(found, module, _arguments(example_input))
    return replace(found.imported.model, cross_check=text)


def import_module(
    module: Any, example_input: Any, name: str | None = None, state: Mapping[str, str] | None = None
) -> ProgramImport:
    """Like load_module without the cross-check; also returns the exported program."""
    import torch

    if example_input is None:
        raise Rnn2cError("a torch module needs example_input: a tensor [1, T, features]")
    arguments, keywords = _arguments(example_input)
    kept = copy.deepcopy(module, _computed(module)).eval()
    dynamic: dict[str, int] = {}
    if pytorch_modules.is_quantized(kept):
        kept, dynamic = pytorch_modules.plain(kept)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # nn.RNN keeps views of its weights; export warns about them and drops them.
            warnings.simplefilter("ignore", UserWarning)
            program = torch.export.export(kept, arguments, keywords)
    except Exception as error:  # torch.export raises many kinds, all about the user's module
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise Rnn2cError(f"torch.export cannot record this module: {text[0][:200]}") from None
    builder = Builder(name or plain(type(module).__name__).lower() or "model")
    graph = of_program(program)
    part = Part(state=state or {})
    return ProgramImport(graph, import_graph(builder, graph, dynamic, part))


def _computed(module: Any) -> dict[int, Any]:
    """For deepcopy: tensors that the old weight_norm and others compute of parameters, detached."""
    import torch

    found: dict[int, Any] = {}
    for inner in module.modules():
        for value in vars(inner).values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, torch.Tensor) and not item.is_leaf:
                    found[id(item)] = item.detach().clone()
    return found


def _arguments(example_input: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of forward."""
    import torch

    example = torch.utils._pytree.tree_map(_example, example_input)
    keywords = example if isinstance(example, dict) else {}
    return example if isinstance(example, tuple) else () if keywords else (example,), keywords


def _example(given: Any) -> Any:
    """An example of numbers as float32, of tokens as it is; anything that is no tensor too.

    Always a copy: one tensor given for two arguments is two inputs.
    """
    import torch

    if not isinstance(given, (np.ndarray, torch.Tensor)):
        return given
    tensor = torch.tensor(given) if isinstance(given, np.ndarray) else given.detach().clone()
    return tensor.float() if tensor.is_floating_point() else tensor


def import_graph(
    builder: Builder,
    graph: Graph,
    dynamic: Mapping[str, int] | None = None,
    part: Part = WHOLE,
) -> Imported:
    """Translate every node; raises Rnn2cError naming the one at fault.

    dynamic: by the path of a module, to how many bits it rounds what it reads while it runs.
    """
    results: dict[str, Result] = dict(graph.constants)
    in_time = time_last(
        (_operator(n), [a.name for a in n.arguments.values() if isinstance(a, Ref)], [n.name])
        for n in graph.nodes
    )
    for source in graph.sources:
        results[source.name] = _source(builder, source, source.name in in_time)
    views = pytorch_inplace.Views(builder)
    for node in graph.nodes:
        with builder.dynamic_activations((dynamic or {}).get(node.path, 0)):
            results[node.name] = _call(builder, node, results)
        _trace(builder, node.name, results[node.name])
        views.note(node, results)
    outputs: list[tuple[str, Operand]] = []
    for name, returned in graph.results:
        operand = results[returned.name] if isinstance(returned, Ref) else None
        if not isinstance(operand, (Value, np.ndarray)):
            raise UnsupportedError(f"output {quoted(name)}: not a tensor")
        outputs.append((name, operand))
    return builder.finish(outputs, part)


def _trace(builder: Builder, name: str, result: Result) -> None:
    if isinstance(result, Value):
        builder.trace(name, result)


def _operator(node: Node) -> str:
    """NAME of aten.NAME.OVERLOAD."""
    return node.target.removeprefix("aten.").split(".")[0]


def _source(builder: Builder, source: Source, is_time_last: bool) -> Result:
    if source.shape is None:
        return None
    dtype = source.dtype.removeprefix("torch.")
    axes = [Axis(s) if isinstance(s, int) else Axis(None, s) for s in source.shape]
    if dtype in TOKEN_TYPES:
        return builder.tokens(source.name, axes, dtype)
    if dtype != "float32":
        raise UnsupportedError(
            f"input {quoted(source.name)}: type {dtype}; use float32, or int64 for tokens"
        )
    return builder.input(source.name, axes, is_time_last)


def _call(builder: Builder, node: Node, results: Mapping[str, Result]) -> Result:
    operator = node.target.removeprefix("aten.")
    where = f"node {quoted(node.name)} ({quoted(node.target)[1:-1]}, module {quoted(node.path)})"
    name = pytorch_quantized.handler_name(operator)
    given = {key: _resolve(value, results) for key, value in node.arguments.items()}
    constant = folded(builder, name.split(".")[0], given, where)
    if constant is not None:
        return constant
    handler = OPERATORS.get(operator) or OPERATORS.get(name)
    handler = handler or OPERATORS.get(pytorch_inplace.outside(name))
    if handler is None:
        raise UnsupportedError(
            f"{where}: this operator is not supported; supported are {', '.join(_known_names())}"
        )
    call = Call(builder, where, node.path, given)
    pytorch_quantized.refuse_integers(call, operator)
    try:
        result = handler(call)
    except Exception as error:
        error.add_note(where)  # a file may give arguments that no handler expects
        raise
    left = call.unread()
    if left:
        raise UnsupportedError(f"{where}: argument {left[0]} is not supported")
    return result


def _known_names() -> list[str]:
    """The operators as people know them: without overloads and those that only torch writes."""
    names = {name.split(".")[0] for name in OPERATORS if not name.startswith("_")}
    return sorted(names - {"loop", "quantized_decomposed"})


def _resolve(value: Any, results: Mapping[str, Result]) -> Any:
    if isinstance(value, list):
        return [_resolve(v, results) for v in value]
    return results[value.name] if isinstance(value, Ref) else value
