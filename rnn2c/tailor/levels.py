"""The fastest level whose program keeps within so many bytes of flash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rnn2c.budget import budget
from rnn2c.errors import Rnn2cError, TooLargeError
from rnn2c.ir.program import Program
from rnn2c.target import Level


def within_flash(
    at: Callable[[Level], Program], levels: Sequence[Level], level: Level, max_flash: int | None
) -> Program:
    """The program at this one of a target's levels or, where the bound of its flash is more than
    max_flash bytes, at the next smaller one; a note says what was passed over.  TooLargeError where
    none fits.
    """
    if max_flash is None:
        return at(level)
    if max_flash < 1:
        raise Rnn2cError(f"max_flash {max_flash}: give the bytes that the model may take")
    passed: list[str] = []
    for smaller in reversed(levels[: levels.index(level) + 1]):
        program = at(smaller)
        need = budget(program)
        if need.flash <= max_flash:
            said = (f"{text}, more than the {max_flash} allowed" for text in passed)
            return replace(program, notes=(*program.notes, *said)) if passed else program
        passed.append(f"level {smaller} needs up to {need.flash} bytes of flash")
    raise TooLargeError(
        f"{program.name}: {', '.join(passed)}; max_flash {max_flash} is too little for"
        f" {need.constants} bytes of constants and {need.code} of code: take a smaller model, or"
        " weights int4"
    )
