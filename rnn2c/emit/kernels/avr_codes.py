"""Kernels for AVR with ternary weights in two bits each (packing/codes8.py).

Of each column there are two numbers, x + H and H - 1 - x; a bit of the code lets the addition of
one of them pass.  An element that is not added leaves no carry, because sums only grow.  Behind a
segment its sums are multiplied by the magnitudes of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from rnn2c.emit.kernels import avr
from rnn2c.emit.kernels.avr import FREE, SAVED, Registers
from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.ir.program import Dot
from rnn2c.packing.bytes8 import TURN_WORDS
from rnn2c.packing.codes8 import IN_BYTE, Layout, group

PRODUCT = ("r26", "r27")
"""X, which is of no use behind a segment."""


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product; types: the elements of the vectors."""
    form, kernel = layout_of(dot, types, Layout), dot.kernel
    assert kernel is not None
    r, lower = _registers(form)
    sums = []
    for k, segment in enumerate(dot.segments):
        lines = column_lines(form, k, segment.results, segment.size, kernel.turn, r, lower)
        sums.append([*avr.vector(k), *lines, *row_lines(form, k, segment.results, r)])
    return avr.of_unit(form, kernel, r, sums)


def _registers(form: Layout) -> tuple[Registers, tuple[str, str]]:
    """Those of a kernel: element and high are the upper bytes of both numbers; and the lower ones,
    of elements of 16 bits.
    """
    names = iter(f"r{n}" for n in (*FREE, *SAVED))
    both, first, second, count = (next(names) for _ in range(4))
    lower = (next(names), next(names)) if any(form.wide) else ("", "")
    zero = next(names)
    sums = tuple(tuple(next(names) for _ in range(form.octets)) for _ in form.spans)
    used = [*lower, zero, *(octet for octets in sums for octet in octets)]
    saved = tuple(name for name in used if name in {f"r{n}" for n in SAVED})
    return Registers(both, first, second, "", count, sums, saved, zero), lower


def column_lines(
    form: Layout,
    k: int,
    results: Sequence[int],
    size: int,
    turn: int,
    r: Registers,
    lower: tuple[str, str],
    raised: bool = False,
) -> list[str]:
    """All columns of segment k; lower: the lower bytes of both numbers of an element of 16 bits;
    raised: whether elements are x + 128 already.
    """
    octets = form.octets if form.wide[k] else 2
    cleared = [f"clr {octet}" for result in results for octet in r.sums[result][:octets]]
    of_group = group(len(results))
    whole = _columns(form, k, results, of_group, r, lower)
    groups, rest = divmod(size, of_group)
    at_once = min(max(TURN_WORDS[turn] // len(whole), -(-groups // avr.MOST_TURNS), 1), groups)
    lines = avr.looped(whole, groups, at_once, r) if groups else []
    lines += _columns(form, k, results, rest, r, lower)
    return [*cleared, *(line for line in lines if not (raised and line.startswith("subi")))]


def row_lines(form: Layout, k: int, results: Sequence[int], r: Registers) -> list[str]:
    """What becomes of the rows of segment k behind its columns."""
    return [line for result in form.order(k, results) for line in _multiplied(form, k, result, r)]


def _columns(
    form: Layout, k: int, results: Sequence[int], count: int, r: Registers, lower: tuple[str, str]
) -> list[str]:
    """So many columns, whose codes begin with a byte."""
    lines: list[str] = []
    for number in range(count):
        lines += _numbers(form.wide[k], r, lower)
        for place, result in enumerate(results, number * len(results)):
            lines += [f"lpm {r.weight}, Z+"] if place % IN_BYTE == 0 else []
            lines += _added(form.wide[k], 2 * (place % IN_BYTE), r, result, lower)
    return lines


def _numbers(wide: bool, r: Registers, lower: tuple[str, str]) -> list[str]:
    """Both numbers of the next element; they leave no carry."""
    first, second = lower
    lines = [f"ld {first}, X+", f"mov {second}, {first}", f"com {second}"] if wide else []
    lines += [f"ld {r.element}, X+", f"subi {r.element}, 0x80"]
    return [*lines, f"ldi {r.high}, 255", f"sub {r.high}, {r.element}"]


def _added(wide: bool, bit: int, r: Registers, result: int, lower: tuple[str, str]) -> list[str]:
    """One of both numbers, or none, added to a sum."""
    low, high, *top = r.sums[result]
    upper = (r.element, r.high)
    skips = [f"sbrc {r.weight}, {bit}", f"sbrc {r.weight}, {bit + 1}"]
    if not wide:
        added = [f"add {low}, {number}" for number in upper]
        return [skips[0], added[0], skips[1], added[1], f"adc {high}, {r.zero}"]
    lines = []
    for operation, octet, numbers in (("add", low, lower), ("adc", high, upper)):
        for skip, number in zip(skips, numbers, strict=True):
            lines += [skip, f"{operation} {octet}, {number}"]
    return lines + [f"adc {octet}, {r.zero}" for octet in top]


def _multiplied(form: Layout, k: int, result: int, r: Registers) -> list[str]:
    """A row of a segment times its magnitude, added to its first value or to what it was before."""
    octets = r.sums[result]
    product = (*PRODUCT, r.element)[: form.octets]
    lines = [f"lpm {r.weight}, Z+", f"mul {octets[0]}, {r.weight}", f"movw {PRODUCT[0]}, r0"]
    lines += [f"clr {top}" for top in product[2:]]
    lines += [f"mul {octets[1]}, {r.weight}", f"add {product[1]}, r0"]
    lines += [f"adc {top}, r1" for top in product[2:]]
    if form.octets > 2 and form.wide[k]:
        lines += [f"mul {octets[2]}, {r.weight}", f"add {product[2]}, r0"]
    for number, octet in enumerate(product):
        lines.append(f"lpm {r.high}, Z+" if form.begins(k, result) else f"pop {r.high}")
        lines.append(f"{'adc' if number else 'add'} {octet}, {r.high}")
    if form.goes_on(k, result):
        return [*lines, *(f"push {octet}" for octet in product[::-1])]
    return [*lines, *(f"mov {a}, {b}" for a, b in zip(octets, product, strict=True))]
