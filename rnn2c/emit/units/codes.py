"""Stages with ternary weights in two bits each (packing/codes8.py)."""

from __future__ import annotations

from functools import cached_property

from rnn2c.emit.kernels import avr
from rnn2c.emit.kernels.avr_codes import column_lines, row_lines
from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.emit.units.raised import left_raised, raising
from rnn2c.emit.units.streamed import Streamed
from rnn2c.emit.units.writer import ELEMENT, HIGH, SIGN, WEIGHT, ZERO
from rnn2c.packing.codes8 import Layout


class Codes(Streamed):
    """Writes one stage; elements of 16 bits take the registers of their vector's address."""

    @cached_property
    def form(self) -> Layout:
        return layout_of(self.dot, self.types, Layout)

    @cached_property
    def raised(self) -> set[int]:
        narrow = [k for k, wide in enumerate(self.form.wide) if not wide]
        return left_raised(self.program, self.dot, narrow)

    def _begin(self) -> list[str]:
        lines = super()._begin()
        for k in sorted(self.raised):
            lines += [f"movw r26, {self.vectors[k]}", *raising(self.dot.segments[k].size)]
        return lines

    def _columns(self, k: int) -> list[str]:
        segment, kernel = self.dot.segments[k], self.dot.kernel
        assert kernel is not None
        first = int(self.vectors[k].removeprefix("r"))
        lower = f"r{first}", f"r{first + 1}"
        r = avr.Registers(WEIGHT, ELEMENT, HIGH, "", SIGN, self.sums, (), ZERO)
        lines = column_lines(
            self.form, k, segment.results, segment.size, kernel.turn, r, lower, k in self.raised
        )
        if self.form.wide[k]:
            lines = [*(f"push {o}" for o in lower), *lines, *(f"pop {o}" for o in lower[::-1])]
        return [*lines, *row_lines(self.form, k, segment.results, r)]
