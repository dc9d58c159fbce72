"""Which registers of an AVR hold the values of a stage while its operations run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence

HIGH = range(16, 24)
"""Those that `mulsu` and instructions with a literal take."""


SPARE = 2
"""So many of them are free before one is taken that is not needed, at least."""


class UnfitError(Exception):
    """A stage is not made for this: it needs more registers than there are, for example."""


def is_high(register: str) -> bool:
    """Whether `mulsu` and literals take it."""
    return int(register.removeprefix("r")) in HIGH


def copied(to: tuple[str, str], pair: tuple[str, str]) -> list[str]:
    """What copies a pair of registers for `movw` to others."""
    a, b = (int(r.removeprefix("r")) for r in to)
    if a % 2 == 0 and b == a + 1:
        return [f"movw {to[0]}, {pair[0]}"]
    return [f"mov {to[0]}, {pair[0]}", f"mov {to[1]}, {pair[1]}"]


class Bank:
    """Values by name, each in registers, the lowest byte first; `zero` is one that holds 0.

    indexes: values of 16 bits of which only the upper byte is of use; highs: those that
    operations need in high registers; far: whether tables lie anywhere in flash.
    """

    def __init__(
        self,
        free: Iterable[int],
        uses: Counter[str],
        zero: str,
        indexes: Container[str] = (),
        highs: Container[str] = (),
        far: bool = False,
        spare: int = SPARE,
    ) -> None:
        self._free = sorted(free)
        self._uses = Counter(uses)
        self._values: dict[str, tuple[str, ...]] = {}
        self.zero, self.indexes, self.highs = zero, indexes, highs
        self.far, self.spare = far, spare

    def take(self, count: int = 1, high: bool = False) -> tuple[str, ...]:
        """Free registers, low ones first unless the last byte is to be a high one."""
        rows = [n for n in self._free if n in HIGH], [n for n in self._free if n not in HIGH]
        order = [*rows[1], *rows[0]]
        chosen = order[: count - high] + (rows[0][-1:] if high else [])
        if len(set(chosen)) < count:
            raise UnfitError
        self._free = [n for n in self._free if n not in chosen]
        return tuple(f"r{n}" for n in chosen)

    def pair(self, high: bool = False) -> tuple[str, str]:
        """Two free registers, beside each other if there are such; high: high ones first."""
        order = sorted(self._free, key=lambda n: ((n in HIGH) != high, n))
        even = [n for n in order if n % 2 == 0 and n + 1 in self._free]
        if not even:
            first, second = self.take(2)
            return first, second
        self._free = [n for n in self._free if n not in (even[0], even[0] + 1)]
        return f"r{even[0]}", f"r{even[0] + 1}"

    def favours(self, name: str) -> bool:
        """Whether a result is better in high registers, and some are left."""
        return name in self.highs and sum(n in HIGH for n in self._free) >= self.spare

    def give(self, registers: Sequence[str]) -> None:
        """These are free again."""
        self._free = sorted({*self._free, *(int(r.removeprefix("r")) for r in registers)})

    def put(self, name: str, registers: tuple[str, ...]) -> None:
        """A value is in these registers."""
        self._values[name] = registers
        if not self._uses[name]:
            self.give(registers)

    def holds(self, name: str) -> bool:
        return name in self._values

    def read(self, name: str) -> tuple[str, ...]:
        """The registers of a value."""
        return self._values[name]

    def done(self, name: str) -> None:
        """A value has been used once more, maybe for the last time."""
        self._uses[name] -= 1
        if not self._uses[name]:
            self.give(self._values.pop(name))

    def own(self, name: str, high: bool = False) -> tuple[list[str], tuple[str, ...]]:
        """What puts a value into registers that may be written to, its own where nothing else needs
        it; high: its last byte in a high one.  It counts as used.
        """
        old = self.read(name)
        last = self._uses[name] == 1
        fits = not high or is_high(old[-1])
        if last and fits:
            self._uses[name] = 0
            return [], self._values.pop(name)
        if last:
            (top,) = self.take(high=True)
            self._uses[name] = 0
            del self._values[name]
            self.give(old[-1:])
            return [f"mov {top}, {old[-1]}"], (*old[:-1], top)
        new = self.take(len(old), high)
        self.done(name)
        return [f"mov {a}, {b}" for a, b in zip(new, old, strict=True)], new

    def as_factor(self, name: str) -> tuple[list[str], tuple[str, ...]]:
        """What puts the last byte of a value into a high register, and where the value is then."""
        old = self.read(name)
        if is_high(old[-1]):
            return [], old
        (top,) = self.take(high=True)
        self._values[name] = new = (*old[:-1], top)
        self.give(old[-1:])
        return [f"mov {top}, {old[-1]}"], new
