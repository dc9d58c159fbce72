"""Stages whose weights are in the instructions: unit after unit (packing/immediate8.py).

The operations behind the sums are the same for all units: a subroutine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from rnn2c.emit.kernels import avr, avr_immediate, avr_signs
from rnn2c.emit.units.moves import MEMORY, moved
from rnn2c.emit.units.raised import left_raised, raising
from rnn2c.emit.units.writer import RETURN, ZERO, Units, Writer
from rnn2c.ir.program import Elem
from rnn2c.packing import immediate8, signs8
from rnn2c.packing.blocks import Content, content_of

OPERATIONS = 6
"""Label of the subroutine."""


class Straight(Writer):
    """Writes one stage; magnitudes of weights are in Z and registers from 20 to 23."""

    PAIRS: tuple[int, ...] = (24, 14, 12, 10, 8)
    FREE: tuple[int, ...] = (16, 17, 18, 19, 21, 22, 23)

    def units(self) -> Units:
        of = content_of(self.program, self.dot)
        vectors = [moved("r26", pointer) for pointer in self.vectors]
        lines, operations = [*self.pointers(), *self.constants()], self.operations()
        for unit, code in enumerate(self.codes(of, vectors)):
            lines += [*code, f"call {OPERATIONS}f", *self._stored_late(unit)]
        lines += [*self.copied(), "clr r1", RETURN]
        lines += [f"{OPERATIONS}:", *self.ready(), *operations, "ret"]
        return self.function(lines)

    def _stored_late(self, unit: int) -> list[str]:
        """What stores the results of a unit behind the subroutine, where their places are known."""
        lines = []
        for e, octets in self.late.items():
            at = len(octets) * unit
            lines += moved("r30", self.place[e])
            if at + len(octets) - 1 > avr.ADDED:
                lines += [f"subi r30, {-at & 255}", f"sbci r31, {(-at >> 8) & 255}"]
                at = 0
            lines += [f"std Z+{at + k}, {octet}" for k, octet in enumerate(octets)]
        return lines

    def constants(self) -> list[str]:
        """What stands in front of the units."""
        return avr_immediate.constants(self.octets)

    def codes(self, of: Content, vectors: Sequence[list[str]]) -> Iterator[list[str]]:
        """The sums of each unit; vectors: what makes X the address of each."""
        form = immediate8.layout(len(self.dot.outs), of.segments, self.types, self.octets)
        assert form is not None
        return (avr_immediate.sums_of(form, u, vectors) for u in immediate8.units(form, of))

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

    def is_late(self, e: Elem) -> bool:
        return self.place[e].startswith(MEMORY) and e not in self.reads

    def ready(self) -> list[str]:
        return []


class Signs(Straight):
    """Writes one stage with ternary weights (packing/signs8.py)."""

    @cached_property
    def raised(self) -> set[int]:
        """The segments whose vectors are left as x + 128."""
        narrow = [k for k, type_ in enumerate(self.types) if type_ == "i8"]
        return left_raised(self.program, self.dot, narrow)

    def constants(self) -> list[str]:
        lines = avr_signs.constants()
        for k in sorted(self.raised):
            lines += [*moved("r26", self.vectors[k]), *raising(self.dot.segments[k].size)]
        return lines

    def codes(self, of: Content, vectors: Sequence[list[str]]) -> Iterator[list[str]]:
        form = signs8.layout(len(self.dot.outs), of.segments, self.types, self.octets)
        assert form is not None
        units = signs8.units(form, of)
        return (avr_signs.sums_of(form, u, vectors, self.raised) for u in units)

    def ready(self) -> list[str]:
        return []


class SignsWide(Signs, StraightWide):
    """Writes one with sums of 24 bits."""
