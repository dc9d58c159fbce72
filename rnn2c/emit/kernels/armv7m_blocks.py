"""Kernels for Cortex-M3 and weights in the packings blocks8; frame as in stored.py."""

from __future__ import annotations

from rnn2c.emit.kernels import stored
from rnn2c.emit.kernels.armv7m import COLUMN_BYTES, high_round, products
from rnn2c.emit.kernels.lines import load
from rnn2c.emit.kernels.paired import END
from rnn2c.emit.kernels.stored import VECTOR, WORDS, Core, Registers, slots
from rnn2c.ir.program import Dot
from rnn2c.packing import blocks8
from rnn2c.packing.pairs8 import Pair

TWO_PAIRS = Registers(
    ("r0", "r2", "r3", "r4"), ("r5", "r6", "r7", "r8"), ("r9", "r10"), ("r11",)
)  # fmt: skip
THREE_PAIRS = Registers(
    ("r0", "r2", "r3", "r4", "r5", "r6"), ("r7", "r8"), ("r10", "r11"), ("r9",)
)  # fmt: skip
FOUR_PAIRS = Registers(
    ("r0", "r2", "r3", "r4", "r5", "r6", "r8", "r9"), ("r7", "r12"), ("r11",), ("r10",)
)
"""The vector is in memory: its register holds a column."""
OF_PAIRS = {1: TWO_PAIRS, 2: TWO_PAIRS, 3: THREE_PAIRS, 4: FOUR_PAIRS}
"""A column in a register; the other register is for the row at hand."""


def instructions(dot: Dot, types: tuple[str, ...], columns: int) -> list[str]:
    """The lines of a kernel for stored blocks of so many columns."""
    return stored.instructions(CORE, dot, types, columns)


def _start(pairs: tuple[Pair, ...], columns: int) -> list[str]:
    to_memory = [f"str {VECTOR}, {END}"] if _is_in_memory(pairs) else []
    return [f"sub {VECTOR}, {VECTOR}, #{COLUMN_BYTES * columns}", *to_memory]


def _is_in_memory(pairs: tuple[Pair, ...]) -> bool:
    return VECTOR in OF_PAIRS[slots(pairs)].columns


def _block(pairs: tuple[Pair, ...], columns: int) -> list[str]:
    """All columns are loaded at once, or two by two with the address in a register of weights."""
    registers = OF_PAIRS[slots(pairs)]
    (row,), weights, at = registers.others, registers.weights, registers.columns[:columns]
    place, vector, address = registers.place, VECTOR, at[0]
    lines = []
    if _is_in_memory(pairs):
        lines, vector = [f"ldr {row}, {END}"], row
    if len(at) < columns:
        weights, address = weights[:-1], weights[-1]
    block_shift = (COLUMN_BYTES * columns).bit_length() - 1
    lines.append(f"add {address}, {vector}, {place}, lsl #{block_shift}")
    for begin in range(0, columns, len(at)):
        goes_on = "!" if begin + len(at) < columns else ""
        lines.append(f"ldmia {address}{goes_on}, {{{', '.join(at)}}}")
        todo = [(p, k) for k in range(0, len(at), 2) for p in pairs]
        for b in range(0, len(todo), len(weights)):
            batch = todo[b : b + len(weights)]
            lines.append(load(f"{WORDS}!", weights[: len(batch)]))
            for (p, k), w in zip(batch, weights, strict=False):
                lines += products(w, (at[k], at[k + 1]), row, *registers.of(p))
    return lines


CORE = Core(blocks8.ARMV7M, OF_PAIRS, _start, _block, high_round)
