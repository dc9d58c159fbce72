"""Lower cells that are not plain: other functions, clip, peepholes, coupled gates, projections.

A GRU with an 8-bit h keeps its own state in 16 bits beside it, as a plain one does.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import Format
from rnn2c.ir.program import Argument, Call, Dot, Elem, Stage, Store
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.gates import Sum, cell_sums, load_constant, load_state, state_input
from rnn2c.lower.linear import limited
from rnn2c.lower.scaling import multiplier_doc, ratio, requantize_calls
from rnn2c.lower.varied import Varied, power_bits, product, q, rescaled

PEEPHOLE_BITS = 15


def lower_varied_rnn(b: Builder, layer: graph.Rnn) -> None:
    """One stage: the sums over x and h, then the function."""
    v, h = Varied(b, layer), _hidden_state(b, layer)
    load_state(b, layer, 0, "h", h)
    x = b.place(layer.inputs[0], "step")
    sums = cell_sums(b, layer, x, Place(h.buffer), v.sums({"h": (0, 0)}))
    form = b.format(layer.name)
    body: list[Call | Dot] = [sums.dot, *v.before(sums, "h", 0), *v.gate("h", 0, form)]
    title = b.title(layer, f"RNN h' = {layer.activations[0].function}(W x + U h)")
    b.append("step", Stage(title, layer.units, tuple(body), b.define(layer.name, "h", "", h)))


def _hidden_state(b: Builder, layer: graph.Recurrent) -> Place:
    form = b.format(layer.name)
    doc = f"hidden state, scale {form.scale:.6g}"
    return b.state(f"{b.slug(layer)}_h", form, layer.size, doc, twice=True)


# -- LSTM ---------------------------------------------------------------------------------------


def lower_varied_lstm(b: Builder, layer: graph.Lstm) -> None:
    """One stage for gates, c and h; one more for a projection."""
    v, slug, cell = Varied(b, layer), b.slug(layer), f"{layer.name}.c"
    h = _hidden_state(b, layer)
    bits = power_bits(b.format(cell))
    c = b.state(f"{slug}_c", b.format(cell), layer.units, f"cell state, {q(bits)}")
    load_state(b, layer, 0, "h", h)
    load_state(b, layer, 1, "c", c)
    gates = {"i": (0, 0), "f": (1, 0), "g": (2, 1), "o": (3, 0)}
    if layer.coupled:
        del gates["f"]
    x = b.place(layer.inputs[0], "step")
    sums = cell_sums(b, layer, x, Place(h.buffer), v.sums(gates))
    peepholes = _peepholes(b, layer)

    def gate(name: str, state: Argument) -> list[Call]:
        role = gates[name][1]
        more = None
        if name in peepholes:
            weight, weight_bits = peepholes[name]
            wanted = v.formats.before[role]
            more = product(f"{name}_more", weight, state, weight_bits + bits, wanted, "p*c")
        return [*v.before(sums, name, role, more), *v.gate(name, role)]

    body: list[Call | Dot] = [sums.dot]
    for name in [g for g in gates if g != "o"]:
        body += gate(name, c.elem())
    body += [*_new_cell(v, layer, c, bits), *gate("o", "c")]
    body += v.function("m_c", 2, "c", bits)
    out = layer.activations[2].function
    title = b.title(layer, f"LSTM gates {' '.join(gates)}; c' = f*c + i*g; h' = o*{out}(c')")
    seen = v.formats.after[0] + v.formats.after[2]
    form = b.format(layer.name) if layer.projection is None else v.formats.inner
    assert form is not None
    body += product("m_wide", "o", "m_c", seen, power_bits(form), f"o*{out}(c)")
    body += limited("h", "m_wide", form, "")
    if layer.projection is None:
        stores = (*b.define(layer.name, "h", "", h), *b.define(cell, "c", "", c))
        b.append("step", Stage(title, layer.units, tuple(body), stores))
        return
    whole = b.scratch(f"{slug}_m", form, layer.units, "h before its projection", "step")
    stores = (Store(whole.elem(), "h"), *b.define(cell, "c", "", c))
    b.append("step", Stage(title, layer.units, tuple(body), stores))
    _project(b, layer, layer.projection, whole, form, h)


def _new_cell(v: Varied, layer: graph.Lstm, c: Place, bits: int) -> list[Call]:
    """c' = f c + i g, where gates are coupled c + i g - i c; saturated."""
    gate, candidate = v.formats.after[0], v.formats.after[1]
    added = product("c_added", "i", "g", gate + candidate, bits, "i*g")
    if layer.coupled:
        total = [
            *product("c_lost", "i", c.elem(), gate + bits, bits, "i*c"),
            Call("c_moved", "subtract", ("c_added", "c_lost")),
            Call("c_wide", "add", (c.elem(), "c_moved"), f"c + i*g - i*c: {q(bits)}"),
        ]
    else:
        total = [
            *product("c_kept", "f", c.elem(), gate + bits, bits, "f*c"),
            Call("c_wide", "add", ("c_kept", "c_added"), f"f*c + i*g: {q(bits)}"),
        ]
    return [*added, *total, Call("c", "sat16", ("c_wide",))]


def _peepholes(b: Builder, layer: graph.Lstm) -> dict[str, tuple[Elem, int]]:
    """The peephole of each gate and its fraction bits."""
    if layer.peepholes is None:
        return {}
    largest = max(float(np.abs(layer.peepholes).max()), 2.0**-15)
    bits = min(int(np.floor(np.log2(32767 / largest))), PEEPHOLE_BITS)
    whole = np.round(layer.peepholes * 2.0**bits).astype(np.int64).reshape(3, layer.units)
    doc = f"peepholes: [{layer.units} units][i f o]"
    name = b.const(f"{layer.name}_peepholes", whole.T.ravel(), doc)
    return {gate: (Elem(name, k, 3), bits) for k, gate in enumerate("ifo")}


def _project(
    b: Builder,
    layer: graph.Lstm,
    projection: graph.Tensor,
    source: Place,
    form: Format,
    h: Place,
) -> None:
    """h = projection * source"""
    assert projection.scale is not None
    weight, rows = np.asarray(projection.data, np.int64), layer.size
    parts = ((source, weight[:, None, :], (0,)),)
    bias = np.zeros((rows, 1), np.int64)
    dot, proven = b.dot(layer, "projection_", ("h_sum",), parts, bias, projection)
    wanted = b.format(layer.name)
    r = ratio(projection.scale * form.scale / wanted.scale)
    doc = multiplier_doc(rows, ("h_sum",))
    factors = Elem(b.const(f"{layer.name}_projection_multiplier", r.multiplier, doc))
    body: tuple[Call | Dot, ...] = (
        dot,
        *requantize_calls("h_wide", "h_sum", proven["h_sum"], r, factors, "h"),
        *limited("h", "h_wide", wanted, ""),
    )
    title = b.title(layer, f"projection {layer.units} -> {rows}")
    b.append("step", Stage(title, rows, body, b.define(layer.name, "h", "", h)))


# -- GRU ----------------------------------------------------------------------------------------


def lower_varied_gru(b: Builder, layer: graph.Gru) -> None:
    """One stage (reset after the product), or two."""
    v, h = Varied(b, layer), _hidden_state(b, layer)
    wide = _wide_state(b, layer, h)
    if layer.reset_after:
        _reset_after(v, layer, h, wide)
    else:
        _reset_before(v, layer, h, wide)


def _wide_state(b: Builder, layer: graph.Gru, h: Place) -> Place | None:
    """The state in 16 bits beside an h of 8; both with their initial values."""
    load_state(b, layer, 0, "h", h)
    form = b.format(layer.name)
    if form.bits == 16:
        return None
    fine = Format(form.scale / 256, 16)
    doc = f"hidden state, scale {fine.scale:.6g}, for the update"
    wide = b.state(f"{b.slug(layer)}_h_wide", fine, layer.units, doc)
    source = state_input(b, layer, 0)
    if layer.constant_h is not None:
        load_constant(b, layer, "h_wide", layer.constant_h, fine, wide)
    if source is not None:
        body = (Call("v_wide", "times", (Elem(source), 256)),)
        stores = (Store(wide.elem(), "v_wide"),)
        b.begin(Stage(b.title(layer, "initial h, wide"), layer.units, body, stores))
    return wide


def _reset_after(v: Varied, layer: graph.Gru, h: Place, wide: Place | None) -> None:
    b, old = v.b, Place(h.buffer)
    bits = v.formats.before[1]
    candidate = (Sum("nx_sum", 2, "x", 2.0**-bits), Sum("nh_sum", 2, "h", 2.0**-bits))
    x = b.place(layer.inputs[0], "step")
    sums = cell_sums(b, layer, x, old, (*v.sums({"r": (0, 0), "z": (1, 0)}), *candidate))
    body: list[Call | Dot] = [sums.dot]
    for gate in "rz":
        body += [*v.before(sums, gate, 0), *v.gate(gate, 0)]
    body += [*sums.pre("nx", "nx_sum", q(bits)), *sums.pre("nh", "nh_sum", q(bits))]
    body += product("nh_reset", "r", "nh", v.formats.after[0] + bits, bits, "r*nh")
    body += [
        Call("n_all", "add", ("nx", "nh_reset")),
        Call("n_pre", "sat16", ("n_all",), q(bits)),
        *v.gate("n", 1),
    ]
    new = layer.activations[1].function
    title = b.title(layer, f"GRU gates r z; n = {new}(nx + r*nh); h' = n + z*(h - n)")
    _append_update(v, layer, title, body, "z", h, wide)


def _reset_before(v: Varied, layer: graph.Gru, h: Place, wide: Place | None) -> None:
    b, old, slug = v.b, Place(h.buffer), v.b.slug(layer)
    form, x = v.formats.inner, b.place(layer.inputs[0], "step")
    assert form is not None
    gate_bits, h_bits = v.formats.after[0], power_bits(b.format(layer.name))
    reset = b.scratch(f"{slug}_rh", form, layer.units, "r * h", "step")
    z_format = Format(2.0**-gate_bits, 16)
    z = b.scratch(f"{slug}_z", z_format, layer.units, f"update gate z, {q(gate_bits)}", "step")
    sums = cell_sums(b, layer, x, old, v.sums({"r": (0, 0), "z": (1, 0)}), label="rz_")
    body: list[Call | Dot] = [sums.dot]
    for gate in "rz":
        body += [*v.before(sums, gate, 0), *v.gate(gate, 0)]
    body += product("rh_wide", "r", old.elem(), gate_bits + h_bits, power_bits(form), "r*h")
    body += limited("rh", "rh_wide", form, "")
    stores = (Store(reset.elem(), "rh"), Store(z.elem(), "z"))
    title = b.title(layer, "GRU gates r z; r*h")
    b.append("step", Stage(title, layer.units, tuple(body), stores))
    sums = cell_sums(b, layer, x, reset, v.sums({"n": (2, 1)}), label="n_", h_format=form)
    body = [sums.dot, *v.before(sums, "n", 1), *v.gate("n", 1)]
    new = layer.activations[1].function
    title = b.title(layer, f"GRU n = {new}(W x + U (r*h)); h' = n + z*(h - n)")
    _append_update(v, layer, title, body, z.elem(), h, wide)


def _append_update(
    v: Varied,
    layer: graph.Gru,
    title: str,
    body: list[Call | Dot],
    z: Argument,
    h: Place,
    wide: Place | None,
) -> None:
    """h' = n + z h - z n, saturated: z need not lie in [0, 1]."""
    b, form = v.b, v.b.format(layer.name)
    gate, candidate = v.formats.after
    bits = power_bits(form) if wide is None else power_bits(form) + 8
    old = Elem(h.buffer) if wide is None else wide.elem()
    up = bits - candidate
    aligned = Call("n_aligned", "affine", ("n", 2 ** max(up, 0), 0, 0), f"n * 2^{up}")
    body += [
        *([aligned] if up > 0 else rescaled("n_aligned", "n", up)),
        *product("h_kept", z, old, gate + bits, bits, "z*h"),
        *product("n_lost", z, "n", gate + candidate, bits, "z*n"),
        Call("h_moved", "subtract", ("h_kept", "n_lost")),
        Call("h_both", "add", ("n_aligned", "h_moved"), f"n + z*h - z*n: {q(bits)}"),
    ]
    stores = b.define(layer.name, "h", "", h)
    if wide is None:
        body.append(Call("h", "sat16", ("h_both",)))
    else:
        body.append(Call("h_fine", "sat16", ("h_both",)))
        body += v.stored("h", "h_fine", bits, form)
        stores = (*stores, Store(wide.elem(), "h_fine"))
    b.append("step", Stage(title, layer.units, tuple(body), stores))
