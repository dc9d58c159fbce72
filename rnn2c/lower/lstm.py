"""Lower an LSTM layer: c' = f c + i g, h' = o tanh(c')."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.program import Call, Dot, Stage
from rnn2c.lower.activations import activated, direct_calls, half_step, table_call
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.gates import PRE_BITS, Sum, cell_sums, load_state

FUNCTIONS = {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}
"""Of each gate, in the order of the rows."""


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
    body: list[Call | Dot] = [sums.dot]
    for gate, function in FUNCTIONS.items():
        body += activated(b, sums, gate, function)
    compact = b.numerics.profile == "compact"
    body += _compact_cell(b, c) if compact else _accurate_cell(b, c, cell_bits, h_format.bits)
    stores = (*b.define(layer.name, "h", "", h), *b.define(cell, "c", "", c))
    title = b.title(layer, "LSTM gates i f g o; c' = f*c + i*g; h' = o*tanh(c')")
    b.append("step", Stage(title, layer.units, tuple(body), stores))


def _sums(b: Builder, layer: graph.Lstm) -> tuple[Sum, ...]:
    def gate(name: str, rows: int, parts: str) -> Sum:
        more = half_step(b, FUNCTIONS[name[0]]) if "x" in parts else 0.0
        return Sum(f"{name}_sum", rows, parts, more=more)

    if b.numerics.sums_jointly(layer.name):
        return tuple(gate(g, k, "xh") for k, g in enumerate(FUNCTIONS))
    return tuple(gate(f"{g}{p}", k, p) for p in "xh" for k, g in enumerate(FUNCTIONS))


def _accurate_cell(b: Builder, c: Place, cell_bits: int, h_bits: int) -> list[Call]:
    """c' and h' of gates in Q0.15: accurate and fast."""
    calls = [
        Call(
            "c",
            "gated_sum",
            ("f", c.elem(), "i", "g", 15 - cell_bits),
            f"f*c + i*g: Q{15 - cell_bits}.{cell_bits}",
        )
    ]
    if b.numerics.profile == "fast":
        calls += direct_calls(b, "tanh", "c_tanh", "c", cell_bits, halved=False)
    else:
        calls += _interpolated_tanh(b, cell_bits)
    return [
        *calls,
        Call(
            "h_wide",
            "mul_round",
            ("o", "c_tanh", 31 - h_bits),
            f"o*tanh(c): Q0.15 * Q0.15 -> Q0.{h_bits - 1}",
        ),
        Call("h", "sat8" if h_bits == 8 else "sat16", ("h_wide",)),
    ]


def _interpolated_tanh(b: Builder, cell_bits: int) -> list[Call]:
    """c_tanh of c, through Q3.12 if c has fewer fraction bits."""
    if cell_bits == PRE_BITS:
        return [table_call(b, "tanh", "c_tanh", "c")]
    doc = f"Q{15 - cell_bits}.{cell_bits} -> Q3.12"
    grown = Call("c_q12", "grow_sat16", ("c", PRE_BITS - cell_bits), doc)
    return [grown, table_call(b, "tanh", "c_tanh", "c_q12")]


def _compact_cell(b: Builder, c: Place) -> list[Call]:
    return [
        Call("c_kept", "mul_u8", ("f", c.elem()), "f*c: Q3.12"),
        Call("c_added", "mul_u8", ("i", "g"), "i*g: Q3.12"),
        Call("c", "add_sat16", ("c_kept", "c_added"), "Q3.12"),
        table_call(b, "tanh", "c_tanh", "c"),
        Call("h_q12", "mul_u8", ("o", "c_tanh"), "o*tanh(c): Q3.12"),
        Call("h", "round_sat8", ("h_q12", 5), "Q3.12 -> Q0.7"),
    ]


def _fraction_bits(b: Builder, value: str) -> int:
    scale = b.format(value).scale
    bits = 0
    while 2.0**-bits > scale:
        bits += 1
    return bits
