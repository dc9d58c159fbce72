"""From the sums of a plain cell to its gates: pre-activations and the tables of the profile.

A table of profile `fast` is indexed by the pre-activation in whole steps.  Where a sum leads
straight to a look-up, its bias holds the half step that makes a shift down round to the nearest.
"""

from __future__ import annotations

from rnn2c.ir.program import Argument, Call
from rnn2c.lower.builder import Builder
from rnn2c.lower.gates import PRE_BITS, Sums
from rnn2c.lut import DIRECT


def half_step(b: Builder, function: str) -> float:
    """What the bias of a sum in front of this function carries beside the bias."""
    return DIRECT[function].half if b.numerics.profile == "fast" else 0.0


def activated(b: Builder, sums: Sums, gate: str, function: str, out: str = "") -> list[Call]:
    """out (gate itself if not named) = function of the gate's joint sum, or of its sums over x and
    h apart, which carry the half step.
    """
    if b.numerics.profile == "fast":
        calls, wide = _wide(sums, gate, "Q3.12")
        return [*calls, *direct_calls(b, function, out or gate, wide, PRE_BITS)]
    return [*pre_activation(sums, gate), table_call(b, function, out or gate, f"{gate}_pre")]


def pre_activation(sums: Sums, gate: str, doc: str = "Q3.12") -> list[Call]:
    """gate_pre (i16) from the joint sum, or from the sums over x and h apart."""
    if f"{gate}_sum" in sums.proven:
        return sums.pre(f"{gate}_pre", f"{gate}_sum", doc)
    calls, wide = _wide(sums, gate, doc)
    return [*calls, Call(f"{gate}_pre", "sat16", (wide,), doc)]


def _wide(sums: Sums, gate: str, doc: str) -> tuple[list[Call], str]:
    """The pre-activation before it is saturated: calls and the name of it."""
    if f"{gate}_sum" in sums.proven:
        return sums.wide(f"{gate}_pre", f"{gate}_sum", doc), f"{gate}_pre"
    both = f"{gate}_both"
    return [
        *sums.wide(f"{gate}x_pre", f"{gate}x_sum", doc),
        *sums.wide(f"{gate}h_pre", f"{gate}h_sum", doc),
        Call(both, "add", (f"{gate}x_pre", f"{gate}h_pre")),
    ], both


def table_call(b: Builder, function: str, out: str, pre: str) -> Call:
    """out = function(pre), pre in Q3.12: Q0.15 from an interpolated table, or as compact has it."""
    if b.numerics.profile != "compact":
        return Call(out, "lut", (b.table(f"{function}_table"), pre), "Q0.15")
    if function == "sigmoid":
        return Call(out, "lut_u8", (b.table("sigmoid_u8_table"), pre), "Q0.8")
    tables = (b.table("tanh_q12_table"), b.table("tanh_q12_slope_table"))
    return Call(out, "lut_slope", (*tables, pre), "Q3.12")


def direct_calls(
    b: Builder, function: str, out: str, source: Argument, bits: int, halved: bool = True
) -> list[Call]:
    """out = function(source) in Q0.15 by direct look-up; source has this many fraction bits.

    halved: the source holds the half step already.
    """
    table = DIRECT[function]
    index, shift = f"{out}_index", bits - table.fraction
    calls: list[Call] = []
    if shift < 0:
        up = min(-shift, table.bits)  # beyond it every number but 0 saturates
        calls = [Call(f"{out}_steps", "affine", (source, 2**up, 0, 0), f"* 2^{up}")]
        source, shift = f"{out}_steps", 0
    elif shift > 0 and not halved:
        calls = [Call(f"{out}_half", "add", (source, 2 ** (shift - 1)), "half a step")]
        source = f"{out}_half"
    return [
        *calls,
        Call(index, "shift_sat", (source, shift, table.bits), table.format),
        Call(out, "look", (b.table(f"{function}_direct_table"), index, table.zero), "Q0.15"),
    ]
