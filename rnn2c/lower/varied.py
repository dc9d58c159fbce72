"""What the lowerings of the cells that are not plain share: products, functions, pre-activations.

Every inner signal is a 16-bit number with a power-of-two scale of its own (`CellFormats`), in every
profile; sums over x and h are apart, each with multipliers per row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import CellFormats, Format
from rnn2c.ir.program import Argument, Call
from rnn2c.lower.activations import direct_calls
from rnn2c.lower.builder import Builder
from rnn2c.lower.functions import function_calls
from rnn2c.lower.gates import PRE_BITS, Sum, Sums
from rnn2c.lower.linear import limited

UNIT_BITS = 15
MOST_SHIFT, MOST_GROWTH = 30, 14
ADDABLE = 2**29


def power_bits(form: Format) -> int:
    """Fraction bits of a format with a power-of-two scale."""
    return round(-math.log2(form.scale))


def q(bits: int) -> str:
    """The name of a 16-bit format."""
    return f"Q{15 - bits}.{bits}"


def rescaled(out: str, source: Argument, up: int) -> list[Call]:
    """out = source * 2^up, rounded or saturated to 16 bits."""
    if up == 0:
        return [Call(out, "same", (source,))]
    if up > MOST_GROWTH:
        return [
            Call(f"{out}_part", "grow_sat16", (source, MOST_GROWTH)),
            *rescaled(out, f"{out}_part", up - MOST_GROWTH),
        ]
    if up > 0:
        return [Call(out, "grow_sat16", (source, up), f"* 2^{up}")]
    if -up > MOST_SHIFT:
        return [
            Call(f"{out}_part", "round_shift", (source, MOST_SHIFT)),
            *rescaled(out, f"{out}_part", up + MOST_SHIFT),
        ]
    return [Call(out, "round_shift", (source, -up), f"/ 2^{-up}")]


def product(out: str, a: Argument, b: Argument, bits: int, wanted: int, doc: str) -> list[Call]:
    """out (at most 2^29) = a * b with `wanted` fraction bits; the factors have `bits` together."""
    shift = bits - wanted
    if 1 <= shift <= MOST_SHIFT:
        return [Call(out, "mul_round", (a, b, shift), f"{doc}: {q(wanted)}")]
    first = min(max(shift, 1), MOST_SHIFT)
    return [
        Call(f"{out}_raw", "mul_round", (a, b, first), doc),
        *rescaled(out, f"{out}_raw", first - shift),
    ]


@dataclass(frozen=True)
class Varied:
    """A layer that is not plain, and the formats inside it."""

    b: Builder
    layer: graph.Recurrent

    @property
    def formats(self) -> CellFormats:
        return self.b.numerics.cells[self.layer.name]

    def sums(self, gates: dict[str, tuple[int, int]]) -> tuple[Sum, ...]:
        """The sums over x and over h of gates: name -> rows and role."""
        return tuple(
            Sum(f"{name}{part}_sum", rows, part, 2.0 ** -self.formats.before[role])
            for part in "xh"
            for name, (rows, role) in gates.items()
        )

    def before(
        self, sums: Sums, gate: str, role: int, more: list[Call] | None = None
    ) -> list[Call]:
        """gate_pre (i16): both sums and, from the calls `more`, gate_more."""
        doc = q(self.formats.before[role])
        calls = [
            *sums.wide(f"{gate}x_pre", f"{gate}x_sum", doc),
            *sums.wide(f"{gate}h_pre", f"{gate}h_sum", doc),
            Call(f"{gate}_xh", "add", (f"{gate}x_pre", f"{gate}h_pre")),
        ]
        total = f"{gate}_xh"
        if more:
            calls += [
                Call(f"{gate}_limited", "clamp", (total, -ADDABLE, ADDABLE)),
                *more,
                Call(f"{gate}_all", "add", (f"{gate}_limited", f"{gate}_more")),
            ]
            total = f"{gate}_all"
        return [*calls, Call(f"{gate}_pre", "sat16", (total,), doc)]

    def clipped(self, out: str, pre: str, bits: int) -> tuple[list[Call], str]:
        """The pre-activation within the limits of clip: calls and the name of it."""
        limit = np.round(min(self.layer.clip, 2.0**20) * 2.0**bits)
        if limit > 32767:
            return [], pre
        ends = (-int(limit), int(limit))
        return [Call(f"{out}_clipped", "clamp", (pre, *ends), "clip")], f"{out}_clipped"

    def gate(self, out: str, role: int, form: Format | None = None) -> list[Call]:
        """out = function(out_pre, clipped), in `form` or as the formats of the role say."""
        bits = self.formats.before[role]
        calls, source = self.clipped(out, f"{out}_pre", bits)
        return [*calls, *self.function(out, role, source, bits, form)]

    def function(
        self, out: str, role: int, source: Argument, bits: int, form: Format | None = None
    ) -> list[Call]:
        """out = the function of a role, of a 16-bit number with this many fraction bits."""
        function = self.layer.activations[role]
        wanted = form or Format(2.0 ** -self.formats.after[role], 16)
        if function.function not in ("sigmoid", "tanh"):
            given = Format(2.0**-bits, 16)
            return function_calls(self.b, self.layer, function, source, given, wanted, out)
        name = function.function
        if form is None:
            return self._looked_up(out, name, source, bits)
        fine = f"{out}_fine"
        return [
            *self._looked_up(fine, name, source, bits),
            *self.stored(out, fine, UNIT_BITS, wanted),
        ]

    def _looked_up(self, out: str, name: str, source: Argument, bits: int) -> list[Call]:
        """out = sigmoid or tanh in Q0.15."""
        if self.b.numerics.profile == "fast":
            return direct_calls(self.b, name, out, source, bits, halved=False)
        calls: list[Call] = []
        if bits != PRE_BITS:
            calls, source = rescaled(f"{out}_q12", source, PRE_BITS - bits), f"{out}_q12"
        table = self.b.table(f"{name}_table")
        return [*calls, Call(out, "lut", (table, source), f"{name}: Q0.15")]

    def stored(self, out: str, source: str, bits: int, form: Format) -> list[Call]:
        """out = a number with this many fraction bits in a power-of-two format, saturated."""
        up = power_bits(form) - bits
        return [*rescaled(f"{out}_wide", source, up), *limited(out, f"{out}_wide", form, "")]
