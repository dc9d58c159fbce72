"""Kernels for Cortex-M0, M0+ and 4-bit weights: weights in the packing halves4, vectors of words.

r0 and r1 run over weights and vector; what takes no part in a product is in high registers.  On the
stack: the vectors, the end of a loop.
"""

from __future__ import annotations

from rnn2c.emit.kernels import armv6m, halves
from rnn2c.emit.kernels.armv6m import COLUMN_BYTES, END_OF_KERNEL, NEAR, constant
from rnn2c.emit.kernels.halves import Group
from rnn2c.ir.program import Dot
from rnn2c.packing.pairs8 import Pair

PARTIAL = ("r8", "r9", "r10")
BEGIN, SUMS, KEPT_MASK = "r11", "r12", "lr"
COLUMN, ROW, MASK = "r2", "r6", "r7"
WEIGHTS = ("r3", "r4", "r5")
VECTORS, END = "[sp, #0]", "[sp, #4]"

BEGIN_OF_KERNEL = (
    *armv6m.BEGIN,
    "sub sp, #12",
    f"str r2, {VECTORS}",
    f"mov {SUMS}, r0",
    "mov r0, r1",
    f"movs {ROW}, #15",
    f"lsls {MASK}, {ROW}, #16",
    f"adds {MASK}, {MASK}, {ROW}",
    f"mov {KEPT_MASK}, {MASK}",
    *constant(ROW, halves.BEGIN),
    f"mov {BEGIN}, {ROW}",
)


def instructions(dot: Dot, _types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    kernel, form = halves.form_of(dot)
    lines = [*BEGIN_OF_KERNEL]
    for k, segment in enumerate(dot.segments):
        for p in (p for p in form.of(k) if p.first == k):
            lines += ["ldmia r0!, {r3, r4}", f"mov {COLUMN}, {SUMS}"]
            lines += [f"str r3, [{COLUMN}, #{4 * p.place}]"]
            lines += [f"str r4, [{COLUMN}, #{4 * p.place + 4}]", f"mov {PARTIAL[p.slot]}, {BEGIN}"]
        lines += [f"ldr r1, {VECTORS}", f"ldr r1, [r1, #{4 * k}]"]
        turn, chunk = halves.TURNS * kernel.turn, kernel.chunks[k]
        lines += _segment(form.of(k), halves.groups(segment.size, turn, chunk), k + 1)
        lines += _finish(dot, [p for p in form.of(k) if p.last == k])
    return [*lines, *END_OF_KERNEL]


def totals(dot: Dot, _types: tuple[str, ...]) -> tuple[int, list[str]]:
    """How many words there are behind the sums; the lines of the function that computes them."""
    sums = ("r4", "r5", "r6", "r7")
    lines = [".syntax unified", "push {r4-r7, lr}"]
    for k, (segment, total) in enumerate(zip(dot.segments, sums, strict=False)):
        lines += [f"ldr r2, [r1, #{4 * k}]", f"movs {total}, #0"]
        lines += [*constant("r3", segment.size * COLUMN_BYTES), "adds r3, r3, r2", "mov r12, r3"]
        lines += ["1:", "ldmia r2!, {r3}", f"adds {total}, {total}, r3", "cmp r2, r12", "bne 1b"]
    spans = halves.too_large(dot)
    for span, shift, begun in spans:
        first, *more = [sums[k] for k in span]
        lines += [f"movs r2, {first}", *(f"adds r2, r2, {m}" for m in more)]
        lines += [f"lsls r2, r2, #{shift}", *constant("r3", begun // halves.BEGIN)]
        lines += [f"lsls r3, r3, #{halves.BEGIN.bit_length() - 1}"]
        lines += ["adds r3, r3, r2", "stmia r0!, {r2, r3}"]
    return 2 * len(spans), [*lines, "pop {r4-r7, pc}"]


def _segment(
    pairs: tuple[Pair, ...], groups: tuple[int, list[Group], list[Group]], label: int
) -> list[str]:
    """All columns: a loop, if there is one, and the rest."""
    turns, looped, rest = groups
    lines: list[str] = []
    if turns:
        body = _groups(pairs, looped)
        is_near = len(body) <= NEAR
        back = [f"bne {label}b"] if is_near else [f"beq {label}f", f"b {label}b", f"{label}:"]
        size = turns * sum(g.columns for g in looped)
        lines += constant(ROW, size * COLUMN_BYTES)
        lines += [f"adds {ROW}, {ROW}, r1", f"str {ROW}, {END}"]
        lines += [f"{label}:", *body, f"ldr {ROW}, {END}", f"cmp r1, {ROW}", *back]
    return lines + _groups(pairs, rest)


def _groups(pairs: tuple[Pair, ...], groups: list[Group]) -> list[str]:
    """Columns straight on."""
    weights = WEIGHTS[: len(pairs)]

    def product(k: int, _: int) -> list[str]:
        lines = []
        for w, p in zip(weights, pairs, strict=True):
            lines.append(f"lsrs {ROW}, {w}, #{4 * k}" if k else f"movs {ROW}, {w}")
            lines += [f"ands {ROW}, {ROW}, {MASK}", f"muls {ROW}, {COLUMN}, {ROW}"]
            lines.append(f"add {PARTIAL[p.slot]}, {ROW}")
        return lines

    def column(_: int) -> list[str]:
        return [f"ldmia r1!, {{{COLUMN}}}"]

    flushes = [line for p in pairs for line in _flush(p)]
    flush = [f"mov {COLUMN}, {SUMS}", *flushes, f"mov {MASK}, {KEPT_MASK}"]
    lines: list[str] = []
    for g in groups:
        lines.append(f"ldmia r0!, {{{', '.join(weights)}}}")
        lines += halves.columns(g, 1, column, product, flush)
    return lines


def _flush(p: Pair) -> list[str]:
    """The sums of a pair, to which COLUMN points, take the partial ones, which begin again."""
    lines = []
    for at, half in ((p.place, f"asrs {ROW}, {ROW}, #16"), (p.place + 1, f"uxth {ROW}, {ROW}")):
        lines += [f"ldr {MASK}, [{COLUMN}, #{4 * at}]", f"mov {ROW}, {PARTIAL[p.slot]}", half]
        lines += [f"adds {MASK}, {MASK}, {ROW}", f"str {MASK}, [{COLUMN}, #{4 * at}]"]
    return [*lines, f"mov {PARTIAL[p.slot]}, {BEGIN}"]


def _finish(dot: Dot, ending: list[Pair]) -> list[str]:
    """Make the sums of pairs that end here as large as they are."""
    lines = [f"mov {COLUMN}, {SUMS}"] if ending else []
    for p in ending:
        for k in (0, 1):
            at = f"[{COLUMN}, #{4 * (p.place + k)}]"
            lines += [f"ldr r3, {at}", f"ldr r4, [{COLUMN}, #{halves.behind(dot, p) + 4 * k}]"]
            lines += ["subs r3, r3, r4", f"str r3, {at}"]
    return lines
