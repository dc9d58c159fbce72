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
from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.child import SECONDS, ChildFailedError, ChildTimeoutError, run_child
from rnn2c.frontend.child_main import run_torch
from rnn2c.frontend.imported import Imported, Port
from rnn2c.frontend.pytorch_graph import encoded
from rnn2c.frontend.quantization_error import quantization_allowed
from rnn2c.frontend.rounding import TOLERANCE, rounding_allowed
from rnn2c.frontend.values import Axes, quoted
from rnn2c.ir import graph
from rnn2c.ir.evaluate import evaluate
from rnn2c.ir.graph import FloatArray, Model

if TYPE_CHECKING:
    from rnn2c.frontend.onnx import OnnxImport
    from rnn2c.frontend.pytorch_graph import ProgramImport

STEPS = 6

Arrays = dict[str, NDArray[Any]]
Runtime = Literal["onnxruntime", "torch"]
Tolerance = float | Mapping[str, float]
"""Relative: one for all values, or by value."""


def check_onnx(found: OnnxImport) -> str:
    """The text for Model.cross_check; raises Rnn2cError naming the first layer that differs."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "not cross-checked: onnxruntime is not installed"
    imported = found.imported
    feeds = _random_feeds(imported)
    wanted = [p.name for p in imported.outputs]
    results = _run_child("onnxruntime", found.proto.SerializeToString(), feeds, wanted)
    model_values = _model_values(imported, feeds)
    worst, wrong = _compare(imported, imported.outputs, results, model_values)
    if wrong:
        allowed = rounding_allowed(imported.model, _model_inputs(imported, feeds))
        worst, wrong = _compare(imported, imported.outputs, results, model_values, allowed)
    moved: Tolerance = TOLERANCE
    if wrong and _is_quantized(imported):
        inputs = _model_inputs(imported, feeds)
        moved = quantization_allowed(imported.model, imported.dynamic, inputs)
        worst, wrong = _compare(imported, imported.outputs, results, model_values, moved)
    if wrong:
        first = _first_wrong_layer(found, feeds, model_values, moved)
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

    def run(model: bytes, feeds: Arrays, outputs: Sequence[str]) -> Arrays:
        return dict(zip(outputs, run_torch(model, feeds, outputs), strict=True))

    return _check_program(found, run)


def check_original(found: ProgramImport, module: Any, example: tuple[Any, Any]) -> str:
    """The same for the quantized module that was given: it rounds activations while it runs.

    example: positional and keyword arguments, in whose places the random ones go.
    """
    import torch

    imported = found.imported
    feeds = _random_feeds(imported)
    leaves, form = torch.utils._pytree.tree_flatten(example)
    names = [s.name for s in found.graph.sources]
    given = [
        torch.from_numpy(feeds[n]) if n in feeds else leaf
        for n, leaf in zip(names, leaves, strict=True)
    ]
    arguments, keywords = torch.utils._pytree.tree_unflatten(given, form)
    with torch.no_grad():
        outputs = torch.utils._pytree.tree_leaves(module(*arguments, **keywords))
    results = {p.name: y.numpy() for p, y in zip(imported.outputs, outputs, strict=True)}
    allowed = quantization_allowed(imported.model, imported.dynamic, _model_inputs(imported, feeds))
    values = _model_values(imported, feeds)
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
    found: ProgramImport, run: Callable[[bytes, Arrays, Sequence[str]], Arrays]
) -> str:
    """Compares every tensor that the program and the Model have."""
    imported, graph = found.imported, found.graph
    feeds = _random_feeds(imported)
    nodes = {name: returned.name for name, returned in graph.results}
    inner = [port for port in imported.inner if port.name not in nodes]
    nodes.update((port.name, port.name) for port in inner)
    held = run(encoded(graph), {**graph.constants, **feeds}, list(nodes.values()))
    results = {name: held[node] for name, node in nodes.items()}
    model_values = _model_values(imported, feeds)
    ports = (*inner, *imported.outputs)
    worst, wrong = _compare(imported, ports, results, model_values)
    if wrong:
        allowed = rounding_allowed(imported.model, _model_inputs(imported, feeds))
        worst, wrong = _compare(imported, ports, results, model_values, allowed)
    if wrong:
        raise _difference(wrong, "torch", worst)
    return f"agrees with torch {importlib.metadata.version('torch')} to {worst:.0e}"


def _difference(layer: str, runtime: str, worst: float) -> Rnn2cError:
    return Rnn2cError(
        f"layer {quoted(layer)}: the imported model differs from {runtime} (outputs by {worst:.1e} "
        f"relative, {TOLERANCE:.0e} allowed); please report this model"
    )


def _random_feeds(imported: Imported) -> Arrays:
    """Numbers or tokens for every source tensor, laid out as the source wants it."""
    random = np.random.default_rng(0)
    feeds: Arrays = {}
    counts = {i.name: i.tokens for i in imported.model.inputs}
    for port in imported.inputs:
        shape = [a.size or (STEPS if imported.axes.kind(a) == "time" else 1) for a in port.axes]
        tokens = counts.get(port.name, 0)
        feeds[port.name] = (
            random.integers(0, tokens, shape).astype(port.dtype)
            if tokens
            else random.standard_normal(shape).astype(np.float32)
        )
    return feeds


def _vectors(array: NDArray[Any], port: Port, axes: Axes) -> list[FloatArray]:
    """The source tensor as one [T, n] or [n] array per Model value."""
    kinds = [axes.kind(a) for a in port.axes]
    if list(array.shape) != [
        a.size if a.size is not None else s for a, s in zip(port.axes, array.shape, strict=False)
    ]:
        raise Rnn2cError(f"tensor {quoted(port.name)}: the runtime gives shape {array.shape}")
    order = [
        k for want in ("part", "time", "feature") for k, kind in enumerate(kinds) if kind == want
    ]
    units = tuple(k for k in range(array.ndim) if k not in order)
    moved = np.transpose(array.astype(np.float64), (*units, *order))
    moved = moved.reshape(moved.shape[len(units) :])
    if "feature" not in kinds:
        moved = moved[..., None]
    return list(moved) if "part" in kinds else [moved]


def _model_values(imported: Imported, feeds: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
    """Every value of the Model by name, in the same random run."""
    values: dict[str, FloatArray] = {}
    inputs = _model_inputs(imported, feeds)
    evaluate(imported.model, inputs, lambda name, array: values.update({name: array}))
    return values


def _model_inputs(imported: Imported, feeds: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
    inputs: dict[str, FloatArray] = {}
    for port in imported.inputs:
        arrays = _vectors(feeds[port.name], port, imported.axes)
        names = (
            [port.name]
            if len(arrays) == 1 and port.name in _input_names(imported)
            else [f"{port.name}.{k}" for k in range(len(arrays))]
        )
        inputs.update(zip(names, arrays, strict=True))
    rates = {i.name: i.rate for i in imported.model.inputs}
    return {n: a[None] if rates[n] == "step" and a.ndim == 1 else a for n, a in inputs.items()}


def _input_names(imported: Imported) -> set[str]:
    return {i.name for i in imported.model.inputs}


def _compare(
    imported: Imported,
    ports: Sequence[Port],
    results: Mapping[str, NDArray[Any]],
    values: Mapping[str, FloatArray],
    tolerance: Tolerance = TOLERANCE,
) -> tuple[float, str]:
    """Largest relative difference, and the first value above the tolerance or ""."""
    worst = 0.0
    for port in ports:
        for name, theirs in zip(
            port.values, _vectors(results[port.name], port, imported.axes), strict=True
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
    found: OnnxImport, feeds: Arrays, values: Mapping[str, FloatArray], tolerance: Tolerance
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
    results = _run_child("onnxruntime", copy.SerializeToString(), feeds, [p.name for p in inner])
    return _compare(found.imported, inner, results, values, tolerance)[1]


def _run_child(runtime: Runtime, model: bytes, feeds: Arrays, outputs: Sequence[str]) -> Arrays:
    """Run a model in a child process.  Raises Rnn2cError where it fails or takes too long."""
    buffer = io.BytesIO()
    arrays = {f"feed{k}": array for k, array in enumerate(feeds.values())}
    names = np.frombuffer(json.dumps([*feeds, *outputs]).encode(), np.uint8)
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
        return {name: data[f"out{k}"] for k, name in enumerate(outputs)}
