"""Stages with 4-bit weights, two columns in a byte of the stream (packing/nibbles8.py)."""

from __future__ import annotations

from functools import cached_property

from rnn2c.emit.kernels import avr
from rnn2c.emit.kernels.avr_nibbles import Elements, column_lines, raised, summed
from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.emit.units.streamed import TOTAL, Streamed
from rnn2c.emit.units.writer import ELEMENT, HIGH, SIGN, UNITS, WEIGHT, ZERO
from rnn2c.packing.nibbles8 import Layout


class Nibbles(Streamed):
    """Writes one stage: units are counted on the stack meanwhile, and so is, while elements of 16
    bits take its registers, the address of their vector.
    """

    @cached_property
    def form(self) -> Layout:
        return layout_of(self.dot, self.types, Layout)

    @property
    def corrected(self) -> list[int]:
        return self.summed

    def _columns(self, k: int) -> list[str]:
        segment, kernel = self.dot.segments[k], self.dot.kernel
        assert kernel is not None
        first = int(self.vectors[k].removeprefix("r"))
        lower = f"r{first}", f"r{first + 1}"
        elements: Elements = ((HIGH,), (SIGN,))
        kept = [UNITS]
        if self.form.wide[k]:
            elements = ((lower[0], HIGH), (lower[1], SIGN))
            kept += lower
        r = avr.Registers(WEIGHT, ELEMENT, "", "", UNITS, self.sums, (), ZERO)
        lines = column_lines(self.form, k, segment.results, segment.size, kernel.turn, r, elements)
        kept = [register for register in kept if any(register in line for line in lines)]
        saved = [f"push {register}" for register in kept]
        return [*saved, *lines, *(f"pop {register}" for register in kept[::-1])]

    def _added(self, k: int, again: bool) -> list[str]:
        return summed(self.form, k, TOTAL, ELEMENT, ZERO)

    def _too_large(self) -> tuple[list[str], tuple[str, str, str]]:
        return raised(TOTAL), TOTAL
