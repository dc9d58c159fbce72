"""Float evaluation of a Model: the meaning of every layer, in numpy, one time step at a time.

Calibration observes the same run: `observe(name, array)` is called with every value and with the
inner signals of the cells that a quantizer needs (ir/cell_steps.py), and `alter(name, array)` may
put something else in the place of the inner signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError
from rnn2c.ir import functions, graph, temporal, window
from rnn2c.ir.cell_steps import Alter, Observer, run_cell, unaltered
from rnn2c.ir.graph import FloatArray, Model
from rnn2c.ir.loops import Run, loop_of, run_loop
from rnn2c.ir.tokens import checked_tokens, token_columns


def evaluate(
    model: Model,
    inputs: Mapping[str, NDArray[np.floating]],
    observe: Observer | None = None,
    alter: Alter = unaltered,
) -> dict[str, FloatArray]:
    """Run a whole sequence.

    inputs: [T, n] for per-step inputs (a batch [N, T, n] works too), [n] for per-sequence ones;
    an absent per-sequence input is zero.  Returns the same by output name.
    Raises Rnn2cError for a missing or misshapen input.
    """
    values = _checked_inputs(model, inputs)
    note = observe or (lambda name, array: None)
    for name, array in values.items():
        note(name, array)
    run = partial(_run_layer, alter=alter)
    if model.delays:
        loop = loop_of(model)
        _run_layers(loop.before, values, run, note)
        values |= run_loop(loop.inside, model.delays, values, run, note)
        _run_layers(loop.behind, values, run, note)
    else:
        _run_layers(model.layers, values, run, note)
    return {output.name: values[output.value] for output in model.outputs}


def _run_layers(
    layers: Sequence[graph.Layer], values: dict[str, FloatArray], run: Run, note: Observer
) -> None:
    for layer in layers:
        results = run(layer, [values.get(name) for name in layer.inputs], note)
        for name, array in zip(layer.outputs, results, strict=True):
            values[name] = array
            note(name, array)


def _checked_inputs(
    model: Model, inputs: Mapping[str, NDArray[np.floating]]
) -> dict[str, FloatArray]:
    values: dict[str, FloatArray] = {}
    known = {i.name for i in model.inputs}
    for name in inputs:
        if name not in known:
            raise Rnn2cError(f"input '{name}': the model has {', '.join(sorted(known))}")
    for i in model.inputs:
        if i.name not in inputs:
            if i.rate == "sequence":
                continue
            raise Rnn2cError(f"input '{i.name}' is missing: give an array [T, {i.size}]")
        array = np.asarray(inputs[i.name], np.float64)
        if i.tokens:
            array = checked_tokens(token_columns(array, False), i.tokens, f"input '{i.name}'")
        rank = (2, 3) if i.rate == "step" else (1, 2)
        if array.ndim not in rank or array.shape[-1] != i.size:
            wanted = f"[T, {i.size}]" if i.rate == "step" else f"[{i.size}]"
            raise Rnn2cError(f"input '{i.name}' has shape {list(array.shape)}, expected {wanted}")
        values[i.name] = array / np.array(i.channels) if i.channels else array
    return values


def _run_layer(
    layer: graph.Layer, args: list[FloatArray | None], note: Observer, *, alter: Alter
) -> tuple[FloatArray, ...]:
    x = args[0]
    assert x is not None
    match layer:
        case graph.Lstm() | graph.Gru() | graph.Rnn():
            states = args[1 : 1 + len(layer.states)]
            return run_cell(layer, x, states, args[-1] if layer.mask else None, note, alter)
        case temporal.Conv1d() | temporal.Pool() | temporal.Reduce():
            return (temporal.evaluate(layer, x),)
        case graph.Linear(weight=weight, bias=bias, activation=activation):
            return (functions.apply(activation, x @ weight.real().T + bias),)
        case graph.Activation(function=function, alpha=alpha, beta=beta):
            return (functions.apply(function, x, alpha, beta),)
        case graph.Softmax() | graph.LogSoftmax() | graph.LayerNorm() | graph.ArgMax():
            return (_over_features(layer, x),)
        case graph.Extreme(function=function):
            fold = np.max if function == "max" else np.min
            return (fold(x, axis=-1, keepdims=True),)
        case graph.LastStep():
            return (x[..., -1, :],)
        case window.FirstStep():
            return (x[..., 0, :],)
        case window.Flip():
            return (x[..., ::-1, :],)
        case window.StepMask(steps=steps):
            before = (np.arange(x.shape[-2]) < steps)[:, None]
            return (np.broadcast_to(before, (*x.shape[:-1], 1)).astype(np.float64),)
        case window.ValueMask(values=values):
            differs = np.float32(x) != np.float32(values)
            return (differs.any(axis=-1, keepdims=True).astype(np.float64),)
        case graph.Embedding(table=table):
            return (table.real()[x[..., 0].astype(np.int64)],)
    return _run_pointwise(layer, [a for a in args if a is not None])


def _over_features(layer: graph.Layer, x: FloatArray) -> FloatArray:
    below = x - x.max(axis=-1, keepdims=True)
    match layer:
        case graph.Softmax():
            e = np.exp(below)
            return np.asarray(e / e.sum(axis=-1, keepdims=True))
        case graph.LogSoftmax():
            return np.asarray(below - np.log(np.exp(below).sum(axis=-1, keepdims=True)))
        case graph.LayerNorm():
            return _normalized(layer, x)
    return np.asarray(x.argmax(axis=-1)[..., None], np.float64)


def _normalized(layer: graph.LayerNorm, x: FloatArray) -> FloatArray:
    away = x - x.mean(axis=-1, keepdims=True) if layer.centred else x
    spread = np.mean(away * away, axis=-1, keepdims=True) + layer.epsilon
    root = np.sqrt(np.maximum(spread, np.finfo(np.float64).tiny))
    return np.asarray(layer.gain * (away / root) + layer.bias)


def _run_pointwise(layer: graph.Layer, args: list[FloatArray]) -> tuple[FloatArray, ...]:
    match layer:
        case graph.Affine(scale=scale, offset=offset):
            return (args[0] * scale + offset,)
        case graph.Rounded(form=form):
            return (_rounded(args[0], form),)
        case graph.Sum(subtract=subtract):
            return (args[0] - args[1] if subtract else args[0] + args[1],)
        case graph.Product() | window.Masked():
            return (args[0] * args[1],)
        case graph.Concat():
            return (np.concatenate(args, axis=-1),)
        case graph.Pick(indices=indices):
            return (args[0][..., list(indices)],)
    raise Rnn2cError(f"layer '{layer.name}': no float evaluation of {type(layer).__name__}")


def _rounded(x: FloatArray, form: graph.Format) -> FloatArray:
    """In steps as float32 divides, ties to even  (ONNX QuantizeLinear, DequantizeLinear)."""
    with np.errstate(over="ignore"):
        steps = np.asarray(x, np.float32) / np.float32(form.scale)
    q = np.clip(np.round(steps.astype(np.float64)) + form.zero_point, form.lo, form.hi)
    return form.dequantize(q)
