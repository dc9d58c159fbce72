"""Kernels for 8-bit weights and vectors of 16 bits: weights in the packing pairs16.

A pair of rows has a sum of 64 bits, 256 * high + low, and one of 32, low.  Rows of few columns have
one of 32 bits each.
"""

from __future__ import annotations

from rnn2c.emit.kernels import dsp_fours
from rnn2c.emit.kernels.dsp_fours import SUMS, Form, by_words, step, store
from rnn2c.emit.kernels.lines import load
from rnn2c.ir.program import Dot
from rnn2c.packing.fours import ROWS, Layout, Pass
from rnn2c.packing.pairs16 import are_plain

PAIRS = (("r0", "r2", "r3"), ("r4", "r5", "r6"))
"""The sum of 64 bits, its lower word first, and the low row."""
SUMS_OF = ("r0", "r3", "r4", "r6")
"""The sums of the rows, where they have 32 bits."""
COLUMNS, WORDS = ("r7", "r8"), ("r9", "r10", "r11", "r12")
EARLIER = ("r2", "r5", "r7", "r8")
"""Results of another pass, to be added."""


def instructions(dot: Dot, _types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    paired = Form(COLUMNS, 1, _first, by_words(WORDS, len(PAIRS), _word), _last)
    plain = Form(COLUMNS, 1, _first_plain, by_words(WORDS, ROWS, _word_plain), _finish)
    sizes = tuple(s.size for s in dot.segments)
    return dsp_fours.instructions(dot, lambda p: plain if are_plain(p, sizes) else paired)


def _first_plain(_fresh: bool) -> list[str]:
    return [load("r1!", SUMS_OF)]


def _word_plain(w: str, x: str, _begins: bool, row: int) -> list[str]:
    return [f"smlad {SUMS_OF[row]}, {w}, {x}, {SUMS_OF[row]}"]


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
    lines = []
    for lower, upper, low in PAIRS:
        lines += [
            f"lsr {lower}, {lower}, #8",
            f"orr {lower}, {lower}, {upper}, lsl #24",
            f"sub {lower}, {lower}, {low}, asr #8",
        ]
    return [*lines, *_finish(dot, form, p, place)]


def _finish(dot: Dot, form: Layout, p: Pass, place: int) -> list[str]:
    """Requantize the sums, add results of the other pass to them, store them."""
    assert dot.kernel is not None
    lines, loaded = [], f"ldr lr, {SUMS}"
    joined, results = dict(dot.kernel.joined), [r for _, r in p.rows]
    scaled = [(a, r) for a, r in zip(SUMS_OF, results, strict=True) if r in dot.kernel.scaled]
    if scaled:
        lines.append(load("r1!", WORDS[: len(scaled)]))
    if not joined.keys().isdisjoint(results):
        other = ROWS * form.other(place // ROWS)
        lines += [loaded, *step(other), load("lr!", EARLIER)]
        loaded, place = "", place - other - ROWS
    earlier = dict(zip(SUMS_OF, EARLIER, strict=True))
    for (a, r), w in zip(scaled, WORDS, strict=False):
        joins = r in joined
        lines.append(f"smmlar {a}, {a}, {w}, {earlier[a]}" if joins else f"smmulr {a}, {a}, {w}")
    return [*lines, *filter(None, [loaded]), *store(SUMS_OF, place)]
