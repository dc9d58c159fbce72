"""Kernels for AVR with ternary weights in their instructions: straight code for every unit.

A column is a load, and an addition or a subtraction for every weight that is not zero; a row is
multiplied once in a segment: see packing/signs8.py.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from rnn2c.emit.kernels import avr, avr_immediate
from rnn2c.emit.kernels.avr_immediate import ELEMENT, HIGH, ZERO, registers
from rnn2c.ir.program import Dot
from rnn2c.packing import signs8
from rnn2c.packing.blocks import Content
from rnn2c.packing.immediate8 import HALF
from rnn2c.packing.signs8 import Layout, Row, Segment, Unit

KEPT = (("r22", "r23"), ("r30", "r31"), ("r16", "r17"))
"""Where the two lower bytes of sums are until they go on in another segment."""

LAST = {2: ("r19", "r21"), 3: ("r14", "r15")}
"""Bytes of a sum -> those of the fourth one.  Segments behind the first one have elements of 8
bits, and sums of 2 bytes begin with 0, so that nothing else needs r19.
"""

PRODUCT = ("r26", "r27")
"""X, which is of no use behind a segment."""

SAVED = {2: ("r16", "r17"), 3: ("r14", "r15", "r16", "r17")}
"""Bytes of a sum -> what a function has to give back as it was, besides the sums."""


def instructions(dot: Dot, types: tuple[str, ...], of: Content) -> list[str]:
    """The lines of the kernel of a dot product; types: the elements of the vectors."""
    form = signs8.layout(len(dot.outs), of.segments, types, avr.OCTETS[dot.width])
    assert form is not None
    vectors = avr_immediate.vectors(len(of.segments))
    codes = [sums_of(form, unit, vectors) for unit in signs8.units(form, of)]
    return avr_immediate.of_units(dot, codes, SAVED[form.octets], constants())


def constants() -> list[str]:
    """What registers hold all the time."""
    return [f"clr {ZERO}"]


def sums_of(
    form: Layout, unit: Unit, vectors: Sequence[list[str]], raised: Container[int] = ()
) -> list[str]:
    """The sums of one unit; vectors: what makes X the address of each; raised: the segments whose
    elements are raised already.
    """
    lines: list[str] = []
    for segment in unit.segments:
        for row in segment.rows:
            lines += _begun(_signs(form, segment, row), row.start)
        lines += vectors[segment.number]
        passed, wide = 0, form.wide[segment.number]
        for added, subtracted in segment.columns:
            if not added + subtracted:
                passed += 1 + wide
                continue
            lines += avr.add(passed) if passed else []
            column = _column(form, segment, added, subtracted)
            is_raised = segment.number in raised
            lines += [line for line in column if not (is_raised and line.startswith("subi"))]
            passed = 0
        for row in segment.rows:
            lines += _multiplied(form, segment, row, unit.first[row.result])
    for result in unit.alone:
        lines += _begun(registers(form.octets, result), unit.first[result])
    return lines


def _signs(form: Layout, segment: Segment, row: Row) -> tuple[str, ...]:
    """Where the signed elements of a row are added up; the third byte is needed for wide ones."""
    octets = registers(form.octets, row.result)
    return octets if form.wide[segment.number] else octets[:2]


def _kept(form: Layout, result: int) -> tuple[str, str]:
    return (*KEPT, LAST[form.octets])[result]


def _begun(octets: Sequence[str], value: int) -> list[str]:
    """A sum begins with a value."""
    if not value:
        return [f"clr {octet}" for octet in octets]
    low, high, top = ((value >> (8 * k)) & 255 for k in range(3))
    lines = [f"ldi {ELEMENT}, {low}", f"ldi {HIGH}, {high}", f"movw {octets[0]}, {ELEMENT}"]
    return lines + [
        line for o in octets[2:] for line in (f"ldi {ELEMENT}, {top}", f"mov {o}, {ELEMENT}")
    ]


def _column(
    form: Layout, segment: Segment, added: Sequence[int], subtracted: Sequence[int]
) -> list[str]:
    """One element, added to some rows and subtracted from others."""
    wide = form.wide[segment.number]
    lines = [f"ld {ELEMENT}, X+", *([f"ld {HIGH}, X+"] if wide else [])]
    lines += [f"subi {HIGH if wide else ELEMENT}, {HALF}"] if form.half(segment.number) else []
    for results, first, then in ((added, "add", "adc"), (subtracted, "sub", "sbc")):
        for result in results:
            low, high, *top = registers(form.octets, result)
            lines += [f"{first} {low}, {ELEMENT}", f"{then} {high}, {HIGH if wide else ZERO}"]
            lines += [f"{then} {octet}, {ZERO}" for octet in top if wide]
    return lines


def _multiplied(form: Layout, segment: Segment, row: Row, first: int) -> list[str]:
    """The signed elements of a row, times its magnitude, more than what it was before or, if it was
    not, than its first value.
    """
    low, high, *top = registers(form.octets, row.result)
    lines = [f"ldi {ELEMENT}, {row.magnitude}", f"mul {low}, {ELEMENT}", f"movw {PRODUCT[0]}, r0"]
    upper = "r1"
    if not top:
        lines += [f"mul {high}, {ELEMENT}", f"add {PRODUCT[1]}, r0"]
    elif form.wide[segment.number]:
        upper = HIGH
        lines += [f"clr {HIGH}", f"mul {high}, {ELEMENT}", f"add {PRODUCT[1]}, r0"]
        lines += [f"adc {HIGH}, r1", f"mul {top[0]}, {ELEMENT}", f"add {HIGH}, r0"]
    else:
        lines += [f"mov {HIGH}, {high}", f"mulsu {HIGH}, {ELEMENT}", f"add {PRODUCT[1]}, r0"]
        lines += [f"adc r1, {ZERO}"]
    if row.before:
        kept = _kept(form, row.result)
        lines += [f"add {PRODUCT[0]}, {kept[0]}", f"adc {PRODUCT[1]}, {kept[1]}"]
        lines += [f"adc {octet}, {upper}" for octet in top]
    else:
        less = [(-first >> (8 * k)) & 255 for k in range(3)]
        lines += [f"subi {PRODUCT[0]}, {less[0]}", f"sbci {PRODUCT[1]}, {less[1]}"]
        for octet in top:
            lines += [f"mov {HIGH}, r1"] if upper != HIGH else []
            lines += [f"sbci {HIGH}, {less[2]}", f"mov {octet}, {HIGH}"]
    there = _kept(form, row.result) if row.after else (low, high)
    if int(there[0].removeprefix("r")) % 2:
        return [*lines, *(f"mov {a}, {b}" for a, b in zip(there, PRODUCT, strict=True))]
    return [*lines, f"movw {there[0]}, {PRODUCT[0]}"]
