"""Kernels for AVR with 4-bit weights, two columns in a byte (packing/nibbles8.py).

The halves of a byte are w + 8; 8 times the sum of the vector, the same for all units, is what that
makes the sums too large: a total.
"""

from __future__ import annotations

from collections.abc import Sequence

from rnn2c.emit.kernels import avr
from rnn2c.emit.kernels.avr import FREE, SAVED, SUMS, VECTORS, Registers
from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.ir.program import Dot
from rnn2c.packing.bytes8 import TURN_WORDS
from rnn2c.packing.nibbles8 import Layout

Elements = tuple[tuple[str, ...], tuple[str, ...]]
"""The bytes of the elements of two columns, the lowest first."""

UP = 3
"""A total is the sum of a vector shifted by this."""


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product; types: the elements of the vectors."""
    form, kernel = layout_of(dot, types, Layout), dot.kernel
    assert kernel is not None
    r, narrow, wide = _registers(form)
    behind = (2 if kernel.shifted else form.octets) * len(dot.outs)
    sums: list[list[str]] = []
    for k, segment in enumerate(dot.segments):
        elements = wide if form.wide[k] else narrow
        total = (r.weight, r.element, narrow[0][0])[: form.octets]
        less = avr.less_total([r.sums[result] for result in segment.results], total, behind)
        columns = column_lines(form, k, segment.results, segment.size, kernel.turn, r, elements)
        sums.append([*less, *avr.vector(k), *columns])
        behind += avr.total_bytes(form.octets, kernel)
    return avr.of_unit(form, kernel, r, sums)


def _registers(form: Layout) -> tuple[Registers, Elements, Elements]:
    """Those of a kernel: weight: a byte of weights, element: one half of it; and where elements of
    8 and of 16 bits are.
    """
    names = iter(f"r{n}" for n in (*FREE, *SAVED))
    both, half, first, second = (next(names) for _ in range(4))
    lower = (next(names), next(names)) if any(form.wide) else ("", "")
    count = next(names)
    zero = next(names) if form.octets > 2 else ""
    slots = [tuple(next(names) for _ in range(form.octets)) for _ in range(1 + max(form.slots))]
    used = [*lower, count, zero, *(octet for slot in slots for octet in slot)]
    saved = tuple(name for name in used if name in {f"r{n}" for n in SAVED})
    sums = tuple(slots[slot] for slot in form.slots)
    r = Registers(both, half, "", "", count, sums, saved, zero)
    return r, ((first,), (second,)), ((lower[0], first), (lower[1], second))


def totals(dot: Dot, types: tuple[str, ...]) -> tuple[int, list[str]]:
    """Room for the totals of all vectors, and what computes them."""
    form, kernel = layout_of(dot, types, Layout), dot.kernel
    assert kernel is not None
    room = avr.total_bytes(form.octets, kernel)
    lines = [f"movw r30, r{SUMS}", f"movw r{VECTORS}, r22"]
    total = ("r18", "r19", "r22")
    for k, segment in enumerate(dot.segments):
        lines += [*avr.vector(k), f"ldi r24, {segment.size & 255}", f"ldi r25, {segment.size >> 8}"]
        lines += [*(f"clr {octet}" for octet in total), "1:"]
        lines += [*summed(form, k, total, "r23", "r1"), "sbiw r24, 1", "brne 1b", *raised(total)]
        lines += [f"st Z+, {octet}" for octet in (*total[: form.octets], "r1")[:room]]
    element = 2 if kernel.shifted else form.octets
    return len(dot.segments) * room // element, [*lines, "ret"]


def summed(
    form: Layout, segment: int, total: tuple[str, str, str], element: str, zero: str
) -> list[str]:
    """Adds the next element of a vector, as it is multiplied, to a total; `element`: a high
    register for it, r0 is anything.
    """
    low, middle, top = total
    if form.unsigned[segment]:
        lines = [f"ld {element}, X+", f"subi {element}, 0x80", f"add {low}, {element}"]
        return [*lines, f"adc {middle}, {zero}", f"adc {top}, {zero}"]
    if form.wide[segment]:
        lines = [f"ld {element}, X+", "ld r0, X+", f"add {low}, {element}", f"adc {middle}, r0"]
        return [*lines, f"adc {top}, {zero}", "sbrc r0, 7", f"dec {top}"]
    lines = [f"ld {element}, X+", f"mov r0, {element}", "lsl r0", "sbc r0, r0"]
    return [*lines, f"add {low}, {element}", f"adc {middle}, r0", f"adc {top}, r0"]


def raised(total: tuple[str, str, str]) -> list[str]:
    """What makes a total of the sum of a vector."""
    low, middle, top = total
    return [f"lsl {low}", f"rol {middle}", f"rol {top}"] * UP


def column_lines(
    form: Layout,
    k: int,
    results: Sequence[int],
    size: int,
    turn: int,
    r: Registers,
    elements: Elements,
) -> list[str]:
    """All columns of segment k: a loop over pairs, and the last column if their number is odd."""
    pair = _columns(form, k, results, r, elements)
    pairs = size // 2
    of_turn = min(max(TURN_WORDS[turn] // len(pair), -(-pairs // avr.MOST_TURNS), 1), pairs)
    lines = avr.looped(pair, pairs, of_turn, r) if pairs else []
    return [*lines, *(_columns(form, k, results, r, elements[:1]) if size % 2 else [])]


def _columns(
    form: Layout, k: int, results: Sequence[int], r: Registers, elements: Sequence[tuple[str, ...]]
) -> list[str]:
    """One column or two."""
    lines: list[str] = []
    for x in elements:
        lines += [f"ld {octet}, X+" for octet in x]
        lines += [f"subi {x[0]}, 0x80"] if form.unsigned[k] else []
    for result in results:
        lines.append(f"lpm {r.weight}, Z+")
        if len(elements) == 2:
            lines += [f"mov {r.element}, {r.weight}", f"andi {r.element}, 0x0f"]
            lines += _product(form.unsigned[k], r, result, r.element, elements[0])
            lines += [f"swap {r.weight}", f"andi {r.weight}, 0x0f"]
        lines += _product(form.unsigned[k], r, result, r.weight, elements[-1])
    return lines


def _product(
    unsigned: bool, r: Registers, result: int, weight: str, x: tuple[str, ...]
) -> list[str]:
    """Adds a weight times an element to a sum; signed products of 8 bits are of sums of 16."""
    first, second, *third = r.sums[result]
    is_byte = len(x) == 1
    multiply = f"mulsu {x[0]}, {weight}" if is_byte and not unsigned else f"mul {weight}, {x[0]}"
    lines = [multiply, f"add {first}, r0", f"adc {second}, r1"]
    lines += [f"adc {octet}, {r.zero}" for octet in third]
    if not is_byte:
        lines += [f"mulsu {x[1]}, {weight}", f"add {second}, r0"]
        lines += [f"adc {octet}, r1" for octet in third]
    return lines
