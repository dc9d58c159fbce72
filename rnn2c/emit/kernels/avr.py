"""Kernels for AVR: the sums of one unit, weights in the packing bytes8.

The weights of all rows are one stream in flash, read through Z; X runs over a vector, each element
of which is loaded once for all rows.  Sums have 2 or 3 bytes.  With 2 they are computed modulo
2^16, which is exact where the proof says that they fit; so it is with 3, where bytes of both
factors are unsigned if that saves the sign of every product (see packing/bytes8.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnn2c.emit.kernels.lines import repeated
from rnn2c.ir.program import Call, Dot, Kernel, Segment
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
    of 16 bits; sign: that of a product, or zero; count: of turns; sums: the bytes of each; saved:
    those that the function gives back as they were.
    """

    weight: str
    element: str
    high: str
    sign: str
    count: str
    sums: tuple[tuple[str, ...], ...]
    saved: tuple[str, ...]


def registers(dot: Dot, types: tuple[str, ...], octets: int) -> Registers:
    """Those of a kernel: first the ones that need not be saved, of what it has a use for."""
    names = iter(f"r{n}" for n in (*FREE, *SAVED))
    weight, element = next(names), next(names)
    high = next(names) if "i16" in types else ""
    sign = next(names) if octets == OCTETS["i24"] else ""
    count = next(names)
    sums = tuple(tuple(next(names) for _ in range(octets)) for _ in dot.outs)
    used = [count, *(octet for total in sums for octet in total)]
    saved = tuple(name for name in used if name in {f"r{n}" for n in SAVED})
    return Registers(weight, element, high, sign, count, sums, saved)


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product; types: the elements of the vectors."""
    form, kernel = _form(dot, types), dot.kernel
    assert kernel is not None
    r = registers(dot, types, form.octets)
    octets = [octet for total in r.sums for octet in total]
    lines = [*(f"push {name}" for name in r.saved), "movw r30, r22"]
    lines += [f"lpm {octet}, Z+" for octet in octets]
    behind = 2 * len(dot.outs) if kernel.shifted else len(octets)
    for k, (segment, element) in enumerate(zip(dot.segments, types, strict=True)):
        if form.unsigned[k]:
            lines += _less_total(segment, r, behind)
            behind += _total_bytes(kernel)
        lines += _vector(k) + _segment(segment, element, form.unsigned[k], kernel.turn, r)
    lines.append(f"movw r26, r{SUMS}")
    if kernel.shifted:
        for total, shift in zip(r.sums, kernel.shifted, strict=True):
            lines += _saturated(total, shift, r.weight)
    else:
        lines += [f"st X+, {octet}" for octet in octets]
    return [*lines, "clr r1", *(f"pop {name}" for name in r.saved[::-1]), "ret"]


def totals(dot: Dot, types: tuple[str, ...]) -> tuple[int, list[str]]:
    """Room for the totals of vectors that are multiplied as unsigned bytes, and what computes them:
    128 times the sum of each.
    """
    form = _form(dot, types)
    assert dot.kernel is not None
    some = [k for k, unsigned in enumerate(form.unsigned) if unsigned]
    lines = [f"movw r30, r{SUMS}", f"movw r{VECTORS}, r22"]
    for k in some:
        size = dot.segments[k].size
        lines += [*_vector(k), f"ldi r24, {size & 255}", f"ldi r25, {size >> 8}"]
        lines += ["clr r18", "clr r19", "clr r22"]
        lines += ["1:", "ld r23, X+", "subi r23, 0x80"]
        lines += ["add r18, r23", "adc r19, r1", "adc r22, r1", "sbiw r24, 1", "brne 1b"]
        lines += ["clr r23", "lsr r22", "ror r19", "ror r18", "ror r23"]
        lines += ["st Z+, r23", "st Z+, r18", "st Z+, r19"]
        lines += ["st Z+, r1"] * (_total_bytes(dot.kernel) - 3)
    return len(some) * (2 if dot.kernel.shifted else 1), [*lines, "ret"]


def _total_bytes(kernel: Kernel) -> int:
    """Of a total: whole elements of the array of sums."""
    return 4 if kernel.shifted else 3


def _saturated(total: tuple[str, ...], shift: int, high: str) -> list[str]:
    """Stores a sum as 16 bits, shifted down and saturated; high: a register for anything."""
    first, second, *third = total
    if not third:
        down = [f"asr {second}", f"ror {first}"] * shift
        return [*down, f"st X+, {first}", f"st X+, {second}"]
    (top,) = third
    if shift > 4:
        down = [f"lsl {first}", f"rol {second}", f"rol {top}"] * (8 - shift)
        down += [f"mov {first}, {second}", f"mov {high}, {top}"]
    else:
        down = [*[f"asr {top}", f"ror {second}", f"ror {first}"] * shift, f"mov {high}, {second}"]
    most = [f"lsl {top}", f"sbc {first}, {first}", f"com {first}"]
    most += [f"mov {high}, {first}", f"subi {high}, 0x80"]
    within = [f"mov {high}, {top}", f"subi {high}, {-(2 ** (shift - 1)) & 255}"]
    within += [f"cpi {high}, {2**shift}"]
    return [*within, *_either("brlo", most, down), f"st X+, {first}", f"st X+, {high}"]


def _form(dot: Dot, types: tuple[str, ...]) -> Layout:
    segments = tuple(s.results for s in dot.segments)
    form = layout(len(dot.outs), segments, types, OCTETS[dot.width])
    assert form is not None
    return form


def _vector(segment: int) -> list[str]:
    """X becomes the address of the vector of a segment."""
    place = _add(2 * segment) if segment else []
    return [f"movw r26, r{VECTORS}", *place, "ld r0, X+", "ld r27, X", "mov r26, r0"]


def _add(count: int) -> list[str]:
    """To X."""
    return [f"adiw r26, {count}"] if count <= ADDED else [
        f"subi r26, {-count & 255}", f"sbci r27, {(-count >> 8) & 255}"
    ]  # fmt: skip


def _less_total(segment: Segment, r: Registers, behind: int) -> list[str]:
    """The sums less the total that stands so many bytes behind them."""
    total = (r.weight, r.element, r.sign)
    lines = [f"movw r26, r{SUMS}", *_add(behind), *(f"ld {octet}, X+" for octet in total)]
    for result in segment.results:
        a, b, c = r.sums[result]
        lines += [f"sub {a}, {total[0]}", f"sbc {b}, {total[1]}", f"sbc {c}, {total[2]}"]
    return lines


def _segment(segment: Segment, element: str, unsigned: bool, turn: int, r: Registers) -> list[str]:
    """All columns of a vector: a loop, which is entered in the middle if some are left over."""
    column = _column(segment.results, element, unsigned, r)
    columns = min(
        max(TURN_WORDS[turn] // len(column), -(-segment.size // MOST_TURNS)), segment.size
    )
    turns, rest = -(-segment.size // columns), segment.size % columns
    lines = [f"clr {r.sign}"] if unsigned else []
    if turns == 1:
        return lines + repeated(column, columns)
    lines += [f"ldi {r.weight}, {turns}", f"mov {r.count}, {r.weight}"]
    lines += ["rjmp 2f"] if rest else []
    lines += ["1:", *repeated(column, columns - rest)]
    lines += ["2:", *repeated(column, rest)] if rest else []
    near = columns * len(column) < REACH
    back = ["brne 1b"] if near else ["breq 3f", "rjmp 1b", "3:"]
    return [*lines, f"dec {r.count}", *back]


def _column(results: Sequence[int], element: str, unsigned: bool, r: Registers) -> list[str]:
    """One column; the carry has the sign of a product."""
    lines = [f"ld {r.element}, X+"]
    lines += [f"ld {r.high}, X+"] if element == "i16" else []
    lines += [f"subi {r.element}, 0x80"] if unsigned else []
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


def special(call: Call) -> tuple[str, tuple[str, ...]] | None:
    """A call with these literals as a function of its own: end of its name, body.  None: no need.

    Each takes the same number of cycles, and of instructions, for any argument.
    """
    match call.primitive, call.arguments[1:]:
        case "shift_sat16", (int(shift),) if 1 <= shift <= 7:
            return f"_{shift}", _shifted(shift)
        case "round_sat8", (int(shift),) if 1 <= shift <= 7:
            return f"_{shift}", _rounded(shift)
        case "clamp", (int(lo), int(hi)) if -32768 <= lo <= hi <= 32767:
            return f"_{lo}_{hi}".replace("-", "m"), _clamped(lo, hi)
    return None


def _clamped(lo: int, hi: int) -> tuple[str, ...]:
    """x limited to numbers of 16 bits."""
    lines = []
    for limit, branch in ((lo, "brge"), (hi + 1, "brlt")):
        octets = [(limit >> (8 * k)) & 255 for k in range(4)]
        reached = [((limit - (limit > hi)) >> (8 * k)) & 255 for k in range(4)]
        lines.append(f"cpi %A0, {octets[0]}")
        for name, octet in zip("BCD", octets[1:], strict=True):
            lines += [f"ldi %1, {octet}", f"cpc %{name}0, %1"]
        loads = [f"ldi %{name}0, {octet}" for name, octet in zip("ABCD", reached, strict=True)]
        lines += _either(branch, loads, [])
    return _body("int32_t wide = x;", "uint8_t octet;", lines, '"+d"(wide), "=&d"(octet)', "wide")


def _shifted(shift: int) -> tuple[str, ...]:
    """The low 24 bits of acc, which hold it: saturated where its highest byte is too large."""
    if shift == 4:
        down = ["swap %A0", "andi %A0, 0x0f", "swap %B0", "mov __tmp_reg__, %B0"]
        down += ["andi %B0, 0x0f", "eor __tmp_reg__, %B0", "or %A0, __tmp_reg__"]
        down += ["swap %C0", "andi %C0, 0xf0", "or %B0, %C0"]
    elif shift > 4:
        up = ["lsl %A0", "rol %B0", "rol %C0"] * (8 - shift)
        down = [*up, "mov %A0, %B0", "mov %B0, %C0"]
    else:
        down = ["asr %C0", "ror %B0", "ror %A0"] * shift
    most = ["lsl %C0", "sbc %A0, %A0", "com %A0", "mov %B0, %A0", "subi %B0, 0x80"]
    lines = [*_is_within("%C0", shift), *_either("brlo", most, down)]
    return _body("RNN2C_I24 wide = (RNN2C_I24)acc;", "", lines, '"+d"(wide)', "(int16_t)wide")


def _rounded(shift: int) -> tuple[str, ...]:
    """x and half a step, shifted and saturated, in the high byte."""
    if shift > 4:
        down = ["lsl %A0", "rol %B0"] * (8 - shift)
    else:
        down = [*["asr %B0", "ror %A0"] * shift, "mov %B0, %A0"]
    most = ["lsl %B0", "sbc %B0, %B0", "com %B0", "subi %B0, 0x80"]
    half = -(2 ** (shift - 1)) & 0xFFFF
    add = [f"subi %A0, {half & 255}", f"sbci %B0, {half >> 8}"]
    lines = [*add, *_is_within("%B0", shift), *_either("brlo", most, down)]
    return _body("int16_t wide = x;", "", lines, '"+d"(wide)', "(int8_t)(wide >> 8)")


def _is_within(octet: str, bits: int) -> list[str]:
    """Sets the flags so that `brlo` branches where a signed byte has no more bits."""
    return [
        f"mov __tmp_reg__, {octet}",
        f"subi {octet}, {-(2 ** (bits - 1)) & 255}",
        f"cpi {octet}, {2**bits}",
        f"mov {octet}, __tmp_reg__",
    ]


def _either(branch: str, there: list[str], here: list[str]) -> list[str]:
    """`here` where the branch is taken, else `there`, in as many instructions and cycles."""
    more = len(here) - len(there) - 1
    return [f"{branch} 1f", *there, *_idle(more), "rjmp 2f", "1:", *here, *_idle(-more), "2:"]


def _idle(cycles: int) -> list[str]:
    """Lines that take so many cycles, none for a negative number."""
    return ["nop"] * cycles


def _body(first: str, more: str, lines: list[str], outputs: str, value: str) -> tuple[str, ...]:
    return (
        first,
        *([more] if more else []),
        "__asm__(",
        *(f'    "{line}\\n\\t"' for line in lines),
        f'    : {outputs} : : "r0");',
        f"return {value};",
    )
