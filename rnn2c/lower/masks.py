"""Lower masks, what they cut off, and flips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import window
from rnn2c.ir.graph import FLOAT32, Format
from rnn2c.ir.program import Argument, Call, Elem, Reduce, Stage, Store
from rnn2c.lower.builder import Builder
from rnn2c.lower.float32.dot import const

MOST_COUNTED = 2**24
"""Steps; float32 counts no further."""


def lower_step_mask(b: Builder, layer: window.StepMask) -> None:
    """One stage that counts the steps; the count stays at the limit."""
    if layer.steps > MOST_COUNTED:
        raise UnsupportedError(
            f"layer '{layer.name}': masks {layer.steps} steps, at most {MOST_COUNTED} are counted"
        )
    whole = Format(1.0, 32, lo=0, hi=max(layer.steps, 1))
    form = FLOAT32 if _is_real(b) else whole
    count = b.state(f"{b.slug(layer)}_count", form, 1, f"steps, up to {layer.steps}").elem()
    body: tuple[Call, ...] = (
        Call("left", "subtract", (layer.steps, count)),
        Call("on", "clamp", ("left", 0, 1), "1 if there are steps left"),
        Call("next", "add", (count, "on")),
        Call("counted", "clamp", ("next", 0, whole.hi), "stays there"),
    )
    if _is_real(b):
        body = (
            Call("left", "subtract_f32", (layer.steps, count)),
            Call("on", "clip_f32", ("left", 0, 1), "1 if there are steps left"),
            Call("counted", "add_f32", (count, "on")),
        )
    stores = (Store(count, "counted"), *b.define(layer.name, "on", "1 at the first steps"))
    title = b.title(layer, f"1 before step {layer.steps}")
    b.append(b.rates[layer.name], Stage(title, 1, body, stores))


def lower_value_mask(b: Builder, layer: window.ValueMask) -> None:
    """Whether each feature differs, then whether any of them does; of tokens in one stage."""
    if any(i.tokens for i in b.model.inputs if i.name == layer.inputs[0]):
        _token_mask(b, layer)
        return
    rate, source = b.rates[layer.name], layer.inputs[0]
    size, real, x = b.sizes[source], _is_real(b), b.place(source, rate)
    form = FLOAT32 if real else Format(1.0, 8, lo=0, hi=1)
    flags = b.scratch(f"{b.slug(layer)}_flags", form, size, "features that differ", rate)
    call = Call("flag", "differs_f32" if real else "differs", (x.elem(), _masked_value(b, layer)))
    title = b.title(layer, f"any feature other than {layer.value:g}")
    (store, *more) = b.define(layer.name, "v", "0 at masked steps")
    target, largest = store.element.buffer, "largest_f32" if real else "largest"
    b.append(
        rate,
        Stage(f"{title}: each", size, (call,), (Store(flags.elem(), "flag"),)),
        Reduce(title, largest, flags.buffer, target, size),
    )
    if more:
        b.append(rate, b.copy_stage(f"{title}, copy", store.element, 1, tuple(more)))


def _token_mask(b: Builder, layer: window.ValueMask) -> None:
    """One stage: whether the token is another one."""
    rate, token = b.rates[layer.name], b.place(layer.inputs[0], b.rates[layer.name]).elem()
    differs = Call("on", "other_f32" if _is_real(b) else "differs", (token, int(layer.value)))
    stores = b.define(layer.name, "on", "0 at masked steps")
    b.append(rate, Stage(b.title(layer, f"any token but {layer.value:g}"), 1, (differs,), stores))


def _masked_value(b: Builder, layer: window.ValueMask) -> Argument:
    """The value as the input holds it."""
    if _is_real(b):
        value = np.array([layer.value], np.float32)
        return Elem(const(b, f"{layer.name}_value", value, "what is masked"), 0, 0)
    values = np.asarray(b.format(layer.inputs[0]).quantize(layer.values), np.int64)
    if np.all(values == values[0]):
        return int(values[0])
    return Elem(b.const(f"{layer.name}_value", values, "what is masked, of each feature"))


def lower_masked(b: Builder, layer: window.Masked) -> None:
    """One stage: x, or zero."""
    rate = b.rates[layer.name]
    x, mask = (b.place(name, rate).elem() for name in layer.inputs)
    zero = b.format(layer.name).zero_point
    hold = Call("y", "hold_f32" if _is_real(b) else "hold", (x, zero, replace(mask, stride=0)))
    stores = b.define(layer.name, "y", f"{layer.inputs[0]}, zero where masked")
    b.append(rate, Stage(b.title(layer, "or zero"), b.sizes[layer.name], (hold,), stores))


def lower_flip(b: Builder, layer: window.Flip) -> None:
    """One stage in a loop: the row as far from the other end."""
    source = replace(b.kept(layer.inputs[0]).elem(), mirror=True)
    stores = b.define(layer.name, "v", f"{layer.inputs[0]} from its end")
    title = b.title(layer, "from the other end")
    b.append("window", b.copy_stage(title, source, b.sizes[layer.name], stores))


def _is_real(b: Builder) -> bool:
    return b.numerics.profile == "float32"
