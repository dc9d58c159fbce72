"""Lower a simple RNN layer: h' = tanh(sum) or relu(sum)."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.program import Call, Dot, Stage
from rnn2c.lower.activations import activated, half_step, pre_activation
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.gates import PRE_BITS, Sum, cell_sums, load_state


def lower_rnn(b: Builder, layer: graph.Rnn) -> None:
    """One stage: the dot product over x and h, then the activation."""
    form = b.format(layer.name)
    relu = layer.relu
    doc = f"hidden state, scale {form.scale:.6g}" if relu else f"hidden state, Q0.{form.bits - 1}"
    h = b.state(f"{b.slug(layer)}_h", form, layer.units, doc, twice=True)
    load_state(b, layer, 0, "h", h)
    unit = form.scale if relu else 2.0**-PRE_BITS
    joint = b.numerics.sums_jointly(layer.name)
    names = ("h_sum", "xh"), ("hx_sum", "x"), ("hh_sum", "h")
    half = 0.0 if relu else half_step(b, "tanh")
    wanted = tuple(
        Sum(name, 0, parts, unit, half if "x" in parts else 0.0)
        for name, parts in (names[:1] if joint else names[1:])
    )
    sums = cell_sums(b, layer, b.place(layer.inputs[0], "step"), Place(h.buffer), wanted)
    body: list[Call | Dot] = [sums.dot]
    if relu:
        body += pre_activation(sums, "h", "h before relu")
        body.append(Call("h", "clamp", ("h_pre", 0, form.hi), "relu"))
    elif b.numerics.profile == "compact":
        body += activated(b, sums, "h", "tanh", "h_tanh")
        body.append(Call("h", "round_sat8", ("h_tanh", 5), "Q3.12 -> Q0.7"))
    elif form.bits == 16:
        body += activated(b, sums, "h", "tanh")
    else:
        body += [
            *activated(b, sums, "h", "tanh", "h_tanh"),
            Call("h_q7", "round_shift", ("h_tanh", 8), "Q0.15 -> Q0.7"),
            Call("h", "sat8", ("h_q7",)),
        ]
    title = b.title(layer, f"RNN h' = {'relu' if relu else 'tanh'}(W x + U h)")
    b.append("step", Stage(title, layer.units, tuple(body), b.define(layer.name, "h", "", h)))
