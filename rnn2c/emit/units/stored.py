"""Stages whose stream has only stored columns of weights (packing/columns8.py)."""

from __future__ import annotations

from functools import cached_property

from rnn2c.emit.kernels.avr_columns import column_lines
from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.emit.units.streamed import Streamed
from rnn2c.emit.units.writer import SIGN
from rnn2c.packing.columns8 import Layout


class Stored(Streamed):
    """Writes one stage."""

    @cached_property
    def form(self) -> Layout:
        return layout_of(self.dot, self.types, Layout)

    @cached_property
    def summed(self) -> list[int]:
        return [s for s, _ in self.form.groups]

    def _columns(self, k: int) -> list[str]:
        s, rows = self.form.groups[k]
        results = [self.dot.segments[s].results[row] for row in rows]
        r = self.registers(self.types[s], SIGN)
        assert self.dot.kernel is not None
        return self.counted(column_lines(results, self.types[s], self.dot.kernel.turn, r), r)
