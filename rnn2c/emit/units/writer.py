"""A stage in assembly: for each unit its sums, the operations on them and the stores.

Vectors are read through X.  What the units read and write besides are streams: Y is one of 16 bits,
the others have pairs of registers, as the vectors have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rnn2c.emit.kernels import avr
from rnn2c.emit.units.bank import Bank, UnfitError
from rnn2c.emit.units.operations import NIBBLE, UPPER, lines_of, narrowed
from rnn2c.ir.program import Call, Dot, Elem, Program, Stage, Table

WEIGHT, ELEMENT, HIGH, SIGN, ZERO, UNITS = "r16", "r17", "r18", "r19", "r20", "r21"
"""What is multiplied; the sign of a product; zero; the units that are left."""

SUMS = 2
"""The first register of the sums."""

Y = "r28"
SAVED = (*range(2, 18), 28, 29)
RETURN = "return"
"""A line that stands for the end of a function."""


IN_HIGH = ("mul_u8", "blend_u8", "round_sat8")
"""Operations that need what they take in high registers."""


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


class Writer:
    """Writes one stage: what comes before the units, behind them, and behind the sums of each.

    PAIRS: registers for pointers, as far as sums leave them free; FREE: those from 16 on that
    operations may use.
    """

    PAIRS: tuple[int, ...] = (24, 22, 14, 12, 10, 8)
    FREE: tuple[int, ...] = (16, 17, 18, 19)

    def __init__(self, program: Program, stage: Stage, dot: Dot) -> None:
        self.program, self.stage, self.dot = program, stage, dot
        self.types = tuple(program.buffer[s.vector].type for s in dot.segments)
        self.calls = [i for i in stage.body if isinstance(i, Call)]
        self.reads = list(
            dict.fromkeys(a for c in self.calls for a in c.arguments if isinstance(a, Elem))
        )
        self.stores = {s.element: s.value for s in stage.stores}
        octets = avr.OCTETS[dot.width]
        behind = SUMS + octets * len(dot.outs)
        self.sums = tuple(
            tuple(f"r{SUMS + octets * r + k}" for k in range(octets)) for r in range(len(dot.outs))
        )
        self.pairs = [f"r{p}" for p in self.PAIRS if p >= behind]
        self.free = [*self.FREE, *range(behind, 16)]
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
        tables = [a.const for c in self.calls for a in c.arguments if isinstance(a, Table)]
        whole = [line for part in (first, lines) for line in part]
        return Units(
            tuple(o for line in whole for o in ([*last, "ret"] if line == RETURN else [line])),
            tuple(self.place),
            tuple(self.copies),
            tuple(dict.fromkeys(tables)),
        )

    def pointers(self) -> list[str]:
        """What loads all pointers from the arrays that X points to."""
        lines = []
        for pair in self._pointers():
            low = int(pair.removeprefix("r"))
            lines += [f"ld r{low}, X+", f"ld r{low + 1}, X+"]
        return lines

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
        free = [n for n in self.free if f"r{n}" not in {o for s in self.sums for o in s}]
        outs = (*self.dot.outs, *(c.out for c in self.calls))
        indexes = {value for value in outs if self._indexes(value)}
        highs = {
            a
            for c in self.calls
            for a in c.arguments
            if isinstance(a, str) and c.primitive in IN_HIGH
        }
        bank = Bank(free, uses, ZERO, indexes, highs)
        nibbles = len(self.sums[0]) > 2 and NIBBLE in kernel.shifted
        lines = [f"ldi {ELEMENT}, {UPPER}"] if nibbles else []
        for r, out in enumerate(self.dot.outs):
            octets = self.sums[r]
            if kernel.shifted:
                down, left = narrowed(octets, kernel.shifted[r], WEIGHT, ELEMENT, out in indexes)
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
                lines.append(f"; {e.buffer} is stored")
                octets = bank.read(self.stores[e])
                if len(octets) != self._octets(e):
                    raise UnfitError
                lines += _stored(pointer, octets)
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
        ahead = [] if kept else [f"movw {pointer}, r30"]
        return [f"movw r30, {pointer}", *(f"ld {o}, Z+" for o in octets), *ahead]


def _stored(pointer: str, octets: tuple[str, ...]) -> list[str]:
    if pointer == Y:
        return [f"st Y+, {o}" for o in octets]
    return [f"movw r30, {pointer}", *(f"st Z+, {o}" for o in octets), f"movw {pointer}, r30"]


def _registers_in(lines: Sequence[str]) -> set[int]:
    """The numbers of the registers that lines name, both of a pair."""
    found = set()
    for line in lines:
        numbers = [int(n) for n in re.findall(r"\br(\d+)\b", line.split(";")[0])]
        found |= {*numbers, *(n + 1 for n in numbers if line.startswith("movw"))}
    return found
