"""Kernels for 8-bit weights and vectors of 16 bits: weights in the packing pairs16.

A pair of rows has a sum of 64 bits, 256 * high + low, and one of 32, low.
"""

from __future__ import annotations

from rnn2c.emit.kernels import dsp_fours
from rnn2c.emit.kernels.dsp_fours import SUMS, Form, by_words, store
from rnn2c.emit.kernels.lines import load
from rnn2c.ir.program import Dot
from rnn2c.packing.fours import Layout, Pass

PAIRS = (("r0", "r2", "r3"), ("r4", "r5", "r6"))
"""The sum of 64 bits, its lower word first, and the low row."""
SCALES = ("r9", "r10", "r11", "r12")


def instructions(dot: Dot, _types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    products = by_words(("r9", "r10", "r11", "r12"), len(PAIRS), _word)
    return dsp_fours.instructions(dot, Form(("r7", "r8"), 1, _first, products, _last))


def _first(fresh: bool) -> list[str]:
    return [load("r1!", PAIRS[0] + PAIRS[1])]


def _word(w: str, x: str, begins: bool, pair: int) -> list[str]:
    lower, upper, low = PAIRS[pair]
    return [
        f"smlald {lower}, {upper}, {w}, {x}",
        f"sxtb16 {w}, {w}",
        f"smlad {low}, {w}, {x}, {low}",
    ]


def _last(dot: Dot, form: Layout, p: Pass, place: int) -> list[str]:
    """The high row is (sum >> 8) - (low >> 8), both rounded down, in 32 bits."""
    assert dot.kernel is not None
    lines = []
    for lower, upper, low in PAIRS:
        lines += [
            f"lsr {lower}, {lower}, #8",
            f"orr {lower}, {lower}, {upper}, lsl #24",
            f"sub {lower}, {lower}, {low}, asr #8",
        ]
    sums = tuple(register for lower, _, low in PAIRS for register in (lower, low))
    scaled = [a for a, (_, r) in zip(sums, p.rows, strict=True) if r in dot.kernel.scaled]
    if scaled:
        words = SCALES[: len(scaled)]
        lines.append(load("r1!", words))
        lines += [f"smmulr {a}, {a}, {w}" for a, w in zip(scaled, words, strict=True)]
    return [*lines, f"ldr lr, {SUMS}", *store(sums, place)]
