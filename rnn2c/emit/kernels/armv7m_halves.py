"""Kernels for Cortex-M3 and 4-bit weights: weights in the packing halves4, vectors of words.

r0 points to the sums, r1 and lr run over weights and vector; on the stack: the vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.emit.kernels import halves
from rnn2c.emit.kernels.armv7m import COLUMN_BYTES, high_round
from rnn2c.emit.kernels.halves import BEGIN, Group
from rnn2c.emit.kernels.lines import load
from rnn2c.ir.program import Dot
from rnn2c.packing.pairs8 import Pair

PARTIAL = ("r2", "r3", "r4")
HIGH, LOW = "r8", "r9"
"""They hold nothing behind a chunk."""
ROW, MASK, END = "r10", "r11", "r12"
FIRST = ("r5", "r6", "r7", "r8", "r9", "r10")
TOO_LARGE = ("r6", "r7")
SCALES = ("r5", "r10")


@dataclass(frozen=True)
class Registers:
    """What holds columns of the vector and words of weights, one for each pair."""

    columns: tuple[str, ...]
    weights: tuple[str, ...]


TWO_PAIRS = Registers(("r6", "r7", "r8", "r9"), ("r4", "r5"))
THREE_PAIRS = Registers(("r8", "r9"), ("r5", "r6", "r7"))


def instructions(dot: Dot, _types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    kernel, form = halves.form_of(dot)
    lines = ["push {r2, r4-r11, lr}", f"mov {MASK}, #0x000f000f"]
    for k, segment in enumerate(dot.segments):
        lines += ["ldr lr, [sp]", f"ldr lr, [lr, #{4 * k}]"] if k else ["ldr lr, [r2]"]
        beginning = [p for p in form.of(k) if p.first == k]
        if beginning:
            lines.append(load("r1!", FIRST[: 2 * len(beginning)]))
        for n, p in enumerate(beginning):
            lines.append(f"strd {FIRST[2 * n]}, {FIRST[2 * n + 1]}, [r0, #{4 * p.place}]")
            lines.append(f"mov {PARTIAL[p.slot]}, #{BEGIN}")
        turn, chunk = halves.TURNS * kernel.turn, kernel.chunks[k]
        lines += _segment(form.of(k), halves.groups(segment.size, turn, chunk), str(k + 1))
        lines += _finish(dot, [p for p in form.of(k) if p.last == k])
    return [*lines, "mov r0, r1", "pop {r2, r4-r11, pc}"]


def totals(dot: Dot, _types: tuple[str, ...]) -> tuple[int, list[str]]:
    """How many words there are behind the sums; the lines of the function that computes them."""
    sums, words = ("r4", "r5", "r6", "r7"), ("r2", "r3", "r8", "r9")
    lines = ["push {r4-r9, r12, lr}"]
    for k, (segment, total) in enumerate(zip(dot.segments, sums, strict=False)):
        turns, rest = divmod(segment.size, len(words))
        lines += [f"ldr lr, [r1, #{4 * k}]", f"mov {total}, #0"]
        if turns:
            lines += [
                f"add r12, lr, #{turns * len(words) * COLUMN_BYTES}",
                "1:",
                load("lr!", words),
                *(f"add {total}, {total}, {w}" for w in words),
                "cmp lr, r12",
                "bne 1b",
            ]
        lines += [load("lr!", words[:rest])] if rest else []
        lines += [f"add {total}, {total}, {w}" for w in words[:rest]]
    spans = halves.too_large(dot)
    for span, shift, begun in spans:
        first, *more = [sums[k] for k in span]
        lines += [f"mov r2, {first}", *(f"add r2, r2, {m}" for m in more)]
        lines += [f"lsl r2, r2, #{shift}", *_number("r3", begun), "add r3, r3, r2"]
        lines += ["stmia r0!, {r2, r3}"]
    return 2 * len(spans), [*lines, "pop {r4-r9, r12, pc}"]


def _number(register: str, value: int) -> list[str]:
    upper = [f"movt {register}, #{value >> 16}"] if value >> 16 else []
    return [f"movw {register}, #{value & 0xFFFF}", *upper]


def _segment(
    pairs: tuple[Pair, ...], groups: tuple[int, list[Group], list[Group]], label: str
) -> list[str]:
    """All columns: a loop, if there is one, and the rest."""
    turns, looped, rest = groups
    lines: list[str] = []
    if turns:
        size = turns * sum(g.columns for g in looped)
        lines += [f"add {END}, lr, #{size * COLUMN_BYTES}", ".balign 4", f"{label}:"]
        lines += _groups(pairs, looped)
        lines += [f"cmp lr, {END}", f"bne {label}b"]
    return lines + _groups(pairs, rest)


def _groups(pairs: tuple[Pair, ...], groups: list[Group]) -> list[str]:
    """Columns straight on."""
    registers = THREE_PAIRS if max(p.slot for p in pairs) == 2 else TWO_PAIRS
    weights = registers.weights[: len(pairs)]

    def product(k: int, x: int) -> list[str]:
        lines = []
        for w, p in zip(weights, pairs, strict=True):
            lines.append(f"and {ROW}, {MASK}, {w}{f', lsr #{4 * k}' if k else ''}")
            a = PARTIAL[p.slot]
            lines.append(f"mla {a}, {ROW}, {registers.columns[x]}, {a}")
        return lines

    lines: list[str] = []
    for g in groups:
        lines.append(load("r1!", weights))
        lines += halves.columns(
            g,
            len(registers.columns),
            lambda count: [load("lr!", registers.columns[:count])],
            product,
            [line for p in pairs for line in _flush(p)],
        )
    return lines


def _flush(p: Pair) -> list[str]:
    """The sums of a pair take the partial ones, which begin again."""
    partial, at = PARTIAL[p.slot], f"[r0, #{4 * p.place}]"
    return [
        f"ldrd {HIGH}, {LOW}, {at}",
        f"uxth {ROW}, {partial}",
        f"add {LOW}, {LOW}, {ROW}",
        f"add {HIGH}, {HIGH}, {partial}, asr #16",
        f"strd {HIGH}, {LOW}, {at}",
        f"mov {partial}, #{BEGIN}",
    ]


def _finish(dot: Dot, ending: list[Pair]) -> list[str]:
    """Make the sums of pairs that end here as large as they are, and requantize them."""
    kernel, _ = halves.form_of(dot)
    up = halves.up_of(kernel)
    lines: list[str] = []
    loaded = -1
    for p in ending:
        at = f"[r0, #{4 * p.place}]"
        if halves.behind(dot, p) != loaded:
            loaded = halves.behind(dot, p)
            lines.append(f"ldrd {TOO_LARGE[0]}, {TOO_LARGE[1]}, [r0, #{loaded}]")
        lines.append(f"ldrd {HIGH}, {LOW}, {at}")
        for total, too_large in zip((HIGH, LOW), TOO_LARGE, strict=True):
            lines.append(f"rsb {total}, {too_large}, {total}{f', lsl #{up}' if up else ''}")
        rows = ((HIGH, p.high), (LOW, p.low))
        scaled = [total for total, (_, r) in rows if r in kernel.scaled]
        if scaled:
            lines.append(load("r1!", SCALES[: len(scaled)]))
        for total, scale in zip(scaled, SCALES, strict=False):
            lines += high_round(total, scale)
        lines.append(f"strd {HIGH}, {LOW}, {at}")
    return lines
