"""Kernels for cores with SMLAD and weights in the packings blocks8: loops over stored blocks.

Registers: accumulators, two for a pair of rows; then columns of the vector and weights; r12 is the
vector, r1 runs over the places of the stored blocks and lr over the words.  A place is loaded into
the register of the first columns.  On the stack: the sums, the second vector or all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.emit.kernels.dsp import COLUMN_BYTES
from rnn2c.emit.kernels.lines import load
from rnn2c.emit.kernels.paired import VECTORS, finish, layout_of, smmulr
from rnn2c.ir.program import Dot
from rnn2c.packing.pairs8 import Pair


@dataclass(frozen=True)
class Registers:
    """accumulators: two for each pair; columns: two of the vector in each; weights: a load's."""

    accumulators: tuple[str, ...]
    columns: tuple[str, ...]
    weights: tuple[str, ...]

    def of(self, p: Pair) -> tuple[str, str]:
        """The accumulators of a pair."""
        return self.accumulators[2 * p.slot], self.accumulators[2 * p.slot + 1]

    @property
    def free(self) -> tuple[str, ...]:
        """What holds nothing when the blocks of a segment are done, in order."""
        return tuple(sorted((*self.columns, *self.weights), key=lambda r: int(r[1:])))


TWO_PAIRS = Registers(("r0", "r2", "r3", "r4"), ("r5", "r6"), ("r7", "r8", "r9", "r10"))
THREE_PAIRS = Registers(("r0", "r2", "r3", "r4", "r5", "r6"), ("r7", "r11"), ("r8", "r9", "r10"))
FOUR_PAIRS = Registers(("r0", "r2", "r3", "r4", "r5", "r6", "r8", "r9"), ("r7",), ("r10", "r11"))
OF_PAIRS = {1: TWO_PAIRS, 2: TWO_PAIRS, 3: THREE_PAIRS, 4: FOUR_PAIRS}

VECTOR, PLACES, WORDS = "r12", "r1", "lr"
FARTHEST = 126
"""How far cbz goes, from 4 bytes after it."""

LONGEST_TURN = 32
"""Columns of a turn where the level sets no limit.  Two are counted for each that is stored: the
loop may end in the middle of a turn.
"""


def four_columns(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of a kernel for stored blocks of four columns."""
    return _instructions(dot, types, 4)


def two_columns(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of a kernel for stored blocks of two columns."""
    return _instructions(dot, types, 2)


def _instructions(dot: Dot, types: tuple[str, ...], columns: int) -> list[str]:
    kernel = dot.kernel
    assert kernel is not None
    form = layout_of(dot, types)
    count = len(dot.segments)
    copies = max((kernel.turn or LONGEST_TURN) // (2 * columns), 1)
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
        registers = _registers(form.of(k))
        for p in (p for p in form.pairs if p.first == k):
            lines.append(load(f"{WORDS}!", registers.of(p)))
        lines += _stored_blocks(form.of(k), columns, copies, 10 * (k + 1))
        lines += finish(form, kernel, k, registers.of, registers.free, (WORDS, VECTOR), smmulr)
    return [*lines, f"mov r0, {WORDS}", "pop {r1-r11, pc}"]


def _registers(pairs: tuple[Pair, ...]) -> Registers:
    return OF_PAIRS[max(p.slot for p in pairs) + 1]


def _stored_blocks(pairs: tuple[Pair, ...], columns: int, copies: int, label: int) -> list[str]:
    """A loop over the stored blocks of a segment, `copies` in a turn; labels from `label` on."""
    place = _registers(pairs).columns[0]
    block = _block(pairs, columns)
    end = label + copies + 1
    body, size = [f"b {label}b"], 2  # bytes: all instructions have 4 but for cbz, cbnz and b
    for k in range(copies, 0, -1):
        size += 4 * len(block)
        to_end = [f"cbz {place}, {end}f"]
        if size - 2 > FARTHEST:
            to_end = [f"cbnz {place}, {label + k}f", f"b {end}f", f"{label + k}:"]
        body = [f"ldrb {place}, [{PLACES}], #1", *to_end, *block, *body]
        size += 6 if len(to_end) == 1 else 8
    before = [f"sub {VECTOR}, {VECTOR}, #{COLUMN_BYTES * columns}"] if columns == 2 else []
    return [*before, f"{label}:", *body, f"{end}:"]


def _block(pairs: tuple[Pair, ...], columns: int) -> list[str]:
    """One stored block, its place + 1 in the register of its first columns."""
    registers = _registers(pairs)
    at = registers.columns[: columns // 2]
    if columns == 2:
        lines = [f"ldr {at[0]}, [{VECTOR}, {at[0]}, lsl #2]"]
    else:
        lines = [
            f"add {at[0]}, {VECTOR}, {at[0]}, lsl #3",
            f"ldrd {at[0]}, {at[1]}, [{at[0]}, #-8]",
        ]
    todo = [(p, column) for column in at for p in pairs]
    for k in range(0, len(todo), len(registers.weights)):
        batch = todo[k : k + len(registers.weights)]
        lines.append(load(f"{WORDS}!", registers.weights[: len(batch)]))
        for (p, column), w in zip(batch, registers.weights, strict=False):
            high, low = registers.of(p)
            lines += [
                f"smlad {high}, {w}, {column}, {high}",
                f"sxtb16 {w}, {w}",
                f"smlad {low}, {w}, {column}, {low}",
            ]
    return lines
