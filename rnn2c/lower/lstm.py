"""Lower an LSTM layer: c' = f c + i g, h' = o tanh(c')."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.program import Call, Dot, Stage
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.gates import PRE_BITS, Sum, Sums, cell_sums, load_state

GATES = "ifgo"


def lower_lstm(b: Builder, layer: graph.Lstm) -> None:
    """One stage per layer: four gates of a unit in one dot product, then its c and h."""
    slug = b.slug(layer)
    cell = f"{layer.name}.c"
    h_format = b.format(layer.name)
    h = b.state(
        f"{slug}_h", h_format, layer.units, f"hidden state, Q0.{h_format.bits - 1}", twice=True
    )
    cell_bits = _fraction_bits(b, cell)
    c = b.state(
        f"{slug}_c", b.format(cell), layer.units, f"cell state, Q{15 - cell_bits}.{cell_bits}"
    )
    load_state(b, layer, 0, "h", h)
    load_state(b, layer, 1, "c", c)

    x = b.place(layer.inputs[0], "step")
    sums = cell_sums(b, layer, x, Place(h.buffer), _sums(b, layer))
    body: list[Call | Dot] = [sums.dot, *_gate_calls(b, sums)]
    compact = b.numerics.profile == "compact"
    body += _compact_cell(b, c) if compact else _accurate_cell(b, c, cell_bits, h_format.bits)
    stores = (*b.define(layer.name, "h", "", h), *b.define(cell, "c", "", c))
    title = b.title(layer, "LSTM gates i f g o; c' = f*c + i*g; h' = o*tanh(c')")
    b.append("step", Stage(title, layer.units, tuple(body), stores))


def _sums(b: Builder, layer: graph.Lstm) -> tuple[Sum, ...]:
    if b.numerics.sums_jointly(layer.name):
        return tuple(Sum(f"{g}_sum", k, "xh") for k, g in enumerate(GATES))
    return tuple(Sum(f"{g}{p}_sum", k, p) for p in "xh" for k, g in enumerate(GATES))


def _gate_calls(b: Builder, sums: Sums) -> list[Call]:
    """Pre-activation and activation of each gate."""
    calls: list[Call] = []
    compact = b.numerics.profile == "compact"
    for g in GATES:
        calls += pre_activation(sums, g)
        pre = f"{g}_pre"
        if g == "g":
            calls.append(tanh_call(b, g, pre))
        elif compact:
            calls.append(Call(g, "lut_u8", (b.table("sigmoid_u8_table"), pre), "Q0.8"))
        else:
            calls.append(Call(g, "lut", (b.table("sigmoid_table"), pre), "Q0.15"))
    return calls


def pre_activation(sums: Sums, gate: str, doc: str = "Q3.12") -> list[Call]:
    """gate_pre (i16) from the joint sum, or from the sums over x and h apart."""
    if f"{gate}_sum" in sums.proven:
        return sums.pre(f"{gate}_pre", f"{gate}_sum", doc)
    return [
        *sums.wide(f"{gate}x_pre", f"{gate}x_sum", doc),
        *sums.wide(f"{gate}h_pre", f"{gate}h_sum", doc),
        Call(f"{gate}_both", "add", (f"{gate}x_pre", f"{gate}h_pre")),
        Call(f"{gate}_pre", "sat16", (f"{gate}_both",), doc),
    ]


def tanh_call(b: Builder, out: str, pre: str) -> Call:
    """out = tanh(pre): Q0.15 (accurate) or Q3.12 (compact)."""
    if b.numerics.profile == "compact":
        tables = (b.table("tanh_q12_table"), b.table("tanh_q12_slope_table"))
        return Call(out, "lut_slope", (*tables, pre), "Q3.12")
    return Call(out, "lut", (b.table("tanh_table"), pre), "Q0.15")


def _accurate_cell(b: Builder, c: Place, cell_bits: int, h_bits: int) -> list[Call]:
    calls = [
        Call(
            "c",
            "gated_sum",
            ("f", c.elem(), "i", "g", 15 - cell_bits),
            f"f*c + i*g: Q{15 - cell_bits}.{cell_bits}",
        )
    ]
    tanh_input = "c"
    if cell_bits < PRE_BITS:
        calls.append(
            Call(
                "c_q12",
                "grow_sat16",
                ("c", PRE_BITS - cell_bits),
                f"Q{15 - cell_bits}.{cell_bits} -> Q3.12",
            )
        )
        tanh_input = "c_q12"
    calls += [
        tanh_call(b, "c_tanh", tanh_input),
        Call(
            "h_wide",
            "mul_round",
            ("o", "c_tanh", 31 - h_bits),
            f"o*tanh(c): Q0.15 * Q0.15 -> Q0.{h_bits - 1}",
        ),
        Call("h", "sat8" if h_bits == 8 else "sat16", ("h_wide",)),
    ]
    return calls


def _compact_cell(b: Builder, c: Place) -> list[Call]:
    return [
        Call("c_kept", "mul_u8", ("f", c.elem()), "f*c: Q3.12"),
        Call("c_added", "mul_u8", ("i", "g"), "i*g: Q3.12"),
        Call("c", "add_sat16", ("c_kept", "c_added"), "Q3.12"),
        tanh_call(b, "c_tanh", "c"),
        Call("h_q12", "mul_u8", ("o", "c_tanh"), "o*tanh(c): Q3.12"),
        Call("h", "round_sat8", ("h_q12", 5), "Q3.12 -> Q0.7"),
    ]


def _fraction_bits(b: Builder, value: str) -> int:
    scale = b.format(value).scale
    bits = 0
    while 2.0**-bits > scale:
        bits += 1
    return bits
