"""Lower recurrent cells to float32; the equations are those of `ir.graph`."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.graph import FLOAT32
from rnn2c.ir.program import Argument, Call, Dot, Stage, Store
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.float32.dot import Sum, cell_dot
from rnn2c.lower.gates import load_state


def lower_lstm(b: Builder, layer: graph.Lstm) -> None:
    """One stage: four gates of a unit in one dot product, then its c and h."""
    h = _hidden_state(b, layer)
    c = b.state(f"{b.slug(layer)}_c", FLOAT32, layer.units, "cell state")
    load_state(b, layer, 1, "c", c)
    x = b.place(layer.inputs[0], "step")
    sums = tuple(Sum(f"{g}_sum", k, "xh") for k, g in enumerate("ifgo"))
    body: tuple[Call | Dot, ...] = (
        cell_dot(b, layer, x, Place(h.buffer), sums),
        *(_sigmoid(g, f"{g}_sum") for g in "if"),
        Call("g", "tanh_f32", ("g_sum",)),
        _sigmoid("o", "o_sum"),
        Call("c", "gated_sum_f32", ("f", c.elem(), "i", "g"), "f*c + i*g"),
        Call("c_tanh", "tanh_f32", ("c",)),
        Call("h", "mul_f32", ("o", "c_tanh"), "o*tanh(c)"),
    )
    cell = f"{layer.name}.c"
    stores = (*b.define(layer.name, "h", "", h), *b.define(cell, "c", "", c))
    title = b.title(layer, "LSTM gates i f g o; c' = f*c + i*g; h' = o*tanh(c')")
    b.append("step", Stage(title, layer.units, body, stores))


def lower_gru(b: Builder, layer: graph.Gru) -> None:
    """One stage (reset-after), or two: r and z of all units, then n (reset-before)."""
    h = _hidden_state(b, layer)
    if layer.reset_after:
        _reset_after(b, layer, h)
    else:
        _reset_before(b, layer, h)


GATE_SUMS = (Sum("r_sum", 0, "xh"), Sum("z_sum", 1, "xh"))


def _reset_after(b: Builder, layer: graph.Gru, h: Place) -> None:
    old = Place(h.buffer)
    sums = (*GATE_SUMS, Sum("nx_sum", 2, "x"), Sum("nh_sum", 2, "h"))
    body: tuple[Call | Dot, ...] = (
        cell_dot(b, layer, b.place(layer.inputs[0], "step"), old, sums),
        *(_sigmoid(g, f"{g}_sum") for g in "rz"),
        Call("n_pre", "reset_f32", ("nx_sum", "r", "nh_sum"), "nx + r*nh"),
        *_update("n_pre", "z", old),
    )
    title = b.title(layer, "GRU gates r z; n = tanh(nx + r*nh); h' = n + z*(h - n)")
    b.append("step", Stage(title, layer.units, body, b.define(layer.name, "h", "", h)))


def _reset_before(b: Builder, layer: graph.Gru, h: Place) -> None:
    old, slug = Place(h.buffer), b.slug(layer)
    x = b.place(layer.inputs[0], "step")
    reset = b.scratch(f"{slug}_rh", FLOAT32, layer.units, "r * h", "step")
    z = b.scratch(f"{slug}_z", FLOAT32, layer.units, "update gate z", "step")
    gates: tuple[Call | Dot, ...] = (
        cell_dot(b, layer, x, old, GATE_SUMS, "rz_"),
        *(_sigmoid(g, f"{g}_sum") for g in "rz"),
        Call("rh", "mul_f32", ("r", old.elem())),
    )
    title = b.title(layer, "GRU gates r z; r*h")
    first = Stage(title, layer.units, gates, (Store(reset.elem(), "rh"), Store(z.elem(), "z")))
    candidate: tuple[Call | Dot, ...] = (
        cell_dot(b, layer, x, reset, (Sum("n_sum", 2, "xh"),), "n_"),
        *_update("n_sum", z.elem(), old),
    )
    title = b.title(layer, "GRU n = tanh(W x + U (r*h)); h' = n + z*(h - n)")
    stores = b.define(layer.name, "h", "", h)
    b.append("step", first, Stage(title, layer.units, candidate, stores))


def lower_rnn(b: Builder, layer: graph.Rnn) -> None:
    """One stage: the dot product over x and h, then the activation."""
    h = _hidden_state(b, layer)
    x = b.place(layer.inputs[0], "step")
    sums = cell_dot(b, layer, x, Place(h.buffer), (Sum("h_sum", 0, "xh"),))
    body = (sums, Call("h", f"{layer.activation}_f32", ("h_sum",)))
    title = b.title(layer, f"RNN h' = {layer.activation}(W x + U h)")
    b.append("step", Stage(title, layer.units, body, b.define(layer.name, "h", "", h)))


def _hidden_state(b: Builder, layer: graph.Recurrent) -> Place:
    """The state h with its initial value; the place of the copy being computed."""
    h = b.state(f"{b.slug(layer)}_h", FLOAT32, layer.units, "hidden state", twice=True)
    load_state(b, layer, 0, "h", h)
    return h


def _sigmoid(out: str, source: str) -> Call:
    return Call(out, "sigmoid_f32", (source,))


def _update(pre: str, z: Argument, old: Place) -> tuple[Call, ...]:
    """n = tanh(pre); h' = n + z (h - n)."""
    return (
        Call("n", "tanh_f32", (pre,)),
        Call("h", "blend_f32", ("n", old.elem(), z), "n + z*(h - n)"),
    )
