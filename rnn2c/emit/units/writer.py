"""A stage in assembly: for each unit its sums, the operations on them and the stores.

Vectors are read through X.  What the units read and write besides are streams: Y is one of 16 bits,
the others have pairs of registers, as the vectors have.  Where sums leave no registers, pointers
are on the stack, and Y points there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rnn2c.emit.kernels import avr
from rnn2c.emit.kernels.avr_operations import NIBBLE, UPPER
from rnn2c.emit.units.bank import Bank, UnfitError
from rnn2c.emit.units.moves import MEMORY, Y, moved, stored
from rnn2c.emit.units.operations import lines_of, narrowed
from rnn2c.ir.program import Call, Dot, Elem, Program, Stage

WEIGHT, ELEMENT, HIGH, SIGN, ZERO, UNITS = "r16", "r17", "r18", "r19", "r20", "r21"
"""What is multiplied; the sign of a product; zero; the units that are left."""

SUMS = 2
"""The first register of the sums."""

PARAMETERS = tuple(f"r{n}" for n in range(24, 6, -2))
"""Where a function gets its pointers."""

SAVED = (*range(2, 18), 28, 29)
TURN = 8
"""Bytes that a turn copies."""

RETURN = "return"
"""A line that stands for the end of a function."""


IN_HIGH = ("mul_u8", "blend_u8", "round_sat8")
"""Operations that need what they take in high registers."""


@dataclass(frozen=True)
class Units:
    """The lines of a stage; arrays: the elements whose arrays it takes, in the order of its
    parameter, behind the vectors; constants: those that the lines name.
    """

    lines: tuple[str, ...]
    arrays: tuple[Elem, ...]
    constants: tuple[str, ...]


class Writer:
    """Writes one stage: what comes before the units, behind them, and behind the sums of each.

    PAIRS: registers for pointers, as far as sums leave them free; FREE: those from 16 on that
    operations may use, besides such pairs; spare: as Bank has it.
    """

    PAIRS: tuple[int, ...] = (24, 22, 14, 12, 10, 8)
    FREE: tuple[int, ...] = (16, 17, 18, 19)
    in_memory = False
    """Whether pointers are on the stack, where Y points to."""

    def __init__(self, program: Program, stage: Stage, dot: Dot, spare: int) -> None:
        self.program, self.stage, self.dot, self.spare = program, stage, dot, spare
        self.types = tuple(program.buffer[s.vector].type for s in dot.segments)
        self.calls = [i for i in stage.body if isinstance(i, Call)]
        self.reads = list(
            dict.fromkeys(a for c in self.calls for a in c.arguments if isinstance(a, Elem))
        )
        self.stores = {s.element: s.value for s in stage.stores}
        self.octets = avr.OCTETS[dot.width]
        self.sums = self.sums_in()
        sums = {int(octet.removeprefix("r")) for octets in self.sums for octet in octets}
        self.pairs = [f"r{p}" for p in self.PAIRS if p not in sums]
        self.place: dict[Elem, str] = {}
        self.copies: dict[Elem, Elem] = {}
        """What is the same as another array and copied from it at the end."""
        self.late: dict[Elem, tuple[str, ...]] = {}
        """What is stored behind the operations, and where it is."""
        self.slots = 0
        self.far = program.target.constants == "far"
        self.vectors = self._vectors()
        self._assign()
        used = {int(p.removeprefix("r")) + k for p in self._pairs() for k in (0, 1)}
        others = {n for p in self.PAIRS for n in (p, p + 1)} | {*range(SUMS, 16), *self.FREE}
        self.free = sorted(others - used - sums)

    def sums_in(self) -> tuple[tuple[str, ...], ...]:
        """The registers of the bytes of every sum, the lowest first."""
        numbers = range(SUMS, SUMS + self.octets * len(self.dot.outs), self.octets)
        return tuple(tuple(f"r{n + k}" for k in range(self.octets)) for n in numbers)

    def _vectors(self) -> list[str]:
        """The pointer of every vector."""
        count = len(self.dot.segments)
        if self.in_memory:
            return [self._slot() for _ in range(count)]
        if len(self.pairs) < count:
            raise UnfitError
        return [self.pairs.pop(0) for _ in range(count)]

    def _assign(self) -> None:
        """Every stream gets its pointer."""
        streams = list(dict.fromkeys([*self.reads, *self.stores]))
        for e in sorted(streams, key=lambda e: -self._octets(e)):
            same = [o for o in self.place if self.stores.get(o) == self.stores.get(e, "")]
            same = [o for o in same if self._type(o) == self._type(e) and e not in self.reads]
            if not self.in_memory and not self.place and self._octets(e) == 2:
                self.place[e] = Y
            elif self.pairs:
                self.place[e] = self.pairs.pop(0)
            elif same:
                self.copies[e] = same[0]
            elif self.in_memory:
                self.place[e] = self._slot()
            else:
                raise UnfitError

    def _slot(self) -> str:
        """The name of one more pointer on the stack."""
        self.slots += 1
        return f"{MEMORY}{2 * self.slots - 1}"

    def _pairs(self) -> list[str]:
        """The pointers that are in registers."""
        return [p for p in (*self.vectors, *self.place.values()) if not p.startswith(MEMORY)]

    def _type(self, e: Elem) -> str:
        return self.program.buffer[e.buffer].type

    def _octets(self, e: Elem) -> int:
        octets = {"i8": 1, "u8": 1, "i16": 2}
        if self._type(e) not in octets:
            raise UnfitError
        return octets[self._type(e)]

    def units(self) -> Units:
        """The stage as a function."""
        raise NotImplementedError

    def function(self, lines: Sequence[str]) -> Units:
        """A function of these lines, which saves what it uses."""
        saved = [f"r{n}" for n in sorted(_registers_in(lines)) if n in SAVED]
        first, last = [f"push {r}" for r in saved], [f"pop {r}" for r in saved[::-1]]
        whole = [line for part in (first, lines) for line in part]
        return Units(
            tuple(o for line in whole for o in ([*last, "ret"] if line == RETURN else [line])),
            (*self.place, *self.copies),
            tuple(
                dict.fromkeys(name for line in lines for name in re.findall(r"%\[(\w+)\]", line))
            ),
        )

    def pointers(self) -> list[str]:
        """What moves the parameters to where the pointers are, those of copies onto the stack."""
        there = [*self.vectors, *self.place.values(), *(MEMORY for _ in self.copies)]
        if len(there) > len(PARAMETERS):
            raise UnfitError
        lines, moves = [], {}
        for parameter, pointer in [*zip(PARAMETERS, there, strict=False)][::-1]:
            if pointer.startswith(MEMORY):
                lines += [f"push r{int(parameter[1:]) + 1}", f"push {parameter}"]
            elif pointer != parameter:
                moves[pointer] = parameter
        while moves:
            free = [to for to in moves if to not in moves.values()]
            if not free:
                raise UnfitError
            lines.append(f"movw {free[0]}, {moves.pop(free[0])}")
        return lines + ["in r28, __SP_L__", "in r29, __SP_H__"] * self.in_memory

    def copied(self) -> list[str]:
        """What copies the arrays that are the same as others, whose pointers are behind them, and
        takes the stack back.
        """
        lines = []
        for k, (e, source) in enumerate(self.copies.items()):
            octets = self.stage.units * self._octets(e)
            turns, rest = divmod(octets, TURN)
            one = ["ld r0, X+", "st Z+, r0"]
            back = [f"ldi {HIGH}, {turns}", "1:", *one * TURN, f"dec {HIGH}", "brne 1b"]
            begin = [f"subi r26, {octets & 255}", f"sbci r27, {octets >> 8}"]
            slot = f"{MEMORY}{2 * (self.slots + k) + 1}"
            lines += moved("r30", slot) if self.in_memory else ["pop r30", "pop r31"]
            lines += [*moved("r26", self.place[source]), *([] if self.is_late(source) else begin)]
            lines += [*one * rest, *(back if turns else [])]
        there = self.slots + len(self.copies) if self.in_memory else 0
        return [*lines, *["pop r0"] * (2 * there)]

    def is_late(self, e: Elem) -> bool:
        """Whether an element is stored behind the operations."""
        return False

    def operations(self) -> list[str]:
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
        outs = (*self.dot.outs, *(c.out for c in self.calls))
        indexes = {value for value in outs if self._indexes(value)}
        highs = {
            a
            for c in self.calls
            for a in c.arguments
            if isinstance(a, str) and c.primitive in IN_HIGH
        }
        bank = Bank(self.free, uses, ZERO, indexes, highs, self.far, self.spare)
        nibbles = self.octets > 2 and NIBBLE in kernel.shifted
        lines = [f"ldi {ELEMENT}, {UPPER}"] if nibbles else []
        for r, out in enumerate(self.dot.outs):
            octets = self.sums[r]
            if kernel.shifted:
                down, left = narrowed(
                    octets, kernel.shifted[r], WEIGHT, ELEMENT, ZERO, out in indexes
                )
                lines += down
                bank.give([o for o in octets if o not in left])
                octets = left
            bank.put(out, octets)
        for k, call in enumerate(self.calls):
            for e in (a for a in call.arguments if isinstance(a, Elem)):
                if not bank.holds(names[e]):
                    lines += self._load(bank, e, names[e])
            lines.append(f"; {call.out}{': ' if call.doc else ''}{call.doc}")
            arguments = tuple(names[a] if isinstance(a, Elem) else a for a in call.arguments)
            lines += lines_of(bank, replace(call, arguments=arguments))
            lines += self._stores(bank, k)
        return lines

    def _stores(self, bank: Bank, number: int) -> list[str]:
        """The stores that can be made after the call with this number, and not before it."""
        lines = []
        for e, pointer in self.place.items():
            uses = [k for k, c in enumerate(self.calls) if c.out == self.stores.get(e)]
            uses += [k for k, c in enumerate(self.calls) if e in c.arguments]
            if e in self.stores and max(uses, default=0) == number:
                octets = bank.read(self.stores[e])
                if len(octets) != self._octets(e):
                    raise UnfitError
                if self.is_late(e):
                    self.late[e] = octets
                    continue
                lines.append(f"; {e.buffer} is stored")
                lines += stored(pointer, octets)
                bank.done(self.stores[e])
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
        ahead = [] if kept else moved(pointer, "r30")
        return [*moved("r30", pointer), *(f"ld {o}, Z+" for o in octets), *ahead]


def _registers_in(lines: Sequence[str]) -> set[int]:
    """The numbers of the registers that lines name, both of a pair."""
    found = set()
    for line in lines:
        numbers = [int(n) for n in re.findall(r"\br(\d+)\b", line.split(";")[0])]
        found |= {*numbers, *(n + 1 for n in numbers if line.startswith("movw"))}
    return found
