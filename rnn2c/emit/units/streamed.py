"""Stages whose weights are a stream of bytes, in a loop over the units (packing/bytes8.py).

Z runs over the weights; X keeps it while the operations behind the sums use Z.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from rnn2c.emit.kernels import avr
from rnn2c.emit.kernels.avr_far import by_elpm
from rnn2c.emit.units.bank import UnfitError
from rnn2c.emit.units.operations import pointed
from rnn2c.emit.units.raised import left_raised
from rnn2c.emit.units.writer import (
    ELEMENT,
    HIGH,
    RETURN,
    SIGN,
    TURN,
    UNITS,
    WEIGHT,
    ZERO,
    Units,
    Writer,
)
from rnn2c.packing.bytes8 import Layout

TOTAL = WEIGHT, HIGH, SIGN
"""Where the sum of a vector is."""

MOST_WORDS = 1900
"""Of a unit: so far reaches a jump back."""


@dataclass(frozen=True)
class Total:
    """What the sums of these rows are too large by, of the vectors of some segments: less that
    they begin in segment `at`.
    """

    at: int
    segments: tuple[int, ...]
    rows: tuple[int, ...]


class Streamed(Writer):
    """Writes one stage."""

    @cached_property
    def form(self) -> Layout:
        return avr.form_of(self.dot, self.types)

    def units(self) -> Units:
        unit = self._unit()
        far = _words(unit) > MOST_WORDS
        near = _words(unit) < avr.REACH
        back = ["brne 4b"] if near else ["breq 5f", "jmp 4b" if far else "rjmp 4b", "5:"]
        end = [*["pop r0"] * (3 * len(self.totals)), *self.copied(), "clr r1", RETURN]
        return self.function([*self._begin(), "4:", *unit, f"dec {UNITS}", *back, *end])

    @cached_property
    def summed(self) -> list[int]:
        """The segments in the order in which they are summed, more than once for rows apart."""
        return list(range(len(self.dot.segments)))

    @property
    def corrected(self) -> list[int]:
        """The segments whose sums are too large by something that is the same for all units."""
        return [k for k, unsigned in enumerate(self.form.unsigned) if unsigned]

    @cached_property
    def totals(self) -> list[Total]:
        """What is subtracted from rows because their products are unsigned."""
        some = self.corrected
        rows_of = [s.results for s in self.dot.segments]
        apart = [Total(k, (k,), rows_of[k]) for k in some]
        groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for r, (first, _) in enumerate(self.form.spans):
            within = tuple(k for k in some if r in rows_of[k])
            if within:
                groups.setdefault((first, within), []).append(r)
        together = [Total(at, within, tuple(rows)) for (at, within), rows in groups.items()]
        found = together if len(together) < len(apart) else apart
        return [replace(total, at=found[-1].at) for total in found]

    @cached_property
    def raised(self) -> set[int]:
        """Segments whose vectors are left as x + 128: old states, which nothing else reads."""
        return left_raised(self.program, self.dot, self.corrected)

    def _begin(self) -> list[str]:
        """Pointers first, then totals of vectors, which go onto the stack."""
        lines = [*self.pointers(), f"clr {ZERO}"]
        seen: set[int] = set()
        for total in reversed(self.totals):
            lines += self._total(total, seen)
            seen |= {*total.segments}
        lines += pointed(self.dot.weight, self.far)
        return [*lines, *["out __RAMPZ__, r0"] * self.far, f"ldi {UNITS}, {self.stage.units}"]

    def _unit(self) -> list[str]:
        form = self.form
        lines: list[str] = []
        for k, s in enumerate(self.summed):
            lines += [f"lpm {o}, Z+" for result in form.beginning(k) for o in self.sums[result]]
            here = [n for n, total in enumerate(self.totals) if total.at == k]
            for n in here:
                lines += self._less_total(self.totals[n].rows, n, n - 1 in here)
            lines += [f"movw r26, {self.vectors[s]}", *self._columns(k)]
        if self.far:
            lines = by_elpm(lines)
        kept = ["in r0, __RAMPZ__", "push r0"], ["pop r0", "out __RAMPZ__, r0"]
        before, after = kept if self.far else ([], [])
        return [*lines, "movw r26, r30", *before, *self.operations(), *after, "movw r30, r26"]

    def _columns(self, k: int) -> list[str]:
        """What adds the products of what is summed as number k to the sums."""
        segment, element, unsigned = self.dot.segments[k], self.types[k], self.form.unsigned[k]
        r = self.registers(element, ZERO if unsigned else SIGN)
        assert self.dot.kernel is not None
        columns = avr.columns_of_turn(self.form, k, segment, element, self.dot.kernel.turn)
        lines = avr.segment_lines(segment, element, unsigned, columns, r, k in self.raised)
        return self.counted(lines, r) if columns < segment.size else lines

    def registers(self, element: str, sign: str) -> avr.Registers:
        """For columns of such elements."""
        count = HIGH
        if element == "i16":
            count = UNITS if self.form.octets > 2 else SIGN
        return avr.Registers(WEIGHT, ELEMENT, HIGH, sign, count, self.sums, (), ZERO)

    def counted(self, lines: list[str], r: avr.Registers) -> list[str]:
        """A loop, which may count in the register of the units."""
        return [f"push {UNITS}", *lines, f"pop {UNITS}"] if r.count == UNITS else lines

    def _less_total(self, results: tuple[int, ...], number: int, goes_on: bool) -> list[str]:
        """The sums less a total, which is on the stack; goes_on: it is behind the last one."""
        lines = ["in r26, __SP_L__", "in r27, __SP_H__", f"adiw r26, {3 * number + 1}"]
        lines = [] if goes_on else lines
        lines += [f"ld {octet}, X+" for octet in (WEIGHT, ELEMENT, HIGH)]
        for result in results:
            octets = zip(self.sums[result], (WEIGHT, ELEMENT, HIGH), strict=False)
            lines += [f"{'sbc' if k else 'sub'} {a}, {b}" for k, (a, b) in enumerate(octets)]
        return lines

    def _total(self, total: Total, seen: set[int]) -> list[str]:
        """Pushes what sums over some vectors are too large by, the lowest byte last.

        seen: segments that were in a total before.
        """
        lines = [f"clr {octet}" for octet in TOTAL]
        for k in total.segments:
            size = self.dot.segments[k].size
            if size > avr.MOST_TURNS * TURN:
                raise UnfitError
            r = replace(self.registers("i8", ZERO), weight=ELEMENT, count=UNITS)
            lines += [f"movw r26, {self.vectors[k]}"]
            lines += avr.looped(self._added(k, k in seen), size, min(size, TURN), r)
        more, octets = self._too_large()
        return [*lines, *more, *(f"push {octet}" for octet in octets[::-1])]

    def _added(self, k: int, again: bool) -> list[str]:
        """Adds an element of a vector, as it is multiplied, to its sum."""
        low, middle, top = TOTAL
        lines = [f"ld {ELEMENT}, X+", f"subi {ELEMENT}, 0x80"]
        if k in self.raised:
            lines = lines[:1] if again else [f"ld {ELEMENT}, X", lines[1], f"st X+, {ELEMENT}"]
        return [*lines, f"add {low}, {ELEMENT}", f"adc {middle}, {ZERO}", f"adc {top}, {ZERO}"]

    def _too_large(self) -> tuple[list[str], tuple[str, str, str]]:
        """What makes the sum of a vector what sums are too large by, 128 times that; where it is
        then.
        """
        low, middle, top = TOTAL
        lines = [f"lsr {top}", f"ror {middle}", f"ror {low}", f"clr {ELEMENT}", f"ror {ELEMENT}"]
        return lines, (ELEMENT, low, middle)


def _words(lines: list[str]) -> int:
    """About how long the code is."""
    words, times = 0, 1
    for line in lines:
        if line.startswith(".rept"):
            times = int(line.split()[1])
        elif line == ".endr":
            times = 1
        elif not line.startswith(";"):
            words += times
    return words
