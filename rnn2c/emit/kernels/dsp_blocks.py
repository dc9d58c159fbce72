"""Kernels for cores with SMLAD and weights in the packings blocks8; frame as in stored.py."""

from __future__ import annotations

from rnn2c.emit.kernels import stored
from rnn2c.emit.kernels.dsp import COLUMN_BYTES
from rnn2c.emit.kernels.lines import load
from rnn2c.emit.kernels.paired import smmulr
from rnn2c.emit.kernels.stored import VECTOR, WORDS, Core, Registers, slots
from rnn2c.ir.program import Dot
from rnn2c.packing import blocks8
from rnn2c.packing.pairs8 import Pair

TWO_PAIRS = Registers(("r0", "r2", "r3", "r4"), ("r5", "r6"), ("r7", "r8", "r9", "r10"))
THREE_PAIRS = Registers(("r0", "r2", "r3", "r4", "r5", "r6"), ("r7", "r11"), ("r8", "r9", "r10"))
FOUR_PAIRS = Registers(("r0", "r2", "r3", "r4", "r5", "r6", "r8", "r9"), ("r7",), ("r10", "r11"))
OF_PAIRS = {1: TWO_PAIRS, 2: TWO_PAIRS, 3: THREE_PAIRS, 4: FOUR_PAIRS}
"""Two columns in a register."""


def instructions(dot: Dot, types: tuple[str, ...], columns: int) -> list[str]:
    """The lines of a kernel for stored blocks of so many columns."""
    return stored.instructions(CORE, dot, types, columns)


def _start(pairs: tuple[Pair, ...], columns: int) -> list[str]:
    return [f"sub {VECTOR}, {VECTOR}, #{COLUMN_BYTES * columns}"] if columns == 2 else []


def _block(pairs: tuple[Pair, ...], columns: int) -> list[str]:
    registers = OF_PAIRS[slots(pairs)]
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


CORE = Core(blocks8.DSP, OF_PAIRS, _start, _block, smmulr)
