"""Stages whose weights are in the instructions: unit after unit (packing/immediate8.py).

The operations behind the sums are the same for all units: a subroutine.
"""

from __future__ import annotations

from rnn2c.emit.kernels import avr_immediate
from rnn2c.emit.units.writer import RETURN, ZERO, Units, Writer, moved
from rnn2c.packing import immediate8
from rnn2c.packing.blocks import content_of

OPERATIONS = 6
"""Label of the subroutine."""


class Straight(Writer):
    """Writes one stage; magnitudes of weights are in Z and registers from 20 to 23."""

    PAIRS: tuple[int, ...] = (24, 14, 12, 10, 8)
    FREE: tuple[int, ...] = (16, 17, 18, 19, 21, 22, 23)

    def units(self) -> Units:
        of = content_of(self.program, self.dot)
        form = immediate8.layout(len(self.dot.outs), of.segments, self.types, self.octets)
        assert form is not None
        vectors = [moved("r26", pointer) for pointer in self.vectors]
        lines = [*self.pointers(), *avr_immediate.constants(self.octets)]
        for unit in immediate8.units(form, of):
            lines += [*avr_immediate.sums_of(form, unit, vectors), f"call {OPERATIONS}f"]
        lines += [*self.copied(), "clr r1", RETURN]
        lines += [f"{OPERATIONS}:", *self.ready(), *self.operations(), "ret"]
        return self.function(lines)

    def ready(self) -> list[str]:
        """What stands in front of the operations."""
        return [f"clr {ZERO}"]


class StraightWide(Straight):
    """Writes one stage with sums of 24 bits, which are in the registers of avr_immediate.py."""

    PAIRS = (24,)
    FREE = (16, 17, 18, 19, 22, 23)
    in_memory = True

    def sums_in(self) -> tuple[tuple[str, ...], ...]:
        results = range(len(self.dot.outs))
        return tuple(avr_immediate.registers(self.octets, r) for r in results)

    def ready(self) -> list[str]:
        return []
