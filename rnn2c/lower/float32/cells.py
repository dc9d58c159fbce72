"""Lower recurrent cells to float32; the equations are those of `ir.cells`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FLOAT32
from rnn2c.ir.program import Argument, Call, Dot, Elem, Stage, Store
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.float32.dot import Part, Sum, cell_dot, const, dot, single
from rnn2c.lower.float32.pointwise import function_of, parameter
from rnn2c.lower.gates import load_state


@dataclass(frozen=True)
class Functions:
    """The activations of a cell: primitive and parameters of each role, and the limits of clip."""

    roles: tuple[tuple[str, tuple[Argument, ...]], ...]
    limits: tuple[Elem, ...]

    def of(self, role: int, out: str, source: str) -> list[Call]:
        """out = function(source), source limited before."""
        calls: list[Call] = []
        if self.limits:
            calls.append(Call(f"{out}_clipped", "clip_f32", (source, *self.limits)))
            source = f"{out}_clipped"
        return [*calls, self.unclipped(role, out, source)]

    def unclipped(self, role: int, out: str, source: str) -> Call:
        """The same without limits."""
        primitive, parameters = self.roles[role]
        return Call(out, primitive, (source, *parameters))


def _functions(b: Builder, layer: graph.Recurrent) -> Functions:
    roles = tuple(
        function_of(b, f"{layer.name}_{role}", function)
        for role, function in zip(layer.roles, layer.activations, strict=True)
    )
    if math.isinf(layer.clip):
        return Functions(roles, ())
    ends = (("least", -layer.clip), ("most", layer.clip))
    return Functions(roles, tuple(parameter(b, f"{layer.name}_{n}", v) for n, v in ends))


def lower_lstm(b: Builder, layer: graph.Lstm) -> None:
    """One stage: four gates of a unit in one dot product, then its c and h; one to project h."""
    h = _hidden_state(b, layer)
    c = b.state(f"{b.slug(layer)}_c", FLOAT32, layer.units, "cell state")
    load_state(b, layer, 1, "c", c)
    x = b.place(layer.inputs[0], "step")
    gates = "igo" if layer.coupled else "ifgo"
    sums = tuple(Sum(f"{g}_sum", "ifgo".index(g), "xh") for g in gates)
    functions = _functions(b, layer)
    peepholes = _peepholes(b, layer)

    def gate(name: str, cell: Argument) -> list[Call]:
        seen, calls = f"{name}_sum", []
        if name in peepholes:
            calls.append(Call(f"{name}_seen", "reset_f32", (seen, peepholes[name], cell)))
            seen = f"{name}_seen"
        return [*calls, *functions.of(1 if name == "g" else 0, name, seen)]

    update = Call("c", "gated_sum_f32", ("f", c.elem(), "i", "g"), "f*c + i*g")
    forget = (
        [Call("f", "complement_f32", ("i",), "1 - i")] if layer.coupled else gate("f", c.elem())
    )
    last = [update, *gate("o", "c")] if peepholes else [*gate("o", "c"), update]
    out = layer.activations[2].function
    seen = f"c_{out}"
    body: tuple[Call | Dot, ...] = (
        cell_dot(b, layer, x, Place(h.buffer), sums),
        *gate("i", c.elem()),
        *forget,
        *gate("g", c.elem()),
        *last,
        functions.unclipped(2, seen, "c"),
        Call("h", "mul_f32", ("o", seen), f"o*{out}(c)"),
    )
    cell = f"{layer.name}.c"
    title = b.title(layer, f"LSTM gates i f g o; c' = f*c + i*g; h' = o*{out}(c')")
    if layer.projection is None:
        stores = (*b.define(layer.name, "h", "", h), *b.define(cell, "c", "", c))
        b.append("step", Stage(title, layer.units, body, stores))
        return
    wide = b.scratch(f"{b.slug(layer)}_m", FLOAT32, layer.units, "h before its projection", "step")
    stores = (Store(wide.elem(), "h"), *b.define(cell, "c", "", c))
    b.append("step", Stage(title, layer.units, body, stores))
    _project(b, layer, layer.projection, wide, h)


def _peepholes(b: Builder, layer: graph.Lstm) -> dict[str, Elem]:
    """The peephole of each gate, side by side for every unit."""
    if layer.peepholes is None:
        return {}
    data = single(layer, "peepholes", layer.peepholes).reshape(3, layer.units)
    doc = f"peepholes: [{layer.units} units][i f o]"
    name = const(b, f"{layer.name}_peepholes", np.ascontiguousarray(data.T), doc)
    return {gate: Elem(name, k, 3) for k, gate in enumerate("ifo")}


def _project(
    b: Builder, layer: graph.Lstm, projection: graph.Tensor, source: Place, h: Place
) -> None:
    """h = projection source"""
    weight = projection.real()
    parts = (Part(source, weight[:, None, :], (0,)),)
    sums = dot(b, layer, "projection_", ("h",), parts, np.zeros((len(weight), 1)))
    title = b.title(layer, f"projection {layer.units} -> {layer.size}")
    b.append("step", Stage(title, layer.size, (sums,), b.define(layer.name, "h", "", h)))


def lower_gru(b: Builder, layer: graph.Gru) -> None:
    """One stage (reset-after), or two: r and z of all units, then n (reset-before)."""
    h = _hidden_state(b, layer)
    if layer.reset_after:
        _reset_after(b, layer, h)
    else:
        _reset_before(b, layer, h)


GATE_SUMS = (Sum("r_sum", 0, "xh"), Sum("z_sum", 1, "xh"))


def _reset_after(b: Builder, layer: graph.Gru, h: Place) -> None:
    old, functions = Place(h.buffer), _functions(b, layer)
    new = layer.activations[1].function
    sums = (*GATE_SUMS, Sum("nx_sum", 2, "x"), Sum("nh_sum", 2, "h"))
    body: tuple[Call | Dot, ...] = (
        cell_dot(b, layer, b.place(layer.inputs[0], "step"), old, sums),
        *(call for g in "rz" for call in functions.of(0, g, f"{g}_sum")),
        Call("n_pre", "reset_f32", ("nx_sum", "r", "nh_sum"), "nx + r*nh"),
        *_update(functions, "n_pre", "z", old),
    )
    title = b.title(layer, f"GRU gates r z; n = {new}(nx + r*nh); h' = n + z*(h - n)")
    b.append("step", Stage(title, layer.units, body, b.define(layer.name, "h", "", h)))


def _reset_before(b: Builder, layer: graph.Gru, h: Place) -> None:
    old, slug, functions = Place(h.buffer), b.slug(layer), _functions(b, layer)
    x, new = b.place(layer.inputs[0], "step"), layer.activations[1].function
    reset = b.scratch(f"{slug}_rh", FLOAT32, layer.units, "r * h", "step")
    z = b.scratch(f"{slug}_z", FLOAT32, layer.units, "update gate z", "step")
    gates: tuple[Call | Dot, ...] = (
        cell_dot(b, layer, x, old, GATE_SUMS, "rz_"),
        *(call for g in "rz" for call in functions.of(0, g, f"{g}_sum")),
        Call("rh", "mul_f32", ("r", old.elem())),
    )
    title = b.title(layer, "GRU gates r z; r*h")
    first = Stage(title, layer.units, gates, (Store(reset.elem(), "rh"), Store(z.elem(), "z")))
    candidate: tuple[Call | Dot, ...] = (
        cell_dot(b, layer, x, reset, (Sum("n_sum", 2, "xh"),), "n_"),
        *_update(functions, "n_sum", z.elem(), old),
    )
    title = b.title(layer, f"GRU n = {new}(W x + U (r*h)); h' = n + z*(h - n)")
    stores = b.define(layer.name, "h", "", h)
    b.append("step", first, Stage(title, layer.units, candidate, stores))


def lower_rnn(b: Builder, layer: graph.Rnn) -> None:
    """One stage: the dot product over x and h, then the activation."""
    h, functions = _hidden_state(b, layer), _functions(b, layer)
    x = b.place(layer.inputs[0], "step")
    sums = cell_dot(b, layer, x, Place(h.buffer), (Sum("h_sum", 0, "xh"),))
    title = b.title(layer, f"RNN h' = {layer.activations[0].function}(W x + U h)")
    body: tuple[Call | Dot, ...] = (sums, *functions.of(0, "h", "h_sum"))
    b.append("step", Stage(title, layer.units, body, b.define(layer.name, "h", "", h)))


def _hidden_state(b: Builder, layer: graph.Recurrent) -> Place:
    """The state h with its initial value; the place of the copy being computed."""
    h = b.state(f"{b.slug(layer)}_h", FLOAT32, layer.size, "hidden state", twice=True)
    load_state(b, layer, 0, "h", h)
    return h


def _update(functions: Functions, pre: str, z: Argument, old: Place) -> tuple[Call, ...]:
    """n = g(pre); h' = n + z (h - n)."""
    return (
        *functions.of(1, "n", pre),
        Call("h", "blend_f32", ("n", old.elem(), z), "n + z*(h - n)"),
    )
