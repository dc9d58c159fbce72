"""A Model as text, for people and for comparisons.

Equal models give equal text.  Numbers of weights are summed up, not listed; names that come from
the user's model appear as `ir.names.prose` lets them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rnn2c.ir import graph, temporal, window
from rnn2c.ir.graph import Float32, Format, Layer, Model, Tensor
from rnn2c.ir.names import prose


def model_text(model: Model) -> str:
    """A Model, one paragraph per layer: shapes, rates, formats once quantized, parameters."""
    return "\n".join(_model_lines(model)) + "\n"


def format_text(form: Format) -> str:
    """`Qm.n` for a power-of-two scale, else type and scale; the range unless it is the type's."""
    if isinstance(form, Float32):
        return "float32"
    mantissa, exponent = math.frexp(form.scale)
    if mantissa == 0.5 and form.zero_point == 0:
        text = f"Q{form.bits - 2 + exponent}.{1 - exponent}"
    else:
        text = f"int{form.bits} scale {form.scale:.6g}"
        text += f" zero point {form.zero_point}" if form.zero_point else ""
    whole = (-(2 ** (form.bits - 1)), 2 ** (form.bits - 1) - 1)
    return text if (form.lo, form.hi) == whole else f"{text} in [{form.lo}, {form.hi}]"


def _model_lines(model: Model) -> Iterator[str]:
    numerics = model.numerics
    how = f", profile {numerics.profile}, accumulate {numerics.accumulate}" if numerics else ""
    yield f"model {prose(model.name)}{how}"
    for i in model.inputs:
        yield f"input {_value(model, i.name)}{f', {i.tokens} tokens' if i.tokens else ''}"
        if i.channels:
            yield f"  divided by {', '.join(f'{c:g}' for c in i.channels)}"
    for d in model.delays:
        yield f"delay {_value(model, d.name)}, of {prose(d.value)} one step before"
    for layer in model.layers:
        yield ""
        yield f"{type(layer).__name__}{_attributes(layer)}{_order(layer)} of {_inputs(layer)}"
        for value in layer.outputs:
            yield f"  defines {_value(model, value)}"
        yield from (f"  {line}" for line in _parameters(layer))
        if numerics and layer.name in numerics.cells:
            yield from (f"  {line}" for line in _cell_formats(layer, numerics.cells[layer.name]))
        if numerics and layer.name in numerics.split:
            yield "  sums of their own scales"
        if numerics and layer.name in numerics.pre_bits:
            bits = numerics.pre_bits[layer.name]
            yield f"  pre-activation of n in Q{15 - bits}.{bits}"
    yield ""
    for output in model.outputs:
        yield f"output {prose(output.name)} shows {prose(output.value)}"


def _cell_formats(layer: Layer, formats: graph.CellFormats) -> Iterator[str]:
    """One line per role of a cell."""
    assert isinstance(layer, graph.Recurrent)
    for k, function in enumerate(layer.activations[: len(formats.before)]):
        before, after = formats.before[k], formats.after[k]
        yield f"{layer.roles[k]}: {function} of Q{15 - before}.{before} in Q{15 - after}.{after}"


def _value(model: Model, name: str) -> str:
    """`name [size] per rate`, and its format once there is one."""
    text = f"{prose(name)} [{model.sizes()[name]}] per {model.rates()[name]}"
    times = temporal.infer_times(model)[name]
    if times != temporal.ALWAYS and model.rates()[name] != "sequence":
        text += f" {times.first}, {times.first + times.every}, ..."
    form = model.numerics.formats.get(name) if model.numerics else None
    return f"{text}, {format_text(form)}" if form else text


def _inputs(layer: Layer) -> str:
    if isinstance(layer, graph.Recurrent) and layer.mask:
        return f"{', '.join(prose(n) or 'zero' for n in layer.inputs[:-1])} where {layer.mask}"
    return ", ".join(prose(name) or "zero" for name in layer.inputs)


def _order(layer: Layer) -> str:
    reverse = isinstance(layer, graph.Recurrent) and layer.direction == "reverse"
    return " (reverse)" if reverse else ""


def _attributes(layer: Layer) -> str:
    match layer:
        case graph.Recurrent():
            return _cell_attributes(layer)
        case temporal.Framed() | temporal.Reduce():
            return f" ({temporal.described(layer)})"
        case graph.Linear(activation=name) if name:
            return f" ({name})"
        case graph.Activation(function=name, alpha=alpha, beta=beta):
            return f" ({name}{f' {alpha:.6g} {beta:.6g}' if alpha or beta else ''})"
        case graph.Rounded(form=form):
            return f" (to {format_text(form)})"
        case graph.LayerNorm(epsilon=epsilon, centred=centred):
            return f" (epsilon {epsilon:g}{'' if centred else ', not centred'})"
        case graph.Extreme(function=name):
            return f" ({name})"
        case graph.Sum(subtract=True):
            return " (a - b)"
        case window.StepMask(steps=steps):
            return f" (before step {steps})"
        case window.ValueMask(value=value):
            return f" (other than {value:.6g})"
        case graph.Pick(indices=indices):
            return f" (elements {_elements(indices)})"
    return ""


def _cell_attributes(layer: graph.Recurrent) -> str:
    """What is not the same for every cell of its kind."""
    said = []
    if isinstance(layer, graph.Gru):
        said.append(f"reset {'after' if layer.reset_after else 'before'} the product")
    if layer.activations != layer.usual or isinstance(layer, graph.Rnn):
        said.append(", ".join(map(str, layer.activations)))
    if math.isfinite(layer.clip):
        said.append(f"clip {layer.clip:.6g}")
    if isinstance(layer, graph.Lstm) and layer.coupled:
        said.append("coupled gates")
    return f" ({'; '.join(said)})" if said else ""


def _elements(indices: tuple[int, ...]) -> str:
    """`2 .. 5` of neighbours, else a list."""
    if len(indices) > 1 and indices == tuple(range(indices[0], indices[0] + len(indices))):
        return f"{indices[0]} .. {indices[-1]}"
    return " ".join(map(str, indices))


def _parameters(layer: Layer) -> Iterator[str]:
    """One line per weight matrix and bias, in declared order."""
    for name, value in vars(layer).items():
        if isinstance(value, Tensor):
            yield f"{name} {list(value.shape)} {_tensor(value)}"
        elif isinstance(value, np.ndarray):
            yield f"{name} {list(value.shape)} float{_span(value)}"


def _tensor(tensor: Tensor) -> str:
    if tensor.scale is None:
        return f"float{_span(np.asarray(tensor.data, np.float64))}"
    lowest, highest = float(tensor.scale.min()), float(tensor.scale.max())
    scales = f"{lowest:.6g}" if lowest == highest else f"{lowest:.6g} to {highest:.6g}"
    data = np.asarray(tensor.data, np.int64)
    zero = "" if tensor.zero is None else f", zero points{_span(tensor.zero.astype(np.float64))}"
    return f"int{tensor.bits} in [{data.min()}, {data.max()}], scale of a row {scales}{zero}"


def _span(array: NDArray[np.float64]) -> str:
    return f" in [{array.min():.6g}, {array.max():.6g}]" if array.size else ""
