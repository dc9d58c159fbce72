"""Kernels for Cortex-M3 (ARMv7-M without SMLAD): weights in the packing pairs8, vectors of words.

Frame and accumulators are those of paired.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.emit.kernels import paired
from rnn2c.emit.kernels.lines import load, repeated, turn_of
from rnn2c.emit.kernels.paired import END, accumulators
from rnn2c.ir.program import Dot
from rnn2c.packing.pairs8 import Pair

COLUMN_BYTES = 4


@dataclass(frozen=True)
class Registers:
    """What holds two columns, weights and the row at hand; `end`: that of a loop, or where to
    read it from memory.
    """

    columns: tuple[str, str]
    weights: tuple[str, ...]
    row: str
    end: str


TWO_PAIRS = Registers(("r5", "r6"), ("r9", "r10", "r11", "r12"), "r7", "r8")
THREE_PAIRS = Registers(("r7", "r8"), ("r9", "r10", "r11"), "r12", "")


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    return paired.instructions(dot, types, _segment, high_round)


def high_round(total: str, multiplier: str) -> list[str]:
    """The upper half of the product, rounded with the highest bit of the lower one."""
    return [
        f"smull {multiplier}, {total}, {total}, {multiplier}",
        f"add {total}, {total}, {multiplier}, lsr #31",
    ]


def _segment(pairs: tuple[Pair, ...], size: int, turn: int, label: str) -> list[str]:
    """All columns: a loop of `turn` columns if it has two turns or more, and the rest."""
    size = -(-size // 2) * 2
    turn = turn_of(size, turn)
    if not turn:
        return _columns(pairs, size)
    registers = _registers(pairs)
    end = registers.end or registers.row
    lines = [f"add {end}, lr, #{(size - size % turn) * COLUMN_BYTES}"]
    if not registers.end:
        lines.append(f"str {end}, {END}")
    lines += [".balign 4", f"{label}:", *_columns(pairs, turn)]
    if not registers.end:
        lines.append(f"ldr {end}, {END}")
    return [*lines, f"cmp lr, {end}", f"bne {label}b", *_columns(pairs, size % turn)]


def _registers(pairs: tuple[Pair, ...]) -> Registers:
    return THREE_PAIRS if max(p.slot for p in pairs) == 2 else TWO_PAIRS


def _columns(pairs: tuple[Pair, ...], count: int) -> list[str]:
    """`count` columns, an even number, straight on."""
    registers = _registers(pairs)
    at_once = max(len(registers.weights) // len(pairs), 1)  # two columns each
    whole, rest = divmod(count // 2, at_once)
    some = _twos(pairs, registers, rest) if rest else []
    return repeated(_twos(pairs, registers, at_once), whole) + some


def _twos(pairs: tuple[Pair, ...], registers: Registers, count: int) -> list[str]:
    """`count` times two columns, whose weights are loaded at once."""
    weights = registers.weights[: count * len(pairs)]
    lines = [load("r1!", weights)]
    for k, w in enumerate(weights):
        if k % len(pairs) == 0:
            lines.append(load("lr!", registers.columns))
        held = accumulators(pairs[k % len(pairs)])
        lines += products(w, registers.columns, registers.row, *held)
    return lines


def products(w: str, columns: tuple[str, str], row: str, high: str, low: str) -> list[str]:
    """A word of weights: two rows, two columns; row: holds one of them."""
    first, second = columns
    return [
        f"sxtb {row}, {w}",
        f"mla {low}, {row}, {first}, {low}",
        f"sxtb {row}, {w}, ror #8",
        f"mla {high}, {row}, {first}, {high}",
        f"sxtb {row}, {w}, ror #16",
        f"mla {low}, {row}, {second}, {low}",
        f"asr {w}, {w}, #24",
        f"mla {high}, {w}, {second}, {high}",
    ]
