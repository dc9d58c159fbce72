"""Kernels for cores with SMLAD (Cortex-M4, M7, M33, M55): weights in the packing pairs8.

Frame and accumulators are those of paired.py; the other registers hold columns of the vector and
weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.emit.kernels import paired
from rnn2c.emit.kernels.lines import load, saturation
from rnn2c.emit.kernels.paired import END, accumulators, smmulr
from rnn2c.ir.program import Call, Dot
from rnn2c.packing import pairs8
from rnn2c.packing.pairs8 import Pair

COLUMN_BYTES = 2


@dataclass(frozen=True)
class Registers:
    """What holds columns of the vector (two in each) and weights; `step`: columns of one turn."""

    columns: tuple[str, ...]
    weights: tuple[str, ...]

    @property
    def step(self) -> int:
        return 2 * len(self.columns)


TWO_PAIRS = Registers(("r5", "r6", "r7", "r8"), ("r9", "r10", "r11", "r12"))
THREE_PAIRS = Registers(("r10", "r11"), ("r7", "r8", "r9", "r12"))
THREE_PAIRS_SHORT = Registers(("r10", "r11"), ("r7", "r8", "r9"))
"""Of a turn of 4 columns: what would be gained is what the end of the loop costs in memory."""

SHORTER = {16: 8}
"""A turn of three pairs before the last segment: so much code is in them."""


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    last = str(len(dot.segments))

    def segment(pairs: tuple[Pair, ...], size: int, turn: int, label: str) -> list[str]:
        is_short = _are_three(pairs) and label != last
        return _segment(pairs, size, SHORTER.get(turn, turn) if is_short else turn, label)

    return paired.instructions(dot, types, segment, smmulr)


def special(call: Call, _: str) -> tuple[str, tuple[str, ...], str] | None:
    """A call with these literals as a function of its own: end of its name, body.  None: no need.

    Saturation is one instruction, which has the number of bits and the shift before it in itself.
    """
    found = saturation(call)
    if found is None:
        return None
    bits, shift, ctype, name = found
    return name, _saturated(bits, shift, ctype), ""


def _saturated(bits: int, shift: int, ctype: str) -> tuple[str, ...]:
    half = 2 ** (bits - 1)
    down = f", asr #{shift}" if shift else ""
    return (
        "int32_t limited;",
        f'__asm__("ssat %0, #{bits}, %1{down}" : "=r"(limited) : "r"(x));',
        f"RNN2C_KNOWN((limited >= -{half}) && (limited <= {half - 1}));" if bits <= 16 else "",
        "return limited;" if ctype == "int32_t" else f"return ({ctype})limited;",
    )


def _segment(pairs: tuple[Pair, ...], size: int, turn: int, label: str) -> list[str]:
    """All columns: a loop of `turn` columns if it has two turns or more, and the rest.

    12 columns of three pairs are a loop of 4 unless all is written out: so much code is in them.
    """
    size = -(-size // pairs8.COLUMNS) * pairs8.COLUMNS
    three = _are_three(pairs)
    straight = THREE_PAIRS if three else TWO_PAIRS
    if turn and three and size == 3 * pairs8.COLUMNS:
        turn = pairs8.COLUMNS
    if not turn or size < 2 * turn:
        return _columns(pairs, size, straight)
    looped = THREE_PAIRS_SHORT if three and turn == pairs8.COLUMNS else straight
    turns = size // turn
    lines = [f"add r12, lr, #{turns * turn * COLUMN_BYTES}"]
    in_memory = "r12" in looped.weights
    if in_memory:
        lines.append(f"str r12, {END}")
    lines += [".balign 4", f"{label}:", *_columns(pairs, turn, looped)]
    if in_memory:
        lines.append(f"ldr r12, {END}")
    return [*lines, "cmp lr, r12", f"bne {label}b", *_columns(pairs, size - turns * turn, straight)]


def _are_three(pairs: tuple[Pair, ...]) -> bool:
    return max(p.slot for p in pairs) == pairs8.MOST_PAIRS - 1


def _columns(pairs: tuple[Pair, ...], count: int, registers: Registers) -> list[str]:
    """`count` columns, a multiple of 4, straight on."""
    todo: list[tuple[str, Pair, str]] = []  # what is loaded before, a pair, two columns
    for begin in range(0, count, registers.step):
        columns = registers.columns[: (count - begin) // 2]
        before = load("lr!", columns)
        for column in columns:
            for p in pairs:
                todo.append((before, p, column))
                before = ""
    lines: list[str] = []
    size = len(registers.weights)
    for k in range(0, len(todo), size):
        batch = todo[k : k + size]
        lines.append(load("r1!", registers.weights[: len(batch)]))
        for (before, p, column), w in zip(batch, registers.weights, strict=False):
            high, low = accumulators(p)
            lines += [before] if before else []
            lines += [
                f"smlad {high}, {w}, {column}, {high}",
                f"sxtb16 {w}, {w}",
                f"smlad {low}, {w}, {column}, {low}",
            ]
    return lines
