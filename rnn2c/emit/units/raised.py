"""Vectors of a stage whose elements are left 128 larger, so that no unit has to raise them."""

from __future__ import annotations

from collections.abc import Iterable

from rnn2c.emit.kernels import avr
from rnn2c.emit.units.bank import UnfitError
from rnn2c.ir.ops import uses
from rnn2c.ir.program import Dot, Program

ELEMENT, COUNT = "r18", "r19"

TURN = 8
"""Elements of a turn."""


def left_raised(program: Program, dot: Dot, segments: Iterable[int]) -> set[int]:
    """Those of the segments whose vectors are old states, which nothing else reads."""
    all_uses = [u for stage in program.operations() for u in uses(stage)]
    found = set()
    for k in segments:
        segment = dot.segments[k]
        b = program.buffer[segment.vector]
        is_old = b.role == "state" and b.twice and not segment.new
        if is_old and all_uses.count((b.name, False)) == 1:
            found.add(k)
    return found


def raising(size: int) -> list[str]:
    """Makes so many elements, the first one at X, 128 larger."""
    if size > avr.MOST_TURNS * TURN:
        raise UnfitError
    r = avr.Registers(COUNT, ELEMENT, "", "", COUNT, (), ())
    one = [f"ld {ELEMENT}, X", f"subi {ELEMENT}, 0x80", f"st X+, {ELEMENT}"]
    return avr.looped(one, size, min(size, TURN), r)
