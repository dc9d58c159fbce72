"""Kernels for AVR: the sums of one unit, weights in the packing bytes8.

The weights of all rows are one stream in flash, read through Z; X runs over a vector, each element
of which is loaded once for all rows.  Sums have 2 or 3 bytes.  With 2 they are computed modulo
2^16, which is exact where the proof says that they fit; so it is with 3, where bytes of both
factors are unsigned if that saves the sign of every product (see packing/bytes8.py).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from rnn2c.emit.kernels.avr_operations import NIBBLE, UPPER, either, fits_two, nibbles
from rnn2c.emit.kernels.lines import repeated
from rnn2c.ir.program import Dot, Kernel, Segment
from rnn2c.packing.bytes8 import TURN_WORDS, Layout, layout

OCTETS = {"i16": 2, "i24": 3}
"""Width of the sums -> their bytes."""

MOST_TURNS = 255
"""Of a loop that is counted in a byte."""

REACH = 62
"""Words between a branch and its label."""

ADDED = 63
"""The most that one instruction adds to an address."""

SUMS, VECTORS = 24, 20
"""Where the lower bytes of these parameters are; that of `w` is in r22 and moves to Z."""

FREE = (18, 19, 22, 23)
SAVED = tuple(range(17, 1, -1))
"""Registers that a function may use, and those that it has to save before."""


@dataclass(frozen=True)
class Registers:
    """Their names.  weight, element, high: what is multiplied, high the upper byte of an element
    of 16 bits; sign: that of a product, or zero; count: of turns, `high` where that serves; sums:
    the bytes of each; saved: those that the function gives back as they were; zero: one that holds
    0, where that is needed.
    """

    weight: str
    element: str
    high: str
    sign: str
    count: str
    sums: tuple[tuple[str, ...], ...]
    saved: tuple[str, ...]
    zero: str = ""


def registers(form: Layout, counts: Container[bool], needs_zero: bool = False) -> Registers:
    """Those of a kernel: first the ones that need not be saved, of what it has a use for.

    counts: whether vectors whose loops are counted have elements of 16 bits.
    """
    names = iter(f"r{n}" for n in (*FREE, *SAVED))
    weight, element, other = next(names), next(names), next(names)
    sign = next(names) if form.octets == OCTETS["i24"] else ""
    count = next(names) if True in counts else other
    zero = next(names) if needs_zero else ""
    slots = [tuple(next(names) for _ in range(form.octets)) for _ in range(1 + max(form.slots))]
    used = [count, zero, *(octet for slot in slots for octet in slot)]
    saved = tuple(name for name in used if name in {f"r{n}" for n in SAVED})
    sums = tuple(slots[slot] for slot in form.slots)
    return Registers(weight, element, other, sign, count, sums, saved, zero)


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product; types: the elements of the vectors."""
    form, kernel = form_of(dot, types), dot.kernel
    assert kernel is not None
    columns = [
        columns_of_turn(form, k, segment, element, kernel.turn)
        for k, (segment, element) in enumerate(zip(dot.segments, types, strict=True))
    ]
    counts = {w for w, n, s in zip(form.wide, columns, dot.segments, strict=True) if n < s.size}
    r = registers(form, counts)
    behind = (2 if kernel.shifted else form.octets) * len(dot.outs)
    sums: list[list[str]] = []
    for k, (segment, element) in enumerate(zip(dot.segments, types, strict=True)):
        less = []
        if form.unsigned[k]:
            total = (r.weight, r.element, r.sign)
            less = less_total([r.sums[result] for result in segment.results], total, behind)
            behind += total_bytes(form.octets, kernel)
        lines = segment_lines(segment, element, form.unsigned[k], columns[k], r)
        sums.append([*less, *vector(k), *lines])
    return of_unit(form, kernel, r, sums)


def of_unit(
    form: Layout,
    kernel: Kernel,
    r: Registers,
    sums: Sequence[Sequence[str]],
    end: Sequence[str] = (),
) -> list[str]:
    """A kernel; sums: for each segment what adds its products to the sums; end: its last lines."""
    bytes_ = 2 if kernel.shifted else form.octets
    lines = [*(f"push {name}" for name in r.saved), "movw r30, r22"]
    lines += [f"clr {r.zero}"] if r.zero else []
    stored = 0
    for k, products in enumerate(sums):
        lines += [f"lpm {octet}, Z+" for result in form.beginning(k) for octet in r.sums[result]]
        lines += products
        ending = form.ending(k)
        if ending:
            lines += [f"movw r26, r{SUMS}", *(add(stored) if stored else [])]
        for result in ending:
            if kernel.shifted:
                lines += saturated(r.sums[result], kernel.shifted[result], r.weight)
            else:
                lines += [f"st X+, {octet}" for octet in r.sums[result]]
        stored += bytes_ * len(ending)
    return [*lines, "clr r1", *(f"pop {name}" for name in r.saved[::-1]), *end, "ret"]


def totals(dot: Dot, types: tuple[str, ...]) -> tuple[int, list[str]]:
    """Room for the totals of vectors that are multiplied as unsigned bytes, and what computes them:
    128 times the sum of each.
    """
    form = form_of(dot, types)
    assert dot.kernel is not None
    some = [k for k, unsigned in enumerate(form.unsigned) if unsigned]
    lines = [f"movw r30, r{SUMS}", f"movw r{VECTORS}, r22"]
    for k in some:
        size = dot.segments[k].size
        lines += [*vector(k), f"ldi r24, {size & 255}", f"ldi r25, {size >> 8}"]
        lines += ["clr r18", "clr r19", "clr r22"]
        lines += ["1:", "ld r23, X+", "subi r23, 0x80"]
        lines += ["add r18, r23", "adc r19, r1", "adc r22, r1", "sbiw r24, 1", "brne 1b"]
        lines += ["clr r23", "lsr r22", "ror r19", "ror r18", "ror r23"]
        lines += ["st Z+, r23", "st Z+, r18", "st Z+, r19"]
        lines += ["st Z+, r1"] * (total_bytes(form.octets, dot.kernel) - 3)
    return len(some) * (2 if dot.kernel.shifted else 1), [*lines, "ret"]


def total_bytes(octets: int, kernel: Kernel) -> int:
    """Of a total with so many: whole elements of the array of sums."""
    return octets + octets % 2 if kernel.shifted else octets


def saturated(total: tuple[str, ...], shift: int, high: str) -> list[str]:
    """Stores a sum as 16 bits, shifted down and saturated; high: a register for anything."""
    first, second, *third = total
    if not third:
        down = [f"asr {second}", f"ror {first}"] * shift
        return [*down, f"st X+, {first}", f"st X+, {second}"]
    (top,) = third
    low, upper = (second, top) if shift > NIBBLE else (first, second)
    if shift > NIBBLE:
        down = [f"lsl {first}", f"rol {second}", f"rol {top}"] * (8 - shift)
    elif shift == NIBBLE:
        down = [f"ldi {high}, {UPPER}", *nibbles(first, second, high), *nibbles(second, top, high)]
    else:
        down = [f"asr {top}", f"ror {second}", f"ror {first}"] * shift
    most = [f"lsl {top}", f"sbc {low}, {low}", f"com {low}"]
    most += [f"mov {high}, {low}", f"subi {high}, 0x80", f"mov {upper}, {high}"]
    within = [f"mov {high}, {top}", f"subi {high}, {-(2**shift // 2) & 255}"]
    within += [f"cpi {high}, {2**shift}"]
    branch = "brlo"
    if not shift:
        within, branch = fits_two(second, top, high), "breq"
    return [*within, *either(branch, most, down), f"st X+, {low}", f"st X+, {upper}"]


def form_of(dot: Dot, types: tuple[str, ...]) -> Layout:
    """The layout of a dot product over vectors with elements of these types."""
    segments = tuple(s.results for s in dot.segments)
    form = layout(len(dot.outs), segments, types, OCTETS[dot.width])
    assert form is not None
    return form


def vector(segment: int) -> list[str]:
    """X becomes the address of the vector of a segment."""
    place = add(2 * segment) if segment else []
    return [f"movw r26, r{VECTORS}", *place, "ld r0, X+", "ld r27, X", "mov r26, r0"]


def add(count: int) -> list[str]:
    """To X."""
    return [f"adiw r26, {count}"] if count <= ADDED else [
        f"subi r26, {-count & 255}", f"sbci r27, {(-count >> 8) & 255}"
    ]  # fmt: skip


def less_total(sums: Sequence[tuple[str, ...]], total: Sequence[str], behind: int) -> list[str]:
    """The sums less the total that stands so many bytes behind them; total: registers for it."""
    lines = [f"movw r26, r{SUMS}", *add(behind), *(f"ld {octet}, X+" for octet in total)]
    for octets in sums:
        both = enumerate(zip(octets, total, strict=True))
        lines += [f"{'sbc' if k else 'sub'} {a}, {b}" for k, (a, b) in both]
    return lines


def columns_of_turn(form: Layout, k: int, segment: Segment, element: str, turn: int) -> int:
    """How many columns a turn of the loop has: as many as fit, and as many as can be counted."""
    of_row = {2: 4, 3: 6}[form.octets] - form.unsigned[k] + form.octets * (element == "i16")
    words = 1 + form.unsigned[k] + (element == "i16") + of_row * len(segment.results)
    return min(max(TURN_WORDS[turn] // words, -(-segment.size // MOST_TURNS)), segment.size)


def segment_lines(
    segment: Segment,
    element: str,
    unsigned: bool,
    columns: int,
    r: Registers,
    raised: bool = False,
) -> list[str]:
    """All columns of a vector: a loop, which is entered in the middle if some are left over.

    raised: elements are stored as x + 128.
    """
    column = _column(segment.results, element, unsigned, r)
    column = [line for line in column if not (raised and line.startswith("subi"))]
    start = [f"clr {r.sign}"] if unsigned and r.sign != r.zero else []
    return [*start, *looped(column, segment.size, columns, r)]


def looped(column: list[str], size: int, columns: int, r: Registers) -> list[str]:
    """So many columns, some at a turn; r: with what their number is set and counted."""
    turns, rest = -(-size // columns), size % columns
    if turns == 1:
        return repeated(column, columns)
    lines = [f"ldi {r.weight}, {turns}", f"mov {r.count}, {r.weight}"]
    lines += ["rjmp 2f"] if rest else []
    lines += ["1:", *repeated(column, columns - rest)]
    lines += ["2:", *repeated(column, rest)] if rest else []
    near = columns * len(column) < REACH
    back = ["brne 1b"] if near else ["breq 3f", "rjmp 1b", "3:"]
    return [*lines, f"dec {r.count}", *back]


def _column(results: Sequence[int], element: str, unsigned: bool, r: Registers) -> list[str]:
    """One column."""
    lines = [f"ld {r.element}, X+"]
    lines += [f"ld {r.high}, X+"] if element == "i16" else []
    lines += [f"subi {r.element}, 0x80"] if unsigned else []
    return lines + products(results, element, unsigned, r)


def products(results: Sequence[int], element: str, unsigned: bool, r: Registers) -> list[str]:
    """Adds an element times the weights that follow; the carry has the sign of a product."""
    lines = []
    multiply = "mul" if unsigned else "muls" if element == "i8" else "mulsu"
    for result in results:
        first, second, *third = r.sums[result]
        lines += [f"lpm {r.weight}, Z+", f"{multiply} {r.weight}, {r.element}"]
        lines += [f"sbc {r.sign}, {r.sign}"] if third and not unsigned else []
        lines += [f"add {first}, r0", f"adc {second}, r1"]
        lines += [f"adc {octet}, {r.sign}" for octet in third]
        if element == "i16":
            lines += [f"muls {r.weight}, {r.high}", f"add {second}, r0"]
            lines += [f"adc {octet}, r1" for octet in third]
    return lines
