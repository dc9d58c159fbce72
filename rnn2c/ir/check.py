"""Validity of a Model: names, shapes and rates.  Checked before and after every pass."""

from __future__ import annotations

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.ir import graph, temporal, window
from rnn2c.ir.check_cell import check_cell, expect
from rnn2c.ir.functions import FUNCTIONS
from rnn2c.ir.graph import Model, Rate
from rnn2c.ir.loops import refuse_in_loop
from rnn2c.ir.tokens import check_tokens

MOST_EPSILON = 1e6


def check_model(model: Model) -> None:
    """Raise Rnn2cError that names the layer and the attribute unless the model is valid."""
    defined = {i.name for i in model.sources}
    if len(defined) != len(model.sources):
        raise Rnn2cError(f"model '{model.name}': two inputs have the same name")
    for i in model.sources:
        if i.size < 1:
            raise Rnn2cError(f"input '{i.name}': size {i.size}, expected at least 1")
    for layer in model.layers:
        for name in layer.inputs:
            if name and name not in defined:
                raise Rnn2cError(
                    f"layer '{layer.name}' reads '{name}', which nothing before it defines"
                )
        for name in layer.outputs:
            if name in defined:
                raise Rnn2cError(f"layer '{layer.name}' defines '{name}' a second time")
            defined.add(name)
    _check_kept(model, defined)
    sizes = infer_sizes(model)
    rates = infer_rates(model)
    _check_delays(model, sizes, rates)
    temporal.infer_times(model)
    _check_initial_states(model)
    check_tokens(model)
    for layer in model.layers:
        _check_numbers(layer)


def _check_kept(model: Model, defined: set[str]) -> None:
    if not model.outputs:
        raise Rnn2cError(f"model '{model.name}' has no output")
    if len({o.name for o in model.outputs}) != len(model.outputs):
        raise Rnn2cError(f"model '{model.name}': two outputs have the same name")
    for output in model.outputs:
        if output.value not in defined:
            raise Rnn2cError(
                f"output '{output.name}' shows '{output.value}', which nothing defines"
            )
    for delay in model.delays:
        if delay.value not in defined:
            raise Rnn2cError(f"'{delay.name}' delays '{delay.value}', which nothing defines")


def _check_delays(model: Model, sizes: dict[str, int], rates: dict[str, Rate]) -> None:
    for delay in model.delays:
        if sizes[delay.value] != delay.size:
            raise Rnn2cError(
                f"'{delay.name}' [{delay.size}] delays '{delay.value}' [{sizes[delay.value]}]"
            )
        if any(delay.value in p.outputs for p in model.layers if isinstance(p, graph.ArgMax)):
            raise UnsupportedError(
                f"'{delay.name}' delays '{delay.value}', a class index; feed back numbers"
            )
        if rates[delay.value] != "step":
            raise UnsupportedError(
                f"'{delay.name}' delays '{delay.value}', which is not known at every step"
            )
    if model.delays:
        refuse_in_loop(model)


def _check_initial_states(model: Model) -> None:
    """A per-sequence input is the initial state of a layer, and such a state is nothing else."""
    inputs = {i.name for i in model.inputs if i.rate == "sequence"}
    states = {n for p in model.layers if isinstance(p, graph.Recurrent) for n in p.states if n}
    for name in sorted(states - inputs):
        raise UnsupportedError(
            f"'{name}' is used as an initial state: that has to be an input given once per sequence"
        )
    for name in sorted(inputs - states):
        raise UnsupportedError(
            f"input '{name}' is given once per sequence but is no initial state of a layer; give it"
            " at every step or remove it"
        )
    readers = [(p.name, n) for p in model.layers for n in p.data_inputs]
    readers += [(o.name, o.value) for o in model.outputs]
    readers += [(d.name, d.value) for d in model.delays]
    for reader, name in readers:
        if name in inputs:
            raise UnsupportedError(
                f"'{reader}' reads '{name}', which is an initial state and can be nothing else;"
                " give the values at every step as well"
            )


def infer_sizes(model: Model) -> dict[str, int]:
    """Vector length of every value; raises Rnn2cError on a mismatch, with both shapes."""
    sizes = {i.name: i.size for i in model.sources}
    for layer in model.layers:
        sizes.update(zip(layer.outputs, _output_sizes(layer, sizes), strict=True))
    return sizes


def _output_sizes(layer: graph.Layer, sizes: dict[str, int]) -> tuple[int, ...]:
    got = sizes[layer.inputs[0]]
    match layer:
        case graph.Recurrent():
            return check_cell(layer, sizes)
        case graph.Linear(weight=weight, bias=bias):
            columns = temporal.columns(layer, got) if isinstance(layer, temporal.Conv1d) else got
            expect(layer, "weight", weight.shape, (weight.shape[0], columns))
            expect(layer, "bias", bias.shape, (weight.shape[0],))
            return (weight.shape[0],)
        case graph.Embedding(table=table):
            return (table.shape[1],)
        case graph.ArgMax() | graph.Extreme() | window.StepMask() | window.ValueMask():
            return (1,)
        case graph.Concat():
            return (sum(sizes[n] for n in layer.inputs),)
        case graph.Pick(indices=indices):
            if not indices or not all(0 <= k < got for k in indices):
                raise Rnn2cError(
                    f"layer '{layer.name}': picks elements {list(indices)[:8]} of {got}"
                )
            return (len(indices),)
    _check_elementwise(layer, got, sizes)
    return (got,)


def _check_elementwise(layer: graph.Layer, got: int, sizes: dict[str, int]) -> None:
    """A layer whose result is as long as its input."""
    match layer:
        case window.Masked():
            expect(layer, "the mask", (sizes[layer.inputs[1]],), (1,))
        case graph.Activation(function=function) if function not in FUNCTIONS or not function:
            raise Rnn2cError(f"layer '{layer.name}': there is no function '{function}'")
        case graph.LayerNorm(gain=gain, bias=bias, epsilon=epsilon):
            expect(layer, "gain", gain.shape, (got,))
            expect(layer, "bias", bias.shape, (got,))
            if not 0 <= epsilon <= MOST_EPSILON:
                raise Rnn2cError(f"layer '{layer.name}': epsilon {epsilon:g} is no small number")
        case graph.Affine(scale=scale, offset=offset):
            expect(layer, "scale", scale.shape, (got,))
            expect(layer, "offset", offset.shape, (got,))
        case graph.Sum() | graph.Product():
            expect(layer, "the pair of inputs", tuple(sizes[n] for n in layer.inputs), (got, got))


def _check_format(layer: graph.Layer, form: graph.Format) -> None:
    reach = 2 ** (form.bits - 1)
    if not (np.isfinite(form.scale) and form.scale > 0):
        raise Rnn2cError(f"layer '{layer.name}': a scale of {form.scale:g} is not positive")
    if not -reach <= form.lo <= form.zero_point <= form.hi < reach or form.bits not in (8, 16):
        raise Rnn2cError(
            f"layer '{layer.name}': zero point {form.zero_point} or range [{form.lo}, {form.hi}]"
            f" is beyond {form.bits} bits"
        )


def infer_rates(model: Model) -> dict[str, Rate]:
    """Rate of every value; raises Rnn2cError where a layer gets the wrong one."""
    rates: dict[str, Rate] = {i.name: i.rate for i in model.inputs}
    rates.update({d.name: "step" for d in model.delays})
    for layer in model.layers:
        rates.update(dict.fromkeys(layer.outputs, _rate(layer, rates)))
    return rates


OVER_TIME = (
    *(graph.Recurrent, graph.LastStep),
    *(window.FirstStep, window.Flip, window.StepMask, window.ValueMask),
    *(temporal.Framed, temporal.Reduce),
)
"""Layers that need one vector per step."""


def _rate(layer: graph.Layer, rates: dict[str, Rate]) -> Rate:
    found = {rates[name] for name in layer.data_inputs}
    if isinstance(layer, OVER_TIME) and "sequence" in found:
        raise Rnn2cError(
            f"layer '{layer.name}' needs one vector per step,"
            f" '{layer.inputs[0]}' has one per sequence"
        )
    if len(found) > 1 and "sequence" in found:
        raise UnsupportedError(
            f"layer '{layer.name}' combines one vector per step with one per sequence; select"
            " the last step of the first, or compute both at every step"
        )
    match layer:
        case graph.LastStep() | window.FirstStep() | temporal.Reduce():
            return "sequence"
        case graph.Recurrent(direction="reverse") | window.Flip():
            return "window"
    if temporal.needs_window(layer):
        return "window"
    return "window" if "window" in found else rates[layer.inputs[0]]


def _check_numbers(layer: graph.Layer) -> None:
    if isinstance(layer, graph.Rounded):
        _check_format(layer, layer.form)
    for name, value in vars(layer).items():
        data = value.data if isinstance(value, graph.Tensor) else value
        if isinstance(data, np.ndarray) and not np.all(np.isfinite(data)):
            index = [int(k) for k in np.argwhere(~np.isfinite(data))[0]]
            raise Rnn2cError(
                f"layer '{layer.name}': {name}{index} is {data[tuple(index)]};"
                " weights must be finite"
            )
        if isinstance(value, graph.Tensor) and value.scale is not None:
            _check_integers(layer, name, value, value.scale)


def _check_integers(
    layer: graph.Layer, name: str, tensor: graph.Tensor, scale: graph.FloatArray
) -> None:
    expect(layer, f"the scale of {name}", scale.shape, tensor.shape[:1])
    if not np.all((scale > 0) & np.isfinite(scale)):
        raise Rnn2cError(f"layer '{layer.name}': a scale of {name} is not positive and finite")
    reach = 2 ** (tensor.bits - 1)
    if tensor.zero is not None:
        expect(layer, f"the zero point of {name}", tensor.zero.shape, tensor.shape[:1])
        if type(layer) not in (graph.Linear, graph.Embedding):
            raise UnsupportedError(
                f"layer '{layer.name}': {name} has zero points; those of Linear and Embedding are"
                " kept, quantize others symmetrically"
            )
        if np.any(np.abs(tensor.zero) > reach):
            raise Rnn2cError(f"layer '{layer.name}': a zero point of {name} is out of range")
    if not np.all((tensor.data >= -reach) & (tensor.data < reach)):
        raise Rnn2cError(f"layer '{layer.name}': {name} holds integers beyond {tensor.bits} bits")
