"""Stages whose weights are in the instructions: unit after unit (packing/immediate8.py).

The operations behind the sums are the same for all units: a subroutine.
"""

from __future__ import annotations

from rnn2c.emit.kernels import avr, avr_immediate
from rnn2c.emit.units.writer import RETURN, ZERO, Units, Writer
from rnn2c.packing import immediate8
from rnn2c.packing.blocks import content_of

OPERATIONS = 6
"""Label of the subroutine."""


class Straight(Writer):
    """Writes one stage; magnitudes of weights are in Z and registers from 20 to 23."""

    PAIRS = (24, 14, 12, 10, 8)
    FREE = (16, 17, 18, 19, 21, 22, 23)

    def units(self) -> Units:
        of = content_of(self.program, self.dot)
        octets = avr.OCTETS[self.dot.width]
        form = immediate8.layout(len(self.dot.outs), of.segments, self.types, octets)
        assert form is not None
        vectors = [[f"movw r26, {pair}"] for pair in self.vectors]
        lines = ["movw r26, r24", *self.pointers()]
        for unit in immediate8.units(form, of):
            lines += [*avr_immediate.sums_of(form, unit, vectors), f"call {OPERATIONS}f"]
        lines += ["clr r1", RETURN, f"{OPERATIONS}:", f"clr {ZERO}", *self.operations(), "ret"]
        return self.function(lines)
