"""Pointers of a stage on AVR, in pairs of registers or on the stack."""

from __future__ import annotations

Y = "r28"
MEMORY = "Y+"
"""The beginning of the name of a pointer on the stack."""


def stored(pointer: str, octets: tuple[str, ...]) -> list[str]:
    """Stores bytes where a pointer points to, which then points behind them."""
    if pointer == Y:
        return [f"st Y+, {o}" for o in octets]
    moves = moved("r30", pointer), moved(pointer, "r30")
    return [*moves[0], *(f"st Z+, {o}" for o in octets), *moves[1]]


def moved(to: str, pointer: str) -> list[str]:
    """A pointer becomes another one; one of both may be in memory."""
    if pointer.startswith(MEMORY):
        low, place = int(to.removeprefix("r")), int(pointer.removeprefix(MEMORY))
        return [f"ldd r{low}, Y+{place}", f"ldd r{low + 1}, Y+{place + 1}"]
    if to.startswith(MEMORY):
        low, place = int(pointer.removeprefix("r")), int(to.removeprefix(MEMORY))
        return [f"std Y+{place}, r{low}", f"std Y+{place + 1}, r{low + 1}"]
    return [f"movw {to}, {pointer}"]
