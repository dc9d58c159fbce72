"""Kernels for overlapped 4-bit weights: weights in the packing overlapped4.

A word of a row goes through four multiply-accumulates of two columns each, shifted up between them.
"""

from __future__ import annotations

from rnn2c.emit.kernels import dsp_fours
from rnn2c.emit.kernels.dsp_fours import SUMS, Form, store
from rnn2c.emit.kernels.lines import load
from rnn2c.ir.program import Dot
from rnn2c.packing.fours import Layout, Pass
from rnn2c.packing.overlapped4 import TURN

ROWS_OF = ("r0", "r2", "r3", "r4")
COLUMNS = ("r5", "r6", "r7", "r8")
WORDS = ("r9", "r10", "r11", "r12")
"""One of each row."""
ENDS, MASK, SCALE = COLUMNS, "r9", "r10"


def instructions(dot: Dot, _types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    form = Form(COLUMNS, TURN, _first, _products, _last)
    return dsp_fours.instructions(dot, lambda _: form)


def _first(fresh: bool) -> list[str]:
    return [] if fresh else [f"mov {register}, #0" for register in ROWS_OF]


def _products(columns: tuple[str, ...], begins: bool) -> list[str]:
    lines = [load("r1!", WORDS)]
    for total, w in zip(ROWS_OF, WORDS, strict=True):
        for k, x in enumerate(columns):
            lines += [f"lsl {w}, {w}, #4"] if k else []
            is_first = begins and not k
            lines.append(
                f"smuad {total}, {w}, {x}" if is_first else f"smlad {total}, {w}, {x}, {total}"
            )
    return lines


def _last(dot: Dot, form: Layout, p: Pass, place: int) -> list[str]:
    """The first values, and the multipliers in their lower halves."""
    kernel = dot.kernel
    assert kernel is not None
    lifted = dict(zip(kernel.scaled, kernel.lifted, strict=True))
    common = next((lifted[r] for _, r in p.rows if r in lifted), 0)
    lines = [load("r1!", ENDS), f"ldr lr, {SUMS}"]
    if any(r in lifted for _, r in p.rows):
        lines += [f"movw {MASK}, #0xffff", *([f"lsl {MASK}, {MASK}, #{common}"] if common else [])]
    for total, (_, r), end in zip(ROWS_OF, p.rows, ENDS, strict=True):
        lines.append(f"add {total}, {total}, {end}")
        if r in lifted:
            lines += [*_multiplier(end, lifted[r], common), f"smmulr {total}, {total}, {SCALE}"]
    return [*lines, *store(ROWS_OF, place)]


def _multiplier(end: str, lifted: int, common: int) -> list[str]:
    """The lower half, shifted up."""
    if lifted == common:
        return [f"and {SCALE}, {MASK}, {end}{f', lsl #{lifted}' if lifted else ''}"]
    return [f"uxth {SCALE}, {end}", f"lsl {SCALE}, {SCALE}, #{lifted}"]
