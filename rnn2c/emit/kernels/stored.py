"""What kernels with stored blocks have in common (packings blocks8): loops over their places.

Registers: accumulators, two for a pair of rows; then columns of the vector and weights; r12 is the
vector, r1 runs over the places of the stored blocks and lr over the words.  A place is loaded into
the register of the first columns.  On the stack: the sums, the second vector or all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.emit.kernels.lines import load
from rnn2c.emit.kernels.paired import VECTORS, Multiply, finish
from rnn2c.ir.program import Dot
from rnn2c.packing.blocks8 import Effort, halved
from rnn2c.packing.pairs8 import Layout, Pair

VECTOR, PLACES, WORDS = "r12", "r1", "lr"
FARTHEST = 126
"""How far cbz goes, from 4 bytes after it."""


@dataclass(frozen=True)
class Registers:
    """accumulators: two for each pair; columns: of the vector; weights: a load's; others: what
    the products take besides.
    """

    accumulators: tuple[str, ...]
    columns: tuple[str, ...]
    weights: tuple[str, ...]
    others: tuple[str, ...] = ()

    def of(self, p: Pair) -> tuple[str, str]:
        """The accumulators of a pair."""
        return self.accumulators[2 * p.slot], self.accumulators[2 * p.slot + 1]

    @property
    def place(self) -> str:
        """What the place of a stored block is loaded into."""
        return self.columns[0]

    @property
    def free(self) -> tuple[str, ...]:
        """What holds nothing when the blocks of a segment are done, in order."""
        rest = {*self.columns, *self.weights, *self.others} - {VECTOR}
        return tuple(sorted(rest, key=lambda r: int(r[1:])))


@dataclass(frozen=True)
class Core:
    """What one kind of core makes of stored blocks.

    registers: by the number of pairs.  start(pairs, columns): the lines before the blocks of a
    segment.  block(pairs, columns): one, its place + 1 in its register.
    """

    effort: Effort
    registers: Mapping[int, Registers]
    start: Callable[[tuple[Pair, ...], int], list[str]]
    block: Callable[[tuple[Pair, ...], int], list[str]]
    multiply: Multiply


def slots(pairs: tuple[Pair, ...]) -> int:
    """For how many pairs there have to be accumulators."""
    return max(p.slot for p in pairs) + 1


def instructions(core: Core, dot: Dot, types: tuple[str, ...], columns: int) -> list[str]:
    """The lines of a kernel for stored blocks of so many columns."""
    kernel = dot.kernel
    assert kernel is not None
    form = layout_of(dot, types, Layout)
    count = len(dot.segments)
    copies = core.effort.copies(kernel.turn, columns)
    lines = [
        f"ldrd {VECTOR}, r2, [r2]" if count == 2 else f"ldr {VECTOR}, [r2]",
        "push {r0, r2-r11, lr}",
        f"ldrb {WORDS}, [{PLACES}], #1",
        f"add {WORDS}, {WORDS}, {PLACES}",
    ]
    for k in range(count):
        if k:
            lines.append(f"ldr {VECTOR}, {VECTORS}")
        if k and count > 2:
            lines.append(f"ldr {VECTOR}, [{VECTOR}, #{4 * k}]")
        pairs = form.of(k)
        registers = core.registers[slots(pairs)]
        for p in (p for p in form.pairs if p.first == k):
            lines.append(load(f"{WORDS}!", registers.of(p)))
        lines += core.start(pairs, columns)
        lines += _loop(core.block(pairs, columns), registers.place, copies, 10 * (k + 1))
        shared = halved(form, k, dict(zip(kernel.scaled, kernel.lifted, strict=True)))
        lines += finish(
            form, kernel, k, registers.of, registers.free, (WORDS, VECTOR), core.multiply, shared
        )
    return [*lines, f"mov r0, {WORDS}", "pop {r1-r11, pc}"]


def _loop(block: list[str], place: str, copies: int, label: int) -> list[str]:
    """A loop over the stored blocks of a segment, `copies` in a turn; labels from `label` on."""
    end = label + copies + 1
    body, size = [f"b {label}b"], 2  # bytes: all instructions have at most 4, cbz, cbnz and b 2
    for k in range(copies, 0, -1):
        size += 4 * len(block)
        to_end = [f"cbz {place}, {end}f"]
        if size - 2 > FARTHEST:
            to_end = [f"cbnz {place}, {label + k}f", f"b {end}f", f"{label + k}:"]
        body = [f"ldrb {place}, [{PLACES}], #1", *to_end, *block, *body]
        size += 6 if len(to_end) == 1 else 8
    return [f"{label}:", *body, f"{end}:"]
