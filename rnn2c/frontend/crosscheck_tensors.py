"""The tensors of a cross-check: random input for a source, and what it means to the Model.

Where outputs are fed back the source is called several times, and the Model runs over the steps of
all calls at once; elsewhere there is one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.finish import input_names
from rnn2c.frontend.imported import Imported, Port
from rnn2c.frontend.values import Axes, quoted
from rnn2c.ir.evaluate import evaluate
from rnn2c.ir.graph import FloatArray
from rnn2c.ir.temporal import infer_times

STEPS = 6
Calls = list[NDArray[Any]]
"""One source tensor in every call."""
Feeds = dict[str, Calls]


def random_feeds(imported: Imported) -> Feeds:
    """Numbers or tokens for every source input, laid out as the source wants it; states: zeros."""
    random = np.random.default_rng(0)
    calls = 1
    if imported.state:
        calls = STEPS if imported.single else 2
    counts = {i.name: i.tokens for i in imported.model.inputs}
    feeds: Feeds = {}
    steps = STEPS + max(t.first + 3 * t.every for t in infer_times(imported.model).values())
    for port in imported.inputs:
        shape = [a.size or (steps if imported.axes.kind(a) == "time" else 1) for a in port.axes]
        tokens = counts.get(port.name, 0)
        if port.name in imported.state:
            feeds[port.name] = [np.zeros(shape, np.float32)] * calls
        elif tokens:
            feeds[port.name] = [
                random.integers(0, tokens, shape).astype(port.dtype) for _ in range(calls)
            ]
        else:
            feeds[port.name] = [
                random.standard_normal(shape).astype(np.float32) for _ in range(calls)
            ]
    given = {
        feeds[p.name][0].shape[k]
        for p in imported.inputs
        for k, axis in enumerate(p.axes)
        if imported.axes.kind(axis) == "time"
    }
    for name in imported.lengths:
        feeds[name] = [np.array([max(given, default=1)], np.int32)] * calls
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


def series(calls: Calls, port: Port, imported: Imported) -> list[FloatArray]:
    """The same over all calls: their steps in a row, or what the last one says of a sequence."""
    parts = [_vectors(array, port, imported.axes) for array in calls]
    moving = imported.single or any(imported.axes.kind(a) == "time" for a in port.axes)
    if not imported.state:
        return parts[0]
    if not moving:
        return parts[-1]
    return [np.concatenate([np.atleast_2d(p) for p in part]) for part in zip(*parts, strict=True)]


def model_inputs(imported: Imported, feeds: Mapping[str, Calls]) -> dict[str, FloatArray]:
    """The inputs of the Model by name."""
    inputs: dict[str, FloatArray] = {}
    for port in imported.inputs:
        if port.name not in imported.state:
            arrays = series(feeds[port.name], port, imported)
            inputs.update(zip(input_names(imported.axes, port), arrays, strict=True))
    rates = {i.name: i.rate for i in imported.model.inputs}
    return {n: a[None] if rates[n] == "step" and a.ndim == 1 else a for n, a in inputs.items()}


def model_values(imported: Imported, feeds: Mapping[str, Calls]) -> dict[str, FloatArray]:
    """Every value of the Model by name, in the same random run."""
    values: dict[str, FloatArray] = {}
    inputs = model_inputs(imported, feeds)
    evaluate(imported.model, inputs, lambda name, array: values.update({name: array}))
    return values
