"""Compares an imported Model with the runtime it came from, on random input.

A file is run by onnxruntime or torch in a child process with limits on memory and time, on bytes
serialized here (no external data, no paths, nothing that was not imported); a module is run by
torch in this process.  A difference is an error that names the first layer that differs, never a
warning.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.child import SECONDS, ChildFailedError, ChildTimeoutError, run_child
from rnn2c.frontend.child_main import run_calls, run_torch
from rnn2c.frontend.crosscheck_tensors import (
    Calls,
    Feeds,
    model_inputs,
    model_values,
    random_feeds,
    series,
)
from rnn2c.frontend.imported import Imported, Port
from rnn2c.frontend.pytorch_graph import encoded
from rnn2c.frontend.quantization_error import quantization_allowed
from rnn2c.frontend.rounding import TOLERANCE, rounding_allowed
from rnn2c.frontend.values import quoted
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Model

if TYPE_CHECKING:
    from rnn2c.frontend.onnx import OnnxImport
    from rnn2c.frontend.pytorch_graph import ProgramImport

Runtime = Literal["onnxruntime", "torch"]
Tolerance = float | Mapping[str, float]
"""Relative: one for all values, or by value."""


def check_onnx(found: OnnxImport) -> str:
    """The text for Model.cross_check; raises Rnn2cError naming the first layer that differs."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "not cross-checked: onnxruntime is not installed"
    imported = found.imported
    feeds = random_feeds(imported)
    wanted = [p.name for p in imported.outputs]
    proto = found.proto.SerializeToString()
    results = _run_child("onnxruntime", proto, feeds, wanted, imported.state)
    ours = model_values(imported, feeds)
    worst, wrong = _compare(imported, imported.outputs, results, ours)
    if wrong:
        allowed = rounding_allowed(imported.model, model_inputs(imported, feeds))
        worst, wrong = _compare(imported, imported.outputs, results, ours, allowed)
    moved: Tolerance = TOLERANCE
    if wrong and _is_quantized(imported):
        inputs = model_inputs(imported, feeds)
        moved = quantization_allowed(imported.model, imported.dynamic, inputs)
        worst, wrong = _compare(imported, imported.outputs, results, ours, moved)
    if wrong:
        first = _first_wrong_layer(found, feeds, ours, moved)
        raise _difference(first or wrong, "onnxruntime", worst)
    version = importlib.metadata.version("onnxruntime")
    return f"agrees with onnxruntime {version} to {worst:.0e}{_dynamic_note(imported, moved)}"


def _is_quantized(imported: Imported) -> bool:
    layers = imported.model.layers
    return bool(imported.dynamic) or any(isinstance(p, graph.Rounded) for p in layers)


def _dynamic_note(imported: Imported, allowed: Tolerance) -> str:
    """What is said of activations that the source rounds while it runs."""
    if not imported.dynamic:
        return ""
    bits = max(imported.dynamic.values())
    text = f"; it rounds activations to {bits} bits while it runs, which is not done here"
    if isinstance(allowed, float):
        return text
    most = max(allowed[p] for port in imported.outputs for p in port.values)
    return f"{text} and may move outputs by {most:.0e}"


def check_module(found: ProgramImport) -> str:
    """The same for a torch module, in this process."""

    def run(model: bytes, feeds: Feeds, outputs: Sequence[str], state: Mapping[str, str]) -> Feeds:
        results = run_calls(run_torch, model, feeds, outputs, state)
        return dict(zip(outputs, results, strict=True))

    return _check_program(found, run)


def check_original(found: ProgramImport, module: Any, example: tuple[Any, Any]) -> str:
    """The same for the quantized module that was given: it rounds activations while it runs.

    example: positional and keyword arguments, in whose places the random ones go.
    """
    import torch

    imported = found.imported
    feeds = random_feeds(imported)
    leaves, form = torch.utils._pytree.tree_flatten(example)
    names = [s.name for s in found.graph.sources]
    returned = [name for name, _ in found.graph.results]

    def run(_: bytes, inputs: Mapping[str, Any], wanted: Sequence[str]) -> list[Any]:
        given = [
            torch.from_numpy(inputs[n]) if n in inputs else leaf
            for n, leaf in zip(names, leaves, strict=True)
        ]
        arguments, keywords = torch.utils._pytree.tree_unflatten(given, form)
        with torch.no_grad():
            outputs = torch.utils._pytree.tree_leaves(module(*arguments, **keywords))
        shown = dict(zip(returned, outputs, strict=True))
        return [shown[name].numpy() for name in wanted]

    calls = run_calls(run, b"", feeds, returned, imported.state)
    results = dict(zip(returned, calls, strict=True))
    allowed = quantization_allowed(imported.model, imported.dynamic, model_inputs(imported, feeds))
    values = model_values(imported, feeds)
    worst, wrong = _compare(imported, imported.outputs, results, values, allowed)
    if wrong:
        raise _difference(wrong, "torch", worst)
    version = importlib.metadata.version("torch")
    return f"agrees with torch {version} to {worst:.0e}{_dynamic_note(imported, allowed)}"


def check_pt2(found: ProgramImport) -> str:
    """The same for the program of a .pt2 file, in a child process."""
    if importlib.util.find_spec("torch") is None:
        return "not cross-checked: torch is not installed"
    return _check_program(found, partial(_run_child, "torch"))


def _check_program(
    found: ProgramImport,
    run: Callable[[bytes, Feeds, Sequence[str], Mapping[str, str]], Feeds],
) -> str:
    """Compares every tensor that the program and the Model have."""
    imported, graph = found.imported, found.graph
    feeds = random_feeds(imported)
    nodes = {name: returned.name for name, returned in graph.results}
    made = {node.name for node in graph.nodes} - set(nodes)
    inner = [port for port in imported.inner if port.name in made]
    nodes.update((port.name, port.name) for port in inner)
    state = {before: nodes[after] for before, after in imported.state.items()}
    constants = {name: [array] for name, array in graph.constants.items()}
    held = run(encoded(graph), {**constants, **feeds}, list(nodes.values()), state)
    results = {name: held[node] for name, node in nodes.items()}
    ours = model_values(imported, feeds)
    ports = (*inner, *imported.outputs)
    worst, wrong = _compare(imported, ports, results, ours)
    if wrong:
        allowed = rounding_allowed(imported.model, model_inputs(imported, feeds))
        worst, wrong = _compare(imported, ports, results, ours, allowed)
    if wrong:
        raise _difference(wrong, "torch", worst)
    return f"agrees with torch {importlib.metadata.version('torch')} to {worst:.0e}"


def _difference(layer: str, runtime: str, worst: float) -> Rnn2cError:
    return Rnn2cError(
        f"layer {quoted(layer)}: the imported model differs from {runtime} (outputs by {worst:.1e} "
        f"relative, {TOLERANCE:.0e} allowed); please report this model"
    )


def _compare(
    imported: Imported,
    ports: Sequence[Port],
    results: Mapping[str, Calls],
    values: Mapping[str, FloatArray],
    tolerance: Tolerance = TOLERANCE,
) -> tuple[float, str]:
    """Largest relative difference, and the first value above the tolerance or ""."""
    worst = 0.0
    for port in ports:
        for name, theirs in zip(
            port.values, series(results[port.name], port, imported), strict=True
        ):
            difference = _relative(imported.model, name, theirs, values)
            worst = max(worst, difference)
            most = tolerance if isinstance(tolerance, float) else max(tolerance[name], TOLERANCE)
            if not difference <= most:
                return difference, name
    return worst, ""


def _relative(
    model: Model, name: str, theirs: FloatArray, values: Mapping[str, FloatArray]
) -> float:
    ours = values[name]
    layer = next((x for x in model.layers if x.name == name), None)
    if isinstance(layer, graph.ArgMax):
        # Two indices are equally right where their scores are equal within rounding.
        scores = values[layer.inputs[0]]
        index = theirs.astype(np.int64).reshape(ours.shape)
        theirs = np.take_along_axis(scores, index, axis=-1)
        ours = scores.max(axis=-1, keepdims=True)
    scale = max(1.0, float(np.max(np.abs(ours))))
    difference = float(np.max(np.abs(ours - theirs.reshape(ours.shape)))) / scale
    return difference if np.isfinite(difference) else float("inf")


def _first_wrong_layer(
    found: OnnxImport, feeds: Feeds, values: Mapping[str, FloatArray], tolerance: Tolerance
) -> str:
    """Run a copy of the file that shows every intermediate tensor."""
    import onnx

    known = {o.name for o in found.proto.graph.output}
    produced = {name for node in found.proto.graph.node for name in node.output}
    inner = [p for p in found.imported.inner if p.name in produced]
    copy = onnx.ModelProto()
    copy.CopyFrom(found.proto)
    for port in inner:
        if port.name not in known:
            copy.graph.output.append(onnx.ValueInfoProto(name=port.name))
    shown, state = [p.name for p in inner], found.imported.state
    results = _run_child("onnxruntime", copy.SerializeToString(), feeds, shown, state)
    return _compare(found.imported, inner, results, values, tolerance)[1]


def _run_child(
    runtime: Runtime,
    model: bytes,
    feeds: Feeds,
    outputs: Sequence[str],
    state: Mapping[str, str],
) -> Feeds:
    """Run a model in a child process.  Raises Rnn2cError where it fails or takes too long."""
    buffer = io.BytesIO()
    arrays = {f"feed{k}": np.stack(calls) for k, calls in enumerate(feeds.values())}
    said = json.dumps([[*feeds], [*outputs], dict(state)])
    names = np.frombuffer(said.encode(), np.uint8)
    np.savez(buffer, model=np.frombuffer(model, np.uint8), names=names, **arrays)  # type: ignore[arg-type]
    try:
        answer = run_child(runtime, buffer.getvalue())
    except ChildTimeoutError:
        raise Rnn2cError(
            f"{runtime} did not finish in {SECONDS} s; load with cross_check=False"
        ) from None
    except ChildFailedError as error:
        raise Rnn2cError(
            f"{runtime} cannot run this model ({error}); export it again or load with "
            "cross_check=False"
        ) from None
    with np.load(io.BytesIO(answer), allow_pickle=False) as data:
        return {name: list(data[f"out{k}"]) for k, name in enumerate(outputs)}
