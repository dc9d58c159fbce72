"""Kernels for 4-bit weights: weights in the packing quads4.

Three rows come out 8 times the sum of the vector too large.  These sums are computed once for all
blocks, by a function of their own, and stand behind the sums of a block: for every different span
of the passes 8 times the sum, raised like the results, and the mask of a multiplier.
"""

from __future__ import annotations

from rnn2c.emit.kernels import dsp_fours
from rnn2c.emit.kernels.dsp_fours import SUMS, Form, by_words, layout_of, store
from rnn2c.emit.kernels.lines import load
from rnn2c.ir.program import Dot, Kernel
from rnn2c.packing.fours import COLUMNS, Layout, Pass
from rnn2c.packing.quads4 import TURN

TOP, THIRD, SECOND, LOWEST = ROWS_OF = ("r0", "r2", "r3", "r4")
TOTAL, MASK = "r5", "r6"
ENDS = ("r7", "r8", "r9", "r10")
"""Multiplier and first value of each row."""
SCALE = "r11"

SEGMENTS = ("r4", "r5", "r6", "r7")
"""Sums of the vectors of the segments."""
WORDS = ("r8", "r9", "r10", "r11")
ONES = "r3"


def instructions(dot: Dot, _types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    products = by_words(("r9", "r10", "r11", "r12"), 1, _word)
    form = Form(("r5", "r6", "r7", "r8"), TURN, _first, products, _last)
    return dsp_fours.instructions(dot, lambda _: form)


def totals(dot: Dot, _types: tuple[str, ...]) -> tuple[int, list[str]]:
    """How many spans there are; the lines of the function that sums up their vectors, 8 times."""
    form = layout_of(dot)
    many = len(dot.segments)
    lines = ["push {r4-r11, lr}", f"mov {ONES}, #0x00010001"]
    for k, (segment, total) in enumerate(zip(dot.segments, SEGMENTS, strict=False)):
        pairs = segment.size // COLUMNS
        turns = pairs // len(WORDS)
        lines += [f"ldr lr, [r1, #{4 * k}]", f"mov {total}, #0"]
        whole = [load("lr!", WORDS), *(f"smlad {total}, {w}, {ONES}, {total}" for w in WORDS)]
        if turns:
            lines += [
                f"add r12, lr, #{4 * turns * len(WORDS)}",
                "1:",
                *whole,
                "cmp lr, r12",
                "bne 1b",
            ]
        rest = WORDS[: -(-segment.size // COLUMNS) - turns * len(WORDS)]
        lines += [load("lr!", rest)] if rest else []
        for n, w in enumerate(rest):
            is_half = segment.size % COLUMNS and n == len(rest) - 1
            lines.append(f"{'smlabb' if is_half else 'smlad'} {total}, {w}, {ONES}, {total}")
    assert many <= len(SEGMENTS)
    raised = _kernel(dot).raised[0][0]
    lines += [f"movw {ONES}, #0xffff", f"lsl {ONES}, {ONES}, #{_lifted(dot)}"]
    for span in form.spans:
        first, *more = [SEGMENTS[k] for k in span]
        lines += [f"mov r2, {first}", *(f"add r2, r2, {m}" for m in more)]
        lines += [f"lsl r2, r2, #{3 + raised}", f"stmia r0!, {{r2, {ONES}}}"]
    return 2 * len(form.spans), [*lines, "pop {r4-r11, pc}"]


def _first(fresh: bool) -> list[str]:
    return [] if fresh else [f"mov {register}, #0" for register in ROWS_OF]


def _word(w: str, x: str, begins: bool, k: int) -> list[str]:
    parts = ("", f"bic {w}, {w}, #0xf000f000", f"uxtb16 {w}, {w}", f"and {w}, {w}, #0x000f000f")
    lines = []
    for part, total in zip(parts, ROWS_OF, strict=True):
        lines += [part] if part else []
        lines.append(f"smuad {total}, {w}, {x}" if begins else f"smlad {total}, {w}, {x}, {total}")
    return lines


def _kernel(dot: Dot) -> Kernel:
    assert dot.kernel is not None
    return dot.kernel


def _lifted(dot: Dot) -> int:
    """How far the mask of multipliers is shifted up: like those of the first result."""
    return next(iter(_kernel(dot).lifted), 0)


def _last(dot: Dot, form: Layout, p: Pass, place: int) -> list[str]:
    """The differences of the sums, their first values, the multipliers."""
    up = _kernel(dot).raised[0][0]
    at = 4 * (form.units * form.results + 2 * form.spans.index(p.span))
    lines = [
        load("r1!", ENDS),
        f"ldr lr, {SUMS}",
        f"ldrd {TOTAL}, {MASK}, [lr, #{at}]",
        f"sub {TOP}, {TOP}, {THIRD}",
        f"asr {TOP}, {TOP}, #{12 - up}",
        f"sub {THIRD}, {THIRD}, {SECOND}",
        f"rsb {THIRD}, {TOTAL}, {THIRD}, asr #{8 - up}",
        f"sub {SECOND}, {SECOND}, {LOWEST}",
        f"rsb {SECOND}, {TOTAL}, {SECOND}{f', asr #{4 - up}' if up < 4 else ''}",
        f"rsb {LOWEST}, {TOTAL}, {LOWEST}{f', lsl #{up}' if up else ''}",
    ]
    for total, (_, r), end in zip(ROWS_OF, p.rows, ENDS, strict=True):
        lines.append(f"sxtah {total}, {total}, {end}")
        if r in _kernel(dot).scaled:
            lines += [*_multiplier(dot, r, end), f"smmulr {total}, {total}, {SCALE}"]
    return [*lines, *store(ROWS_OF, place)]


def _multiplier(dot: Dot, result: int, end: str) -> list[str]:
    """The multiplier of a row, shifted up."""
    kernel = _kernel(dot)
    lifted = kernel.lifted[kernel.scaled.index(result)]
    if lifted == _lifted(dot) < 16:
        return [f"and {SCALE}, {MASK}, {end}, lsr #{16 - lifted}"]
    return [f"lsr {SCALE}, {end}, #16", f"lsl {SCALE}, {SCALE}, #{lifted}"]
