"""Kernels for AVR with weights in their instructions: straight code for every unit.

A column is a load, for every magnitude of its weights a product, and for every weight an addition
or a subtraction of that: see packing/immediate8.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from rnn2c.emit.kernels import avr
from rnn2c.ir.program import Dot
from rnn2c.packing import immediate8
from rnn2c.packing.blocks import Content
from rnn2c.packing.immediate8 import HALF, KEPT, WIDE, Column, Layout, Product, Unit

UNIT = 22
"""Where the lower byte of the parameter is that says which unit."""

ELEMENT, HIGH = "r18", "r19"
"""An element of a vector and the upper byte of one of 16 bits; anything's between columns."""

MAGNITUDES = ("r22", "r23", "r30", "r31", "r20", "r21")
assert max(KEPT.values()) == len(MAGNITUDES)

LOWER, TOP, MARK = 2, 10, 14
"""The first register of the two lower bytes of all sums, of their third bytes, and of what their
second ones were when they were opened."""

ZERO, OPENED = MAGNITUDES[KEPT[WIDE] :]
"""For sums of 3 bytes: zero and the upper byte of 2^15."""

VECTORS = "r28"
"""Y: where the addresses of the vectors are."""

OCTET_VALUES = 256
UNITS, END = 10, 9
"""Labels: the first of the units, and what follows them."""


def instructions(dot: Dot, types: tuple[str, ...], of: Content) -> list[str]:
    """The lines of the kernel of a dot product; types: the elements of the vectors."""
    form = immediate8.layout(len(dot.outs), of.segments, types, avr.OCTETS[dot.width])
    assert form is not None
    marks = [_mark(r) for r in range(form.results) if form.octets == WIDE]
    starts = vectors(len(of.segments))
    codes = [sums_of(form, unit, starts) for unit in immediate8.units(form, of)]
    return of_units(dot, codes, marks, constants(form.octets))


def vectors(count: int) -> list[list[str]]:
    """What makes X the address of each of so many vectors in a kernel."""
    return [[f"ldd r26, Y+{2 * k}", f"ldd r27, Y+{2 * k + 1}"] for k in range(count)]


def of_units(
    dot: Dot, codes: Sequence[list[str]], used: Sequence[str], constants: Sequence[str]
) -> list[str]:
    """A kernel; codes: what makes up the sums of each unit; used: registers besides those of the
    sums that it gives back as they were; constants: lines that stand before all.
    """
    kernel = dot.kernel
    assert kernel is not None
    sums = [registers(avr.OCTETS[dot.width], r) for r in range(len(dot.outs))]
    saved = ["r28", "r29", *(octet for octets in sums for octet in octets), *used]
    lines = [*(f"push {name}" for name in saved), f"movw {VECTORS}, r{avr.VECTORS}", *constants]
    lines += _to_unit(0, len(codes), len(codes))
    for number, code in enumerate(codes):
        lines += [f"{UNITS + number}:", *code, f"jmp {END}f"]
    lines += [f"{END}:", f"movw r26, r{avr.SUMS}"]
    for r, octets in enumerate(sums):
        if kernel.shifted:
            lines += avr.saturated(octets, kernel.shifted[r], ELEMENT)
        else:
            lines += [f"st X+, {octet}" for octet in octets]
    return [*lines, "clr r1", *(f"pop {name}" for name in saved[::-1]), "ret"]


def _to_unit(first: int, behind: int, most: int) -> list[str]:
    """Goes to the code of one of these units, by halves: an indirect jump does not reach far flash.

    most: units in all.
    """
    if behind - first == 1:
        return [f"jmp {UNITS + first}f"]
    middle = (first + behind) // 2
    label = UNITS + most + middle
    compare = [f"cpi r{UNIT}, {middle & 255}"]
    if most > OCTET_VALUES:
        compare += [f"ldi {ELEMENT}, {middle >> 8}", f"cpc r{UNIT + 1}, {ELEMENT}"]
    lower, upper = _to_unit(first, middle, most), _to_unit(middle, behind, most)
    return [*compare, "brlo .+2", f"rjmp {label}f", *lower, f"{label}:", *upper]


def constants(octets: int) -> list[str]:
    """What the registers hold all the time that sums of so many bytes need."""
    return [f"clr {ZERO}", f"ldi {OPENED}, {HALF}"] if octets == WIDE else []


def registers(octets: int, result: int) -> tuple[str, ...]:
    """Of the bytes of a sum, the lowest first."""
    low = LOWER + 2 * result
    top = (f"r{TOP + result}",) if octets == WIDE else ()
    return (f"r{low}", f"r{low + 1}", *top)


def _mark(result: int) -> str:
    return f"r{MARK + result}"


def sums_of(form: Layout, unit: Unit, vectors: Sequence[list[str]]) -> list[str]:
    """The sums of one unit; vectors: what makes X the address of each."""
    lines = _first(form, unit.first)
    for k, columns in enumerate(unit.segments):
        lines += vectors[k]
        passed = 0
        for column in columns:
            lines += avr.add(passed) if column.products and passed else []
            passed = 0 if column.products else passed + 1 + form.wide[k]
            lines += _column(form, column, form.wide[k]) if column.products else []
    return lines + [line for r in unit.closed for line in _close(form, r)]


def _first(form: Layout, values: tuple[int, ...]) -> list[str]:
    """The sums begin with these values."""
    lines = []
    for result, value in enumerate(values):
        low, _, *top = registers(form.octets, result)
        octets = [(value >> (8 * k)) & 255 for k in range(3)]
        lines += [f"ldi {ELEMENT}, {octets[0]}", f"ldi {HIGH}, {octets[1]}"]
        lines += [f"movw {low}, {ELEMENT}"]
        for octet in top:
            lines += [f"ldi {ELEMENT}, {octets[2]}", f"mov {octet}, {ELEMENT}"]
    return lines


def _close(form: Layout, result: int) -> list[str]:
    """Counts up the third byte if the second one has gone around since the sum was opened."""
    _, high, top = registers(form.octets, result)
    return [f"cp {high}, {_mark(result)}", f"adc {top}, {ZERO}"]


def _open(form: Layout, result: int) -> list[str]:
    _, high, _ = registers(form.octets, result)
    return [f"mov {_mark(result)}, {high}", f"add {high}, {OPENED}"]


def _column(form: Layout, column: Column, wide: bool) -> list[str]:
    """One column."""
    lines = [line for r in column.closed for line in _close(form, r)]
    lines += [line for r in column.opened for line in _open(form, r)]
    lines += [f"ld {ELEMENT}, X+"]
    if wide:
        lines += [f"ld {HIGH}, X+"]
        lines += [f"subi {HIGH}, {HALF}"] if form.octets == WIDE else []
    for product in column.products:
        lines += _product(form, product, wide)
    return lines


def _product(form: Layout, product: Product, wide: bool) -> list[str]:
    """One product of all rows with its magnitude."""
    factor = MAGNITUDES[product.register]
    lines = [f"ldi {factor}, {product.magnitude}"] if product.loaded else []
    lines += [f"{'mul' if wide else 'muls'} {factor}, {ELEMENT}"]
    flipped = not wide and product.magnitude == HALF  # a signed byte is -128
    rows = [(r, flipped) for r in product.added] + [(r, not flipped) for r in product.subtracted]
    for r, less in rows:
        low, high, *top = registers(form.octets, r)
        lines += [f"{_first_of(less)} {low}, r0", f"{_next_of(less)} {high}, r1"]
        lines += [f"{_next_of(less)} {octet}, {ZERO}" for octet in top if wide]
    if wide:
        lines += [f"mul {factor}, {HIGH}"]
        for r, less in rows:
            _, high, *top = registers(form.octets, r)
            lines += [f"{_first_of(less)} {high}, r0"]
            lines += [f"{_next_of(less)} {octet}, r1" for octet in top]
    return lines


def _first_of(less: bool) -> str:
    return "sub" if less else "add"


def _next_of(less: bool) -> str:
    return "sbc" if less else "adc"
