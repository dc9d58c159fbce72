"""Lines of assembly, as GCC and Clang read them."""

from __future__ import annotations


def repeated(lines: list[str], times: int) -> list[str]:
    """The lines that many times, written once."""
    if times < 2:
        return lines * times
    return [f".rept {times}", *lines, ".endr"]
