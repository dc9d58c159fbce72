"""Lines of assembly, as GCC and Clang read them."""

from __future__ import annotations

from collections.abc import Sequence

from rnn2c.ir.program import Call

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


def load(source: str, registers: Sequence[str], wide: bool = False) -> str:
    """The next words of a register that goes on ("r1!").

    wide: in 4 bytes, on cores that can, so that a loop behind it is aligned without a nop.
    """
    if len(registers) == 1:
        return f"ldr {registers[0]}, [{source.removesuffix('!')}], #4"
    return f"ldmia{'.w' if wide else ''} {source}, {{{', '.join(registers)}}}"


def saturation(call: Call) -> tuple[int, int, str, str] | None:
    """Of a call that saturates to a given number of bits: those bits, the shift before it, the type
    of the result, the end of the name of a function that does just that.  None: it does not.
    """
    match call.primitive, call.arguments[1:]:
        case "clamp", (int(lo), int(hi)) if hi > 0 and (lo, hi) == (~hi, hi) and hi & (hi + 1) == 0:
            bits = hi.bit_length() + 1
            return bits, 0, "int32_t", f"_to_{bits}_bits"
        case "shift_sat", (int(shift), int(bits)):
            return bits, shift, "int16_t", f"_{shift}_{bits}"
    return None
