"""A stage in assembly: for each unit its sums, the operations on them and the stores.

The streams of weights run through Z, vectors through X.  While the operations run, X keeps Z.  What
the units read and write besides are streams too: Y is one of 16 bits, the others have pairs of
registers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rnn2c.emit.kernels import avr
from rnn2c.emit.units.bank import Bank, UnfitError
from rnn2c.emit.units.operations import OPERATIONS, lines_of, narrowed
from rnn2c.ir.program import Call, Dot, Elem, Program, Stage, Table
from rnn2c.packing.bytes8 import Layout

WEIGHT, ELEMENT, HIGH, SIGN, ZERO, UNITS = "r16", "r17", "r18", "r19", "r20", "r21"
"""What is multiplied; the sign of a product; zero; the units that are left."""

SUMS = 2
"""The first register of the sums."""

PAIRS = (24, 22, 14, 12, 10, 8)
"""Registers of pointers, those that sums leave free."""

Y = "r28"
SAVED = (*range(2, 18), 28, 29)
MOST_WORDS = 1900
"""Of a unit: so far reaches a jump back."""


@dataclass(frozen=True)
class Units:
    """The lines of a stage; arrays: the elements whose arrays it takes, in the order of its
    parameter, behind the vectors; copies: what is the same as another array and copied afterwards
    (array, copied from); tables: the constants that the lines name.
    """

    lines: tuple[str, ...]
    arrays: tuple[Elem, ...]
    copies: tuple[tuple[Elem, Elem], ...]
    tables: tuple[str, ...]


def units_of(program: Program, stage: Stage) -> Units | None:
    """The stage in assembly, or None where it has an operation or a form that has none there."""
    dots = [i for i in stage.body if isinstance(i, Dot)]
    if not _is_for_units(program, stage, dots):
        return None
    try:
        return _Writer(program, stage, dots[0]).units()
    except UnfitError:
        return None


def _is_for_units(program: Program, stage: Stage, dots: list[Dot]) -> bool:
    calls = [i for i in stage.body if isinstance(i, Call)]
    dot, kernel = (dots[0], dots[0].kernel) if dots else (None, None)
    if dot is None or kernel is None or len(calls) + 1 != len(stage.body):
        return False
    elements = [a for c in calls for a in c.arguments if isinstance(a, Elem)]
    elements += [s.element for s in stage.stores]
    return (
        program.target.kernels == "avr"
        and program.target.constants == "near"
        and program.level == "speed"
        and kernel.family.startswith("bytes8_")
        and (bool(kernel.shifted) or dot.width == "i16")
        and stage.units <= avr.MOST_TURNS
        and all(c.primitive in OPERATIONS for c in calls)
        and all(_factor_is_power(c) for c in calls if c.primitive == "times")
        and all(e.buffer in program.buffer and (e.offset, e.stride) == (0, 1) for e in elements)
        and sum(dot.weight == other.weight for other in _all_dots(program)) == 1
    )


def _factor_is_power(call: Call) -> bool:
    factor = call.arguments[1]
    return isinstance(factor, int) and factor > 0 and factor & (factor - 1) == 0


def _all_dots(program: Program) -> list[Dot]:
    stages = [s for s in program.operations() if isinstance(s, Stage)]
    return [i for s in stages for i in s.body if isinstance(i, Dot)]


class _Writer:
    """Writes one stage."""

    def __init__(self, program: Program, stage: Stage, dot: Dot) -> None:
        self.program, self.stage, self.dot = program, stage, dot
        self.types = tuple(program.buffer[s.vector].type for s in dot.segments)
        self.form: Layout = avr.form_of(dot, self.types)
        self.calls = [i for i in stage.body if isinstance(i, Call)]
        self.reads = list(
            dict.fromkeys(a for c in self.calls for a in c.arguments if isinstance(a, Elem))
        )
        self.stores = {s.element: s.value for s in stage.stores}
        octets = self.form.octets
        behind = SUMS + octets * len(dot.outs)
        self.sums = tuple(
            tuple(f"r{SUMS + octets * r + k}" for k in range(octets)) for r in range(len(dot.outs))
        )
        self.pairs = [f"r{p}" for p in PAIRS if p >= behind]
        self.free = [16, 17, 18, 19, *range(behind, 16)]
        self.place: dict[Elem, str] = {}
        self.copies: list[tuple[Elem, Elem]] = []
        self._assign()

    def _assign(self) -> None:
        """Every vector and every stream gets its pointer."""
        if len(self.pairs) < len(self.dot.segments):
            raise UnfitError
        self.vectors = [self.pairs.pop(0) for _ in self.dot.segments]
        streams = list(dict.fromkeys([*self.reads, *self.stores]))
        wide = [e for e in streams if self._octets(e) == 2]
        if wide:
            self.place[wide[0]] = Y
        for e in streams:
            same = [o for o in self.place if self.stores.get(o) == self.stores.get(e, "")]
            if e in self.place:
                continue
            if self.pairs:
                self.place[e] = self.pairs.pop(0)
            elif e not in self.reads and same and self._type(same[0]) == self._type(e):
                self.copies.append((e, same[0]))
            else:
                raise UnfitError
        used = {int(p.removeprefix("r")) + k for p in self._pointers() for k in (0, 1)}
        spare = {n for n in (22, 23, 24, 25) if n not in used}
        self.free = [n for n in [*self.free, *spare] if n not in used]

    def _pointers(self) -> list[str]:
        return [*self.vectors, *self.place.values()]

    def _type(self, e: Elem) -> str:
        return self.program.buffer[e.buffer].type

    def _octets(self, e: Elem) -> int:
        return {"i8": 1, "u8": 1, "i16": 2}[self._type(e)]

    def units(self) -> Units:
        unit = self._unit()
        far = _words(unit) > MOST_WORDS
        near = _words(unit) < avr.REACH
        back = ["brne 4b"] if near else ["breq 5f", "jmp 4b" if far else "rjmp 4b", "5:"]
        lines = [*self._begin(), "4:", *unit, f"dec {UNITS}", *back, *self._end()]
        saved = [f"r{n}" for n in sorted(_registers_in(lines)) if n in SAVED]
        lines = [*(f"push {r}" for r in saved), *lines, *(f"pop {r}" for r in saved[::-1]), "ret"]
        tables = [a.const for c in self.calls for a in c.arguments if isinstance(a, Table)]
        return Units(
            tuple(lines), tuple(self.place), tuple(self.copies), tuple(dict.fromkeys(tables))
        )

    def _totals(self) -> list[int]:
        return [k for k, unsigned in enumerate(self.form.unsigned) if unsigned]

    def _begin(self) -> list[str]:
        """Parameters: the weights and the arrays; totals of vectors go onto the stack."""
        lines = ["movw r30, r24", "movw r26, r22"]
        for pair in self._pointers():
            low = int(pair.removeprefix("r"))
            lines += [f"ld r{low}, X+", f"ld r{low + 1}, X+"]
        lines.append(f"clr {ZERO}")
        if any(self.dot.segments[k].size > avr.MOST_TURNS for k in self._totals()):
            raise UnfitError
        for k in reversed(self._totals()):
            lines += [f"movw r26, {self.vectors[k]}", *_total(self.dot.segments[k].size)]
        return [*lines, f"ldi {UNITS}, {self.stage.units}"]

    def _end(self) -> list[str]:
        return [*["pop r0"] * (3 * len(self._totals())), "clr r1"]

    def _unit(self) -> list[str]:
        form, kernel = self.form, self.dot.kernel
        assert kernel is not None
        lines, total = [], 0
        for k, (segment, element) in enumerate(zip(self.dot.segments, self.types, strict=True)):
            unsigned = form.unsigned[k]
            counted = UNITS if element == "i16" and form.octets > 2 else HIGH
            if element == "i16" and form.octets == 2:
                counted = SIGN
            sign = ZERO if unsigned else SIGN
            r = avr.Registers(WEIGHT, ELEMENT, HIGH, sign, counted, self.sums, ())
            lines += [f"lpm {o}, Z+" for result in form.beginning(k) for o in self.sums[result]]
            if unsigned:
                lines += self._less_total(segment.results, total)
                total += 1
            columns = avr.columns_of_turn(form, k, segment, element, kernel.turn)
            if counted == UNITS and columns < segment.size:
                raise UnfitError
            lines += [f"movw r26, {self.vectors[k]}"]
            lines += avr.segment_lines(segment, element, unsigned, columns, r)
        return [*lines, "movw r26, r30", *self._operations(), "movw r30, r26"]

    def _less_total(self, results: tuple[int, ...], number: int) -> list[str]:
        """The sums less a total, which is on the stack."""
        lines = ["in r26, __SP_L__", "in r27, __SP_H__", f"adiw r26, {3 * number + 1}"]
        lines += [f"ld {octet}, X+" for octet in (WEIGHT, ELEMENT, HIGH)]
        for result in results:
            a, b, c = self.sums[result]
            lines += [f"sub {a}, {WEIGHT}", f"sbc {b}, {ELEMENT}", f"sbc {c}, {HIGH}"]
        return lines

    def _operations(self) -> list[str]:
        """The calls and the stores of a unit."""
        kernel = self.dot.kernel
        assert kernel is not None
        names = {e: f"{e.buffer}{' new' if e.new else ''}[j]" for e in self.reads}
        uses = Counter(
            names[a] if isinstance(a, Elem) else a
            for c in self.calls
            for a in c.arguments
            if isinstance(a, (Elem, str))
        )
        uses.update(self.stores[e] for e in self.place if e in self.stores)
        free = [n for n in self.free if f"r{n}" not in {o for s in self.sums for o in s}]
        bank = Bank(free, uses, ZERO)
        lines = []
        for r, out in enumerate(self.dot.outs):
            octets = self.sums[r]
            if kernel.shifted:
                lines += narrowed(octets, kernel.shifted[r], WEIGHT, ELEMENT, self._indexes(out))
                bank.give(octets[2:])
            bank.put(out, octets[:2])
        for call in self.calls:
            for e in (a for a in call.arguments if isinstance(a, Elem)):
                if not bank.holds(names[e]):
                    lines += self._load(bank, e, names[e])
            lines.append(f"; {call.out}{': ' if call.doc else ''}{call.doc}")
            arguments = tuple(names[a] if isinstance(a, Elem) else a for a in call.arguments)
            lines += lines_of(bank, replace(call, arguments=arguments))
        for e, pointer in self.place.items():
            if e in self.stores:
                lines.append(f"; {names.get(e, e.buffer)} is stored")
                octets = bank.read(self.stores[e])
                if len(octets) != self._octets(e):
                    raise UnfitError
                lines += _stored(pointer, octets)
        return lines

    def _indexes(self, value: str) -> bool:
        """Whether only the high byte of a value is of use: it looks something up."""
        users = [c.primitive for c in self.calls if value in c.arguments]
        return set(users) == {"lut_u8"} and value not in self.stores.values()

    def _load(self, bank: Bank, e: Elem, name: str) -> list[str]:
        """An element of a stream, behind which its pointer goes on unless it will be stored."""
        octets = bank.take(self._octets(e), high=True)
        bank.put(name, octets)
        pointer, kept = self.place[e], e in self.stores
        if pointer == Y:
            return [f"ldd {o}, Y+{k}" if kept else f"ld {o}, Y+" for k, o in enumerate(octets)]
        ahead = [] if kept else [f"movw {pointer}, r30"]
        return [f"movw r30, {pointer}", *(f"ld {o}, Z+" for o in octets), *ahead]


def _stored(pointer: str, octets: tuple[str, ...]) -> list[str]:
    if pointer == Y:
        return [f"st Y+, {o}" for o in octets]
    return [f"movw r30, {pointer}", *(f"st Z+, {o}" for o in octets), f"movw {pointer}, r30"]


def _total(size: int) -> list[str]:
    """Pushes 128 times the sum of x + 128 over a vector at X, the lowest byte last."""
    low, middle, top, element = WEIGHT, HIGH, SIGN, ELEMENT
    lines = [f"clr {low}", f"clr {middle}", f"clr {top}", f"ldi {UNITS}, {size & 255}"]
    lines += ["1:", f"ld {element}, X+", f"subi {element}, 0x80", f"add {low}, {element}"]
    lines += [f"adc {middle}, {ZERO}", f"adc {top}, {ZERO}", f"dec {UNITS}", "brne 1b"]
    lines += [f"lsr {top}", f"ror {middle}", f"ror {low}", f"clr {element}", f"ror {element}"]
    return [*lines, f"push {middle}", f"push {low}", f"push {element}"]


def _registers_in(lines: Sequence[str]) -> set[int]:
    """The numbers of the registers that lines name, both of a pair."""
    found = set()
    for line in lines:
        numbers = [int(n) for n in re.findall(r"\br(\d+)\b", line.split(";")[0])]
        found |= {*numbers, *(n + 1 for n in numbers if line.startswith("movw"))}
    return found


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
