"""Kernels for Cortex-M0 and M0+ (ARMv6-M) and weights in the packings blocks8.

Accumulators and words as in armv6m.py; r1 runs over the places of the stored blocks.  On the
stack: the sums, the vector, all vectors, the places meanwhile, where a block's columns go on.
"""

from __future__ import annotations

from rnn2c.emit.kernels.armv6m import (
    BEGIN,
    COLUMN_BYTES,
    FIRST,
    FREE,
    RESTORE,
    SECOND,
    VECTORS,
    WEIGHTS,
    constant,
    finish,
    first_values,
    products,
)
from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.ir.program import Dot
from rnn2c.packing.pairs8 import Layout, Pair

VECTOR, PLACES, COLUMNS = "[sp, #4]", "[sp, #12]", "[sp, #16]"
PLACE = WEIGHTS[2]
"""Of two pairs: it holds the place of a block, then where its columns are; FREE has the vector."""


def instructions(dot: Dot, types: tuple[str, ...], columns: int) -> list[str]:
    """The lines of a kernel for stored blocks of so many columns."""
    form = layout_of(dot, types, Layout)
    block_bytes = COLUMN_BYTES * columns
    lines = [*BEGIN, "push {r0-r4}", "ldrb r0, [r1]", "adds r1, #1", "adds r0, r0, r1"]
    last = len(dot.segments) - 1
    for k in range(last + 1):
        pairs = form.of(k)
        lines += _vector(pairs, k, block_bytes)
        lines += first_values([p for p in form.pairs if p.first == k])
        lines += _stored_blocks(pairs, form.apart, columns, 2 * k + 1)
        ending = finish([p for p in pairs if p.last == k], form.apart)
        if ending and k != last:
            ending = [f"str r1, {PLACES}", *ending, f"ldr r1, {PLACES}"]
        lines += ending
    return [*lines, "add sp, #20", *RESTORE]


def _are_two(pairs: tuple[Pair, ...]) -> bool:
    return len(WEIGHTS) > max(p.slot for p in pairs) + 1


def _vector(pairs: tuple[Pair, ...], index: int, block_bytes: int) -> list[str]:
    """Where a block of the vector would be that stood before the first one."""
    lines = [f"ldr r2, {VECTORS}", *constant("r3", COLUMN_BYTES * index), "ldr r2, [r2, r3]"]
    if index == 0:
        lines = ["ldr r2, [r2]"]
    kept = f"mov {FREE}, r2" if _are_two(pairs) else f"str r2, {VECTOR}"
    return [*lines, f"subs r2, #{block_bytes}", kept]


def _stored_blocks(pairs: tuple[Pair, ...], apart: bool, columns: int, label: int) -> list[str]:
    """A loop over the stored blocks of a segment."""
    place = PLACE if _are_two(pairs) else FIRST
    block = _of_two if _are_two(pairs) else _of_three
    return [
        f"b {label + 1}f",
        f"{label}:",
        *block(pairs, apart, columns),
        f"{label + 1}:",
        f"ldrb {place}, [r1]",
        "adds r1, #1",
        f"lsls {place}, {place}, #{(COLUMN_BYTES * columns).bit_length() - 1}",
        f"bne {label}b",
    ]


def _of_two(pairs: tuple[Pair, ...], apart: bool, columns: int) -> list[str]:
    """A block of up to two pairs, its place in bytes in PLACE."""
    two = [f"ldmia {PLACE}!, {{{FIRST}, {SECOND}}}", *products(pairs, apart)]
    return [f"add {PLACE}, {FREE}", *two * (columns // 2)]


def _of_three(pairs: tuple[Pair, ...], apart: bool, columns: int) -> list[str]:
    """A block of up to three pairs, its place in bytes in FIRST."""
    begin = [f"ldr {SECOND}, {VECTOR}", f"add {FIRST}, {SECOND}"]
    two = [f"ldmia {FIRST}, {{{FIRST}, {SECOND}}}", *products(pairs, apart)]
    if columns == 2:
        return begin + two
    more = [f"ldr {FIRST}, {COLUMNS}", f"adds {FIRST}, #{2 * COLUMN_BYTES}"]
    return [*begin, f"str {FIRST}, {COLUMNS}", *two, *more, *two]
