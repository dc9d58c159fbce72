"""Lines of assembly, as GCC and Clang read them."""

from __future__ import annotations

from collections.abc import Sequence

SHORT = 16
"""Columns that are few for a loop."""


def repeated(lines: list[str], times: int) -> list[str]:
    """The lines that many times, written once."""
    if times < 2:
        return lines * times
    return [f".rept {times}", *lines, ".endr"]


def turn_of(size: int, turn: int) -> int:
    """Columns of one turn of a loop over `size` columns, at least two turns; 0: there is none.

    Where a few columns would leave some behind the loop, a turn has half of them.
    """
    if 0 < turn < size < SHORT and size % turn:
        turn //= 2
    return turn if turn and size >= 2 * turn else 0


def load(source: str, registers: Sequence[str]) -> str:
    """The next words of a register that goes on ("r1!")."""
    if len(registers) == 1:
        return f"ldr {registers[0]}, [{source.removesuffix('!')}], #4"
    return f"ldmia {source}, {{{', '.join(registers)}}}"
