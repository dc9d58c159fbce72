"""Lines of assembly, as GCC and Clang read them."""

from __future__ import annotations

from collections.abc import Sequence


def repeated(lines: list[str], times: int) -> list[str]:
    """The lines that many times, written once."""
    if times < 2:
        return lines * times
    return [f".rept {times}", *lines, ".endr"]


def load(source: str, registers: Sequence[str]) -> str:
    """The next words of a register that goes on ("r1!")."""
    if len(registers) == 1:
        return f"ldr {registers[0]}, [{source.removesuffix('!')}], #4"
    return f"ldmia {source}, {{{', '.join(registers)}}}"
