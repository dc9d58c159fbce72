"""Lower a Model to a Program: one function per kind of layer, in a literal registry.

A quantized Model becomes integers, one that is not becomes float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph, temporal, window
from rnn2c.ir.graph import Model
from rnn2c.ir.names import model_identifier, prose
from rnn2c.ir.program import Clock, Program, RawInput, Signal
from rnn2c.ir.temporal import ALWAYS
from rnn2c.lower import float32
from rnn2c.lower.affine import lower_affine
from rnn2c.lower.arrange import lower_concat, lower_pick
from rnn2c.lower.builder import Builder
from rnn2c.lower.conv import lower_conv
from rnn2c.lower.delay import declare_delay, update_delays
from rnn2c.lower.embedding import lower_embedding, token_input
from rnn2c.lower.float32 import FLOAT_LOWERINGS
from rnn2c.lower.functions import lower_function
from rnn2c.lower.gru import lower_gru
from rnn2c.lower.head import lower_argmax, lower_extreme_element, lower_softmax
from rnn2c.lower.linear import lower_linear
from rnn2c.lower.log_softmax import lower_log_softmax
from rnn2c.lower.lstm import lower_lstm
from rnn2c.lower.masks import lower_flip, lower_masked, lower_step_mask, lower_value_mask
from rnn2c.lower.norm import lower_norm
from rnn2c.lower.pointwise import lower_product, lower_sum
from rnn2c.lower.pool import lower_pool
from rnn2c.lower.raw import RawScale, lower_raw
from rnn2c.lower.reduce import lower_reduce
from rnn2c.lower.rnn import lower_rnn
from rnn2c.lower.rounded import lower_rounded
from rnn2c.lower.select import lower_selection, show
from rnn2c.lower.steps import check_max_steps, step_bytes
from rnn2c.lower.varied_cells import lower_varied_gru, lower_varied_lstm, lower_varied_rnn
from rnn2c.target import Target

__all__ = ["RawScale", "check_max_steps", "lower", "step_bytes"]


LOWERINGS: dict[type[graph.Layer], Callable[[Builder, Any], None]] = {
    graph.Lstm: lower_lstm,
    graph.Gru: lower_gru,
    graph.Rnn: lower_rnn,
    graph.Linear: lower_linear,
    graph.Activation: lower_function,
    graph.Softmax: lower_softmax,
    graph.ArgMax: lower_argmax,
    graph.Extreme: lower_extreme_element,
    graph.LastStep: lower_selection,
    window.FirstStep: lower_selection,
    window.Flip: lower_flip,
    window.Masked: lower_masked,
    window.StepMask: lower_step_mask,
    window.ValueMask: lower_value_mask,
    graph.Affine: lower_affine,
    graph.Rounded: lower_rounded,
    graph.Sum: lower_sum,
    graph.Product: lower_product,
    graph.Concat: lower_concat,
    graph.Pick: lower_pick,
    graph.Embedding: lower_embedding,
    temporal.Conv1d: lower_conv,
    temporal.Pool: lower_pool,
    temporal.Reduce: lower_reduce,
    graph.LogSoftmax: lower_log_softmax,
    graph.LayerNorm: lower_norm,
}


VARIED: dict[type[graph.Recurrent], Callable[[Builder, Any], None]] = {
    graph.Lstm: lower_varied_lstm,
    graph.Gru: lower_varied_gru,
    graph.Rnn: lower_varied_rnn,
}
"""Cells that are not plain, in integers."""


MOVES = {
    kind: LOWERINGS[kind]
    for kind in (
        *(graph.ArgMax, graph.Extreme, graph.LastStep, graph.Concat, graph.Pick),
        *(window.FirstStep, window.Flip, window.Masked, window.StepMask, window.ValueMask),
    )
}
"""Layers that move values and hardly compute: one lowering for integers and floats."""


def lower(
    model: Model, target: Target, raw: RawScale | None = None, max_steps: int | None = None
) -> Program:
    """max_steps: of a sequence, for a Model that waits for the end of it, and only for such a one.

    Raises UnsupportedError for a layer without a lowering, Rnn2cError for an unfit max_steps.
    """
    check_max_steps(model, max_steps)
    b = Builder(model, target, max_steps or 0)
    inputs = tuple(
        token_input(b, i)
        if i.tokens
        else Signal(i.name, b.input(i.name, i.rate), i.rate, b.format(i.name), channels=i.channels)
        for i in model.inputs
    )
    for delay in model.delays:
        declare_delay(b, delay)
    for output in model.outputs:
        _declare_output(b, output.name, output.value)
    for layer in model.layers:
        b.begin_layer(layer)
        _lowering(b, layer)(b, layer)
    b.begin_layer(None)
    for output in model.outputs:
        if any(output.value == i.name for i in model.sources):
            show(b, output.value, output.name)
    update_delays(b)
    raw_input: RawInput | None = None
    if raw is not None:
        raw_input = (float32.lower_raw if model.numerics is None else lower_raw)(b, inputs, raw)
    return Program(
        name=model_identifier(model.name),
        doc=_describe(model),
        profile=b.numerics.profile,
        target=target,
        buffers=tuple(b.buffers.values()),
        weights=tuple(b.weights),
        consts=tuple(b.consts.values()),
        init=tuple(b.init),
        step=tuple(b.step),
        finish=b.all_of_finish(),
        inputs=inputs,
        outputs=tuple(b.outputs[o.name] for o in model.outputs),
        raw_input=raw_input,
        notes=b.numerics.notes,
        max_steps=b.max_steps,
        counter=b.counter,
        counter_clock=_counter_clock(b),
        output_clock=_output_clock(b),
        finish_after=tuple(dict.fromkeys(b.finish_after)),
        step_until=tuple(b.step_until),
    )


def _output_clock(b: Builder) -> Clock | None:
    """When step has its outputs; they have to come together."""
    times = {o.name: b.times_of[o.value] for o in b.model.outputs if b.rates[o.value] == "step"}
    if len(set(times.values())) > 1:
        listed = ", ".join(
            f"'{prose(name)}' from step {t.first} every {t.every}" for name, t in times.items()
        )
        raise UnsupportedError(
            f"outputs come at different time steps: {listed}; make a model of each of them"
        )
    (found,) = set(times.values()) or {ALWAYS}
    return None if found == ALWAYS else b.clocks.clock(found)


def _counter_clock(b: Builder) -> Clock | None:
    """When a row is stored; all that waits for the whole sequence has to have these times."""
    waiting = {v for v in b.times_of if b.rates[v] == "window"} | set(b.schedule.kept)
    times = {b.times_of[v] for v in waiting}
    if len(times) > 1:
        raise UnsupportedError(
            "values that wait for the whole sequence come at different steps:"
            f" {', '.join(sorted(map(prose, waiting)))}; use one stride in front of all of them"
        )
    (found,) = times or {ALWAYS}
    if found == ALWAYS:
        return None
    clock = b.clocks.clock(found)
    b.finish_after.append((clock.buffer, clock.first))
    return clock


def _lowering(b: Builder, layer: graph.Layer) -> Callable[[Builder, Any], None]:
    if b.model.numerics and isinstance(layer, graph.Recurrent) and not layer.plain:
        return VARIED[type(layer)]
    registry = LOWERINGS if b.model.numerics else MOVES | FLOAT_LOWERINGS
    if type(layer) in registry:
        return registry[type(layer)]
    known = ", ".join(t.__name__ for t in registry)
    raise UnsupportedError(
        f"layer '{prose(layer.name)}': {type(layer).__name__} has no lowering; supported: {known}"
    )


def _declare_output(b: Builder, name: str, value: str) -> None:
    rate, form = b.rates[value], b.format(value)
    doc = f"model output '{prose(name)}'"
    rows = b.max_steps if rate == "window" else 0
    buffer = b.buffer(name, form, b.sizes[value], "output", doc, rate=rate, rows=rows)
    source = next((p for p in b.model.layers if p.name == value), None)
    kind: Literal["label", "value"] = "label" if _is_label(b, source) else "value"
    b.outputs[name] = Signal(name, buffer, rate, form, kind)


def _is_label(b: Builder, layer: graph.Layer | None) -> bool:
    if isinstance(layer, (graph.LastStep, window.FirstStep, window.Flip)):
        return _is_label(b, next((p for p in b.model.layers if p.name == layer.inputs[0]), None))
    return isinstance(layer, graph.ArgMax)


def _describe(model: Model) -> str:
    sizes = model.sizes()
    parts = []
    for layer in model.layers:
        kind = type(layer).__name__
        if isinstance(layer, temporal.Conv1d):
            parts.append(f"conv {sizes[layer.inputs[0]]} x {layer.kernel} -> {sizes[layer.name]}")
        elif isinstance(layer, graph.Recurrent):
            reverse = "reverse " if layer.direction == "reverse" else ""
            parts.append(f"{reverse}{kind.upper()} {layer.input_size} -> {layer.units}")
        elif isinstance(layer, graph.Linear):
            parts.append(f"linear {layer.weight.shape[1]} -> {sizes[layer.name]}")
        elif isinstance(layer, graph.Embedding):
            parts.append(f"embedding of {layer.table.shape[0]} -> {sizes[layer.name]}")
        elif not isinstance(layer, (graph.LastStep, window.FirstStep)):
            parts.append(kind.lower())
    return ", ".join(parts)
