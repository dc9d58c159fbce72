"""Lower a GRU layer: h' = n + z (h - n), with the reset gate after or before the product.

The layer keeps its own state in 16 bits (h_wide) beside the h that the dot products read, so that
slow updates are not lost to rounding.
"""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.graph import Format
from rnn2c.ir.program import Call, Dot, Elem, Stage, Store
from rnn2c.lower.activations import activated, direct_calls, half_step, table_call
from rnn2c.lower.builder import Builder, Place
from rnn2c.lower.gates import PRE_BITS, Sum, Sums, cell_sums, load_constant, state_input


def lower_gru(b: Builder, layer: graph.Gru) -> None:
    """One stage (reset-after), or two: r and z of all units, then n (reset-before)."""
    slug = b.slug(layer)
    h_format = b.format(layer.name)
    h = b.state(
        f"{slug}_h", h_format, layer.units, f"hidden state, Q0.{h_format.bits - 1}", twice=True
    )
    wide = _wide_state(b, layer, slug)
    _load_state(b, layer, h, wide)
    x = b.place(layer.inputs[0], "step")
    if layer.reset_after:
        _reset_after(b, layer, x, h, wide)
    else:
        _reset_before(b, layer, x, h, wide, slug)


def _wide_state(b: Builder, layer: graph.Gru, slug: str) -> Place | None:
    """Q0.15, or in compact Q1.14 so that a difference fits 16 bits; none if h itself is wide."""
    if b.format(layer.name).bits == 16:
        return None
    form, doc = _wide_format(b)
    return b.state(f"{slug}_h_wide", form, layer.units, f"{doc}, for the update")


def _wide_format(b: Builder) -> tuple[Format, str]:
    if b.numerics.profile == "compact":
        return Format(2.0**-14, 16, lo=-16384, hi=16383), "hidden state in Q1.14"
    return Format(2.0**-15, 16), "hidden state in Q0.15"


def _load_state(b: Builder, layer: graph.Gru, h: Place, wide: Place | None) -> None:
    if layer.constant_h is not None:
        load_constant(b, layer, "h", layer.constant_h, b.format(layer.name), h)
        if wide is not None:
            load_constant(b, layer, "h_wide", layer.constant_h, _wide_format(b)[0], wide)
    source = state_input(b, layer, 0)
    if source is None:
        return
    stores = [Store(Elem(h.buffer), "v")]
    body = [Call("v", "same", (Elem(source),))]
    if wide is not None:
        factor = 128 if b.numerics.profile == "compact" else 256
        body.append(Call("v_wide", "times", (Elem(source), factor)))
        stores.append(Store(wide.elem(), "v_wide"))
    b.begin(Stage(b.title(layer, "initial h"), layer.units, tuple(body), tuple(stores)))


def _reset_after(b: Builder, layer: graph.Gru, x: Place, h: Place, wide: Place | None) -> None:
    bits = b.numerics.pre_bits[layer.name]
    old = Place(h.buffer)
    unit = 2.0**-bits
    half = half_step(b, "tanh")
    candidate = (Sum("nx_sum", 2, "x", unit, half), Sum("nh_sum", 2, "h", unit))
    sums = cell_sums(b, layer, x, old, (*gate_sums(b, layer), *candidate))
    body: list[Call | Dot] = [sums.dot, *gate_calls(b, sums)]
    body += [*sums.pre("nx", "nx_sum", _q(bits)), *sums.pre("nh", "nh_sum", _q(bits))]
    doc = f"r*nh: {_q(bits)}"
    if b.numerics.profile == "compact":
        body.append(Call("nh_reset", "mul_u8", ("r", "nh"), doc))
    else:
        doc = f"r*nh: Q0.15 * {_q(bits)} -> {_q(bits)}"
        body.append(Call("nh_reset", "mul_round", ("r", "nh", 15), doc))
    body += [*_candidate(b, bits), *_update(b, wide, "z", old)]
    stores = [*b.define(layer.name, "h", "", h)]
    if wide is not None:
        stores.append(Store(wide.elem(), "h_wide"))
    title = b.title(layer, "GRU gates r z; n = tanh(nx + r*nh); h' = n + z*(h - n)")
    b.append("step", Stage(title, layer.units, tuple(body), tuple(stores)))


def gate_sums(b: Builder, layer: graph.Gru) -> tuple[Sum, ...]:
    """The sums of r and z."""
    half = half_step(b, "sigmoid")
    if b.numerics.sums_jointly(layer.name):
        return (Sum("r_sum", 0, "xh", more=half), Sum("z_sum", 1, "xh", more=half))
    more = {"x": half, "h": 0.0}
    return tuple(Sum(f"{g}{p}_sum", k, p, more=more[p]) for p in "xh" for k, g in enumerate("rz"))


def gate_calls(b: Builder, sums: Sums) -> list[Call]:
    """The gates r and z."""
    return [*activated(b, sums, "r", "sigmoid"), *activated(b, sums, "z", "sigmoid")]


def _candidate(b: Builder, bits: int) -> list[Call]:
    """n = tanh(nx + nh_reset), through Q3.12 if the parts have another format."""
    if b.numerics.profile == "compact":
        total = [Call("n_pre", "add_sat16", ("nx", "nh_reset"), _q(bits))]
        return [*total, table_call(b, "tanh", "n", "n_pre")]
    total = [Call("n_both", "add", ("nx", "nh_reset"))]
    if b.numerics.profile == "fast":
        return [*total, *direct_calls(b, "tanh", "n", "n_both", bits)]
    total.append(Call("n_pre", "sat16", ("n_both",), _q(bits)))
    if bits == PRE_BITS:
        return [*total, table_call(b, "tanh", "n", "n_pre")]
    grown = Call("n_q12", "grow_sat16", ("n_pre", PRE_BITS - bits), f"{_q(bits)} -> Q3.12")
    return [*total, grown, table_call(b, "tanh", "n", "n_q12")]


def _update(b: Builder, wide: Place | None, z: str | Elem, old: Place) -> list[Call]:
    """h' = n + z (h - n) in the wide state, then h' for the dot products."""
    if b.numerics.profile == "compact":
        assert wide is not None
        return [
            Call("n_q14", "times", ("n", 4), "Q3.12 -> Q1.14"),
            Call("h_wide", "blend_u8", ("n_q14", wide.elem(), z), "n + z*(h - n): Q1.14"),
            Call("h", "round_sat8", ("h_wide", 7), "Q1.14 -> Q0.7"),
        ]
    if wide is None:
        return [Call("h", "blend", ("n", old.elem(), z), "n + z*(h - n): Q0.15")]
    return [
        Call("h_wide", "blend", ("n", wide.elem(), z), "n + z*(h - n): Q0.15"),
        Call("h_q7", "round_shift", ("h_wide", 8), "Q0.15 -> Q0.7"),
        Call("h", "sat8", ("h_q7",)),
    ]


def _reset_before(
    b: Builder, layer: graph.Gru, x: Place, h: Place, wide: Place | None, slug: str
) -> None:
    old = Place(h.buffer)
    compact = b.numerics.profile == "compact"
    h_format = b.format(layer.name)
    reset = b.scratch(f"{slug}_rh", h_format, layer.units, "r * h", "step")
    z_format = (
        Format(2.0**-8, 16, lo=0, hi=255) if compact else Format(2.0**-15, 16, lo=0, hi=32767)
    )
    z = b.scratch(f"{slug}_z", z_format, layer.units, "update gate z", "step")
    outer = cell_sums(b, layer, x, old, gate_sums(b, layer), label="rz_")
    body: list[Call | Dot] = [outer.dot, *gate_calls(b, outer)]
    if compact:
        body.append(Call("rh", "mul_u8", ("r", old.elem()), "Q0.7"))
    else:
        body.append(Call("rh", "mul_round", ("r", old.elem(), 15), f"r*h: Q0.{h_format.bits - 1}"))
    first = Stage(
        b.title(layer, "GRU gates r z; r*h"),
        layer.units,
        tuple(body),
        (Store(reset.elem(), "rh"), Store(z.elem(), "z")),
    )
    inner = cell_sums(b, layer, x, reset, _candidate_sums(b, layer), label="n_")
    update = _update(b, wide, z.elem(), old)
    body = [inner.dot, *activated(b, inner, "n", "tanh"), *update]
    stores = [*b.define(layer.name, "h", "", h)]
    if wide is not None:
        stores.append(Store(wide.elem(), "h_wide"))
    title = b.title(layer, "GRU n = tanh(W x + U (r*h)); h' = n + z*(h - n)")
    b.append("step", first, Stage(title, layer.units, tuple(body), tuple(stores)))


def _candidate_sums(b: Builder, layer: graph.Gru) -> tuple[Sum, ...]:
    half = half_step(b, "tanh")
    if b.numerics.sums_jointly(layer.name):
        return (Sum("n_sum", 2, "xh", more=half),)
    return (Sum("nx_sum", 2, "x", more=half), Sum("nh_sum", 2, "h"))


def _q(bits: int) -> str:
    return f"Q{15 - bits}.{bits}"
