"""Kernels for cores with MVE and weights in the packing blocks16: a gather load takes the columns
of stored blocks, sixteen in all, loads with deinterleaving their weights by rows.

Accumulators and dense segments as in mve.py.  r1 runs over the words, r9 over those of a fifth and
sixth row, r7 over the places; r3 is a vector, r11 all of them, r5 how many blocks are left; q0 to
q3 hold places, then weights, q4 columns.
"""

from __future__ import annotations

from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.emit.kernels.lines import load
from rnn2c.emit.kernels.mve import COLUMNS_OF_TURN, FREE_AT_END, accumulator, columns_of, finish
from rnn2c.ir.program import Dot
from rnn2c.packing.blocks16 import FOUR, TURN_BYTES, is_stored
from rnn2c.packing.rows16 import Layout, Sum

FREE = ("r3", "r5", "r9")
"""They hold nothing when the blocks of a segment are done."""


def instructions(dot: Dot, types: tuple[str, ...], columns: int) -> list[str]:
    """The lines of a kernel for stored blocks of so many columns."""
    kernel = dot.kernel
    assert kernel is not None
    form = layout_of(dot, types, Layout)
    last = len(dot.segments) - 1
    lines = [
        "push {r3-r11, lr}",
        "vpush {d8-d9}",
        "mov r11, r2",
        "mov r7, r1",
        "ldrb r1, [r7], #1",
        "add r1, r1, r7",
    ]
    for k, segment in enumerate(dot.segments):
        lines.append(f"ldr r3, [r11, #{4 * k}]")
        beginning = [accumulator(s) for s in form.beginning(k)]
        lines += [load("r1!", beginning)] if beginning else []
        if is_stored(form, k):
            lines += _stored_blocks(form.of(k), columns, 2 * k + 1)
        else:
            turn = -(-kernel.turn // COLUMNS_OF_TURN)
            label = str(2 * k + 1)
            lines += columns_of(form.of(k), segment.size, types[k], "r3", turn, label)
        lines += finish(form, kernel, k, FREE_AT_END if k == last else FREE)
    return [*lines, "mov r0, r1", "vpop {d8-d9}", "pop {r3-r11, pc}"]


def _stored_blocks(sums: tuple[Sum, ...], columns: int, label: int) -> list[str]:
    """A loop over the stored blocks of a segment; all columns of a turn are TURN_BYTES."""
    at_once, bits = TURN_BYTES // columns, 8 * columns
    letter, power = ("w", 2) if columns == FOUR else ("h", 1)
    four, two = sums[:FOUR], sums[FOUR:]
    weights = "q0, q1, q2, q3"
    lines = [
        "ldrb r5, [r7], #1",
        *([f"add r9, r1, r5, lsl #{power + 2}"] if two else []),
        f"add lr, r5, #{at_once - 1}",
        f"lsr lr, lr, #{at_once.bit_length() - 1}",
        f"wls lr, lr, {label + 1}f",
        f"{label}:",
        f"vctp.{bits} r5",
        f"vldrb.u{bits} q0, [r7], #{at_once}",
        "vpst",
        f"vldr{letter}t.u{bits} q4, [r3, q0, uxtw #{power}]",
        *(f"vld4{k}.{bits} {{{weights}}}, [r1]" for k in range(3)),
        f"vld43.{bits} {{{weights}}}, [r1]!",
        f"sub r5, r5, #{at_once}",
        *(f"vmladava.s8 {accumulator(s)}, q4, q{k}" for k, s in enumerate(four)),
    ]
    if two:
        lines += [f"vld20.{bits} {{q0, q1}}, [r9]", f"vld21.{bits} {{q0, q1}}, [r9]!"]
        lines += [f"vmladava.s8 {accumulator(s)}, q4, q{k}" for k, s in enumerate(two)]
    lines += [f"le lr, {label}b", f"{label + 1}:", "add r7, r7, r5"]
    if two:
        return [*lines, f"add r1, r9, r5, lsl #{power + 1}"]
    return [*lines, f"add r1, r1, r5, lsl #{power + 2}"]
