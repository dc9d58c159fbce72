"""What kernels with two rows in a halfword have in common (packings pairs8 and blocks8).

Registers of pairs8: accumulators, two for a pair of rows; r1 and lr run over weights and vector; of
the first vector it is r12, and lr has what r12 has else.
On the stack: the sums, the second vector or all of them, the end of a loop; it is left through
`pop`, into registers that hold nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.emit.kernels.lines import load
from rnn2c.ir.program import Dot, Kernel
from rnn2c.packing.pairs8 import Layout, Pair

ACCUMULATORS = ("r0", "r2", "r3", "r4", "r5", "r6")
FREE = ("r7", "r8", "r9", "r10", "r11", "r12")
"""They hold nothing when the columns of a segment are done."""

SUMS, VECTORS, END = "[sp, #0]", "[sp, #4]", "[sp, #8]"

Multiply = Callable[[str, str], list[str]]
"""sum, multiplier -> the lines that leave arith.high_round of both in the register of the sum."""


def instructions(
    dot: Dot,
    types: tuple[str, ...],
    segment: Callable[[tuple[Pair, ...], int, int, str], list[str]],
    multiply: Multiply,
) -> list[str]:
    """The lines of the kernel of a dot product in the packing pairs8.

    types: the elements of its vectors; segment(pairs, size, turn, label): all its columns.
    """
    kernel = dot.kernel
    form = layout_of(dot, types, Layout)
    assert kernel is not None
    parts: list[list[str]] = []
    for k, s in enumerate(dot.segments):
        lines = _vector(k, len(dot.segments))
        beginning = [a for p in form.pairs if p.first == k for a in accumulators(p)]
        lines += [load("r1!", beginning, wide=True)] if beginning else []
        lines += segment(form.of(k), s.size, kernel.turn, str(k + 1))
        lines += finish(form, kernel, k, accumulators, FREE, ("r1", "lr"), multiply)
        parts.append(lines)
    begin = ["ldrd r12, r2, [r2]" if len(parts) == 2 else "ldr r12, [r2]", "push {r0, r2-r11, lr}"]
    first = [_exchanged(line, "lr", "r12") for line in parts[0]]
    rest = [line for part in parts[1:] for line in part]
    return [*begin, *first, *rest, "mov r0, r1", "pop {r1-r11, pc}"]


def _exchanged(line: str, a: str, b: str) -> str:
    """The line with either of two registers where the other one was."""
    return re.sub(rf"\b({a}|{b})\b", lambda found: b if found[0] == a else a, line)


def accumulators(p: Pair) -> tuple[str, str]:
    """Those of the high and of the low row."""
    return ACCUMULATORS[2 * p.slot], ACCUMULATORS[2 * p.slot + 1]


def _by_halves(
    halved: Mapping[Pair, tuple[int, int]],
    holders: Callable[[Pair], tuple[str, str]],
    free: Sequence[str],
    pointers: tuple[str, str],
    multiply: Multiply,
) -> list[str]:
    """Requantize pairs with both multipliers in one word: masks take these out."""
    words, factor = pointers
    lines: list[str] = []
    for powers, group in groupby(halved, key=halved.__getitem__):
        least, most = sorted(powers)
        masks = {least: free[0]} | ({most: free[1]} if most != least else {})
        lines += [f"movw {free[0]}, #0xffff", f"lsl {free[0]}, {free[0]}, #{least}"]
        if most != least:
            lines.append(f"lsl {free[1]}, {free[0]}, #{most - least}")
        pairs, loaded = list(group), free[len(masks) :]
        for k in range(0, len(pairs), len(loaded)):
            batch = pairs[k : k + len(loaded)]
            lines.append(load(f"{words}!", loaded[: len(batch)]))
            for p, w in zip(batch, loaded, strict=False):
                (high, low), (of_high, of_low) = holders(p), (masks[n] for n in powers)
                lines += [
                    f"and {factor}, {of_high}, {w}, lsl #{powers[0]}",
                    *multiply(high, factor),
                    f"and {w}, {of_low}, {w}, lsr #{16 - powers[1]}",
                    *multiply(low, w),
                ]
    return lines


def smmulr(total: str, multiplier: str) -> list[str]:
    """high_round on cores with DSP."""
    return [f"smmulr {total}, {total}, {multiplier}"]


def _vector(index: int, count: int) -> list[str]:
    """lr points to a vector, as it does to the first one from the beginning."""
    if index == 0:
        return []
    if count == 2:
        return [f"ldr lr, {VECTORS}"]
    return [f"ldr lr, {VECTORS}", f"ldr lr, [lr, #{4 * index}]"]


def finish(
    form: Layout,
    kernel: Kernel,
    segment: int,
    holders: Callable[[Pair], tuple[str, str]],
    free: Sequence[str],
    pointers: tuple[str, str],
    multiply: Multiply,
    halved: Mapping[Pair, tuple[int, int]] | None = None,
) -> list[str]:
    """Take the pairs that end with a segment apart, requantize and store them.

    holders: the accumulators of a pair; free: registers for multipliers; pointers: to the words,
    and one that points to nothing any more; halved: pairs with both multipliers in one word, and
    the powers of two of both.
    """
    ending = [p for p in form.of(segment) if p.last == segment]
    if not ending:
        return []
    words, sums = pointers
    lines = []
    for p in ending if not form.apart else []:
        high, low = holders(p)
        lines.append(f"sub {high}, {high}, {low}")
        if not kernel.raised[p.high[0]][p.high[1]]:
            lines.append(f"asr {high}, {high}, #8")
    held = [a for p in ending for a in holders(p)]
    scaled = [a for (_, r), a in zip(form.ending(segment), held, strict=True) if r in kernel.scaled]
    if halved:
        lines += _by_halves(halved, holders, free, pointers, multiply)
        done = [a for p in halved for a in holders(p)]
        scaled = [a for a in scaled if a not in done]
    for k in range(0, len(scaled), len(free)):
        batch = scaled[k : k + len(free)]
        lines.append(load(f"{words}!", free[: len(batch)]))
        lines += [line for a, w in zip(batch, free, strict=False) for line in multiply(a, w)]
    lines.append(f"ldr {sums}, {SUMS}")
    if [p.slot for p in ending] == list(range(len(ending))) and ending[0].place == 0:
        return [*lines, f"stmia {sums}, {{{', '.join(held)}}}"]
    return lines + [
        f"strd {high}, {low}, [{sums}, #{4 * p.place}]"
        for p, (high, low) in ((p, holders(p)) for p in ending)
    ]
