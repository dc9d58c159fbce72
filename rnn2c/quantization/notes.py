"""What the chosen numbers cost, for the user to read: ranges that saturate, inputs too coarse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph
from rnn2c.ir.functions import TABULATED, settled
from rnn2c.ir.graph import FloatArray, Format, Input, Model
from rnn2c.ir.names import prose
from rnn2c.quantization.observe import Span
from rnn2c.quantization.options import QuantizeOptions
from rnn2c.quantization.overlapped import is_pruned

WIDEST_INTERVAL = 0.5
TOLERANCE = 1.02
"""A range is said to be too short only if calibration leaves it by more than rounding."""


FEW_LEVELS = 32
"""The largest weight of a matrix below which it is said to have few values."""

FEWEST_STEPS = 32
ENOUGH_STEPS = 64
"""An input channel that calibration moves over fewer steps of its format is said to be coarse."""


def find_notes(
    model: Model,
    data: SequenceSet,
    spans: Mapping[str, Span],
    formats: Mapping[str, Format],
    options: QuantizeOptions,
) -> tuple[str, ...]:
    """One line for every state that leaves its format in calibration, and every coarse input."""
    return (*_channels(model, data, formats), *_notes(model, spans, formats, options))


def notes_of_narrow_sums(layers: Iterable[graph.Layer]) -> Iterator[str]:
    """One line for every matrix that sums of 16 bits leave few values for."""
    for layer in layers:
        if isinstance(layer, graph.Recurrent):
            for name, tensor in (("w_ih", layer.w_ih), ("w_hh", layer.w_hh)):
                most = int(np.abs(np.asarray(tensor.data)).max(initial=0))
                if most < FEW_LEVELS:
                    yield (
                        f"layer '{prose(layer.name)}': sums of 16 bits leave {name} the values"
                        f" -{most} to {most}; train with smaller weights or inputs, or take"
                        " sum_width int32"
                    )


def coarse_inputs(model: Model, data: SequenceSet) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Of every per-step input of a quantized Model that has one scale, too coarse for some of its
    channels: how large each channel [size] is, relative to the largest, and how large it is to be
    taken at least where finer steps of it make weights coarser: it has ENOUGH_STEPS then.
    """
    assert model.numerics is not None
    found = {}
    for i, columns, coarse in _coarse_channels(model, data, model.numerics.formats):
        if coarse and not i.channels and i.rate == "step":
            reach = np.abs(columns).max(axis=0)
            steps = np.ptp(columns, axis=0) / model.numerics.formats[i.name].scale
            enough = np.minimum(steps / ENOUGH_STEPS, 1.0)
            relative = reach / reach.max()
            found[i.name] = relative, np.asarray(np.maximum(relative, enough), np.float64)
    return found


def _coarse_channels(
    model: Model, data: SequenceSet, formats: Mapping[str, Format]
) -> Iterator[tuple[Input, FloatArray, list[int]]]:
    """Inputs, what calibration has for them [samples, size], and their coarse channels."""
    for i in model.inputs:
        found = [s[i.name].reshape(-1, i.size) for s in data.sequences if i.name in s]
        if i.tokens or not found:
            continue
        columns = np.concatenate(found)
        step = formats[i.name].scale * np.array(i.channels or (1.0,))
        span = np.ptp(columns, axis=0) / step
        yield i, columns, [k for k in range(i.size) if 0 < span[k] < FEWEST_STEPS]


def _channels(model: Model, data: SequenceSet, formats: Mapping[str, Format]) -> Iterator[str]:
    for i, _, coarse in _coarse_channels(model, data, formats):
        if i.channels:
            yield (
                f"input '{prose(i.name)}': one scale would be too coarse, each channel has its own;"
                f" they differ by up to {max(i.channels) / min(i.channels):.3g}"
            )
        if coarse:
            listed = ", ".join(map(str, coarse[:8]))
            yield (
                f"input '{prose(i.name)}': channels {listed} move over fewer than {FEWEST_STEPS}"
                " steps; bring the channels to one range before training"
            )


def _notes(
    model: Model,
    spans: Mapping[str, Span],
    formats: Mapping[str, Format],
    options: QuantizeOptions,
) -> Iterator[str]:
    for layer in model.layers:
        yield from _coarse_tables(layer, formats)
        if not isinstance(layer, graph.Recurrent):
            continue
        name = prose(layer.name)
        if options.overlapped and is_pruned(layer):
            yield f"layer '{name}' is pruned: its weights are plain int4, so that zeros stay 0"
        for value, what in zip(layer.outputs, ("hidden state", "cell state"), strict=False):
            reach, top = spans[value].reach, _top(formats[value])
            if reach > top * TOLERANCE:
                advice = "; use profile accurate" if options.profile == "compact" else ""
                yield (
                    f"layer '{name}': the {what} reaches {reach:.3g},"
                    f" it saturates at {top:.3g}{advice}"
                )
        for state, value in zip(layer.states, layer.outputs, strict=True):
            if state in spans and spans[state].reach > _top(formats[value]) * TOLERANCE:
                yield (
                    f"initial state '{prose(state)}' reaches {spans[state].reach:.3g},"
                    f" it saturates at {_top(formats[value]):.3g}"
                )
        if options.profile == "compact" and not layer.plain:
            yield f"layer '{name}': this form of the cell is computed as in profile accurate"
        elif options.profile == "compact" and f"{layer.name}.n" in spans:
            reach = spans[f"{layer.name}.n"].reach
            if reach > 8 * TOLERANCE:
                yield (
                    f"layer '{name}': a part of n reaches {reach:.3g}, profile compact saturates it"
                    " at 8; use profile accurate"
                )


def _coarse_tables(layer: graph.Layer, formats: Mapping[str, Format]) -> Iterator[str]:
    """A table has 256 intervals; over a wide range they are wider than the bends of a function."""
    if not isinstance(layer, graph.Activation) or layer.function not in TABULATED:
        return
    top = _top(formats[layer.inputs[0]])
    top = min(top, settled(layer.function, layer.beta))
    if top / 128 > WIDEST_INTERVAL:
        yield (
            f"layer '{prose(layer.name)}': {layer.function} of values up to {top:.3g}, in a table"
            f" of 256 intervals of {top / 128:.3g}, is coarse around 0; scale its input down"
        )


def _top(form: Format) -> float:
    """The largest magnitude a format holds, its last step rounded up."""
    return max(-form.lo, form.hi + 1) * form.scale
