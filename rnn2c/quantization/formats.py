"""Choose the format of every value: how many bits, which scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph, temporal, window
from rnn2c.ir.graph import Format, Model
from rnn2c.ir.tokens import token_format
from rnn2c.quantization.cells import HEADROOM, hidden_format, state_formats
from rnn2c.quantization.embedding import embedding_format, given_table_format
from rnn2c.quantization.given import given_format, given_matrices, sums_apart
from rnn2c.quantization.observe import Span
from rnn2c.quantization.options import QuantizeOptions
from rnn2c.quantization.pointwise import cuts_within, is_pointwise, largest_gain
from rnn2c.quantization.scales import affine, balanced, fitting_bits, no_finer, symmetric
from rnn2c.quantization.weights import tensor_scale

FINEST = 256
"""No result of an Affine or a Sum is finer than this fraction of a step of its coarsest input."""

SELECTIONS = (
    *(graph.LastStep, window.FirstStep, window.Flip, window.Masked),
    *(temporal.Pool, graph.Extreme),
)
"""Layers that show a value as it is."""

MASK = Format(1.0, 8, lo=0, hi=1)
CELL_BITS = 12
GATE_BITS = 12


def choose_formats(
    model: Model, spans: Mapping[str, Span], options: QuantizeOptions
) -> dict[str, Format]:
    """A Format for every value of the model."""
    spans = _with_initial_states(model, spans)
    formats: dict[str, Format] = {}
    for i in model.inputs:
        if i.tokens:
            formats[i.name] = token_format(i)
        elif i.rate == "step":
            formats[i.name] = _free_format(model, i.name, spans, options)
    for d in model.delays:
        formats[d.name] = _delay_format(model, d, spans, options)
    for layer in model.layers:
        for name, form in _layer_formats(model, layer, formats, spans, options):
            formats[name] = form
        if isinstance(layer, graph.Recurrent):
            for state, value in zip(layer.states, layer.outputs, strict=True):
                if state:
                    _same_format(state, formats.setdefault(state, formats[value]), formats[value])
    return formats


def _with_initial_states(model: Model, spans: Mapping[str, Span]) -> dict[str, Span]:
    """A state ranges over what it becomes and over what the caller starts it with."""
    merged = dict(spans)
    for layer in model.layers:
        if isinstance(layer, graph.Recurrent):
            starts = zip(layer.states, layer.constant_states, layer.outputs, strict=True)
            for state, constant, value in starts:
                if state in spans:
                    merged[value] = merged[value].hull(spans[state])
                if constant is not None:
                    span = Span(float(constant.min()), float(constant.max()))
                    merged[value] = merged[value].hull(span)
    return merged


def _same_format(state: str, first: Format, other: Format) -> None:
    if first != other:
        raise UnsupportedError(
            f"input '{state}' is the initial value of two states with different formats; give each"
            " state an input of its own"
        )


def _layer_formats(
    model: Model,
    layer: graph.Layer,
    formats: Mapping[str, Format],
    spans: Mapping[str, Span],
    options: QuantizeOptions,
) -> list[tuple[str, Format]]:
    name = layer.name
    if isinstance(layer, graph.LayerNorm):
        free = _free_format(model, name, spans, options)
        return [(name, no_finer(free, float(np.abs(layer.gain).max()) / 2**15))]
    if is_pointwise(layer) or _is_total(layer):
        return [(name, _combined_format(model, layer, formats, spans, options))]
    match layer:
        case graph.Recurrent():
            return _state_formats(layer, spans, options)
        case graph.Linear(activation=function):
            return [(name, _linear_format(model, layer, function, formats, spans, options))]
        case graph.Activation(function="relu"):
            return [(name, formats[layer.inputs[0]])]
        case graph.Activation(function=function):
            return [(name, _function_format(function, options))]
        case graph.Rounded(form=form):
            return [(name, form)]
        case graph.Embedding() if given_matrices(layer):
            return [(name, given_table_format(layer))]
        case graph.Embedding(table=table):
            reach = float(np.abs(table.real()).max())
            wanted = _joint_format(model, name, Span(-reach, reach), spans, options)
            return [(name, embedding_format(reach, wanted, options))]
        case graph.Softmax():
            return [(name, Format(1 / 32768, 16, lo=0, hi=32767))]
        case window.StepMask() | window.ValueMask():
            return [(name, MASK)]
        case graph.ArgMax():
            size = model.sizes()[layer.inputs[0]]
            return [(name, Format(1.0, 8 if size <= 128 else 16, lo=0, hi=max(size - 1, 1)))]
    return [(name, formats[layer.inputs[0]])]


def _state_formats(
    layer: graph.Recurrent, spans: Mapping[str, Span], options: QuantizeOptions
) -> list[tuple[str, Format]]:
    """h and, of an LSTM, c."""
    name = layer.name
    match layer:
        case graph.Recurrent(plain=False):
            return state_formats(layer, spans, options)
        case graph.Lstm():
            cell = f"{name}.c"
            return [(name, hidden_format(options)), (cell, _cell_format(spans[cell], options))]
        case graph.Rnn(relu=True):
            return [(name, _relu_state(spans[name].reach, options))]
    return [(name, hidden_format(options))]


def _relu_state(reach: float, options: QuantizeOptions) -> Format:
    """An unbounded hidden state: its calibrated range, in compact rounded up to a power of two."""
    form = symmetric(reach, options.activation_bits)
    if options.profile != "compact":
        return form
    return Format(2.0 ** float(np.ceil(np.log2(form.scale))), form.bits)


def _cell_format(span: Span, options: QuantizeOptions) -> Format:
    """Cell state: int16 in Q3.12; fewer fraction bits, but in compact, if calibration saw more."""
    least = CELL_BITS if options.profile == "compact" else 4
    return Format(2.0 ** -fitting_bits(span.reach, CELL_BITS, least), 16)


def _function_format(function: str, options: QuantizeOptions) -> Format:
    """Output of a table: Q0.15, or what the table of compact holds."""
    if options.profile != "compact":
        return Format(2.0**-15, 16)
    if function == "sigmoid":
        return Format(2.0**-8, 16, lo=0, hi=255)
    return Format(2.0**-12, 16, lo=-4096, hi=4095)


def _linear_format(
    model: Model,
    layer: graph.Linear,
    function: str,
    formats: Mapping[str, Format],
    spans: Mapping[str, Span],
    options: QuantizeOptions,
) -> Format:
    if function in ("sigmoid", "tanh"):
        return _function_format(function, options)
    free = _free_format(model, layer.name, spans, options)
    given = given_matrices(layer) or given_format(model, layer.name)
    if options.profile != "compact" or given:
        return free
    fine = tensor_scale(layer, formats[layer.inputs[0]], options.weight_bits)
    shift = max(0, int(np.ceil(np.log2(free.scale / fine) - 1e-9)))
    return Format(fine * 2.0**shift, free.bits, lo=free.lo, hi=free.hi)


def _free_format(
    model: Model, name: str, spans: Mapping[str, Span], options: QuantizeOptions
) -> Format:
    """A value whose scale is ours to choose: an input or the output of a Linear layer."""
    given = given_format(model, name)
    if given:
        return given
    readers = _readers(model, name)
    is_input = any(i.name == name for i in model.inputs)
    if is_input and options.inputs == "int8":
        return symmetric(spans[name].reach, 8)
    joint = _joint_format(model, name, spans[name], spans, options)
    if joint is not None:
        return joint
    decides = any(isinstance(r, (graph.Softmax, graph.ArgMax)) for r in readers)
    shown = name in model.kept or not readers
    if (decides or shown) and not is_input:
        return symmetric(spans[name].reach * HEADROOM, 16)
    if any(is_pointwise(r) for r in readers):
        return symmetric(spans[name].reach * HEADROOM, 16)
    if is_input and options.activation_bits == 8:
        return affine(spans[name])
    return symmetric(spans[name].reach, options.activation_bits)


def _joint_format(
    model: Model, name: str, span: Span, spans: Mapping[str, Span], options: QuantizeOptions
) -> Format | None:
    """The balanced format, if a recurrent layer sums this value jointly with its state."""
    for reader in _readers(model, name):
        if isinstance(reader, graph.Recurrent) and (
            form := joint_format(reader, span, spans, options)
        ):
            return form
    return None


def joint_format(
    reader: graph.Recurrent, span: Span, spans: Mapping[str, Span], options: QuantizeOptions
) -> Format | None:
    """The balanced format of an input of a recurrent layer, if it is summed jointly with h."""
    if options.sums != "joint" or sums_apart(reader):
        return None
    return balanced(reader, span.reach, _state_scale(reader, spans, options), options)


def _delay_format(
    model: Model, delay: graph.Delay, spans: Mapping[str, Span], options: QuantizeOptions
) -> Format:
    """16 bits around zero, where it starts, unless a cell that reads it asks for its own scale."""
    span = spans[delay.name].hull(spans[delay.value])
    joint = _joint_format(model, delay.name, span, spans, options)
    return joint or symmetric(span.reach * HEADROOM, 16)


def _readers(model: Model, name: str) -> list[graph.Layer]:
    """Layers that read a value, also through a selection of a step."""
    direct = [layer for layer in model.layers if name in layer.data_inputs]
    through = [r for d in direct if _selects(d) for r in _readers(model, d.name)]
    return [d for d in direct if not _selects(d)] + through


def _selects(layer: graph.Layer) -> bool:
    """Whether the layer shows numbers of its input, or something between them."""
    return isinstance(layer, (*SELECTIONS, temporal.Reduce)) and not _is_total(layer)


def _is_total(layer: graph.Layer) -> bool:
    return isinstance(layer, temporal.Reduce) and layer.function == "sum"


def _combined_format(
    model: Model,
    layer: graph.Layer,
    formats: Mapping[str, Format],
    spans: Mapping[str, Span],
    options: QuantizeOptions,
) -> Format:
    """The calibrated range, but no finer than the inputs make sense of.

    Copies of equal formats keep theirs, unless a joint sum asks for another scale.
    """
    given = given_format(model, layer.name)
    if given:
        return given
    sources = [formats[name] for name in layer.inputs]
    copies = isinstance(layer, (graph.Concat, graph.Pick)) and len(set(sources)) == 1
    copies = copies or cuts_within(layer, sources[0])
    joint = options.sums == "joint" and any(
        isinstance(r, graph.Recurrent) and not sums_apart(r) for r in _readers(model, layer.name)
    )
    if copies and not joint:
        return sources[0]
    free = _free_format(model, layer.name, spans, options)
    finest = max(s.scale for s in sources) * largest_gain(layer) / FINEST
    return no_finer(free, finest)


def _state_scale(
    layer: graph.Recurrent, spans: Mapping[str, Span], options: QuantizeOptions
) -> float:
    if isinstance(layer, graph.Rnn) and layer.relu:
        return _relu_state(spans[layer.name].reach, options).scale
    return hidden_format(options).scale


def gate_bits(model: Model, spans: Mapping[str, Span], options: QuantizeOptions) -> dict[str, int]:
    """Fraction bits of the parts of n in a reset-after GRU: Q3.12 unless one exceeds 8."""
    bits: dict[str, int] = {}
    for layer in model.layers:
        if isinstance(layer, graph.Gru) and layer.reset_after and layer.plain:
            bits[layer.name] = GATE_BITS
            if options.profile != "compact":
                bits[layer.name] = fitting_bits(spans[f"{layer.name}.n"].reach, GATE_BITS, 8)
    return bits
