"""Operations on AVR with their literals in them: the same cycles for any argument."""

from __future__ import annotations

from rnn2c.ir.program import CTYPES, Call

DOUBLED = 7
"""The shift after which the high byte of twice a number is what is wanted."""


NIBBLE, UPPER = 4, 0xF0
"""Half an octet: its bits, and the upper one."""

NAMES = "ABCD"
"""Of the bytes of an operand of inline assembly, the lowest first."""

OCTETS = {"i16": 2, "i24": 3, "i32": 4}


def special(call: Call, type_: str) -> tuple[str, tuple[str, ...], str] | None:
    """A call with these literals as a function of its own for an argument of this type: end of its
    name, body, type of its first parameter.  None: no need.

    Each takes the same number of cycles, and of instructions, for any argument.
    """
    type_ = type_ if type_ in OCTETS else "i32"
    match call.primitive, call.arguments[1:]:
        case "shift_sat16", (int(shift),) if 0 <= shift <= 7:
            type_ = "i32" if type_ == "i16" else type_
            return f"_{type_}_{shift}", _shifted(shift, type_), type_
        case "grow_sat16", (int(shift),):
            return f"_{type_}_{shift}", _grown(shift, type_), type_
        case "round_sat8", (int(shift),) if 1 <= shift <= 7:
            return f"_{shift}", _rounded(shift), "i16"
        case "clamp", (int(lo), int(hi)) if -32768 <= lo <= hi <= 32767:
            type_ = "i32" if type_ == "i24" else type_
            return f"_{type_}_{lo}_{hi}".replace("-", "m"), _clamped(lo, hi, type_), type_
    return None


def _clamped(lo: int, hi: int, type_: str) -> tuple[str, ...]:
    """x limited to numbers of 16 bits."""
    names = NAMES[: OCTETS[type_]]
    lines = []
    for limit, branch in ((lo, "brge"), (hi + 1, "brlt")):
        if type_ == "i16" and limit == 32768:
            continue
        octets = [(limit >> (8 * k)) & 255 for k in range(4)]
        reached = [((limit - (limit > hi)) >> (8 * k)) & 255 for k in range(4)]
        lines.append(f"cpi %A0, {octets[0]}")
        for name, octet in zip(names[1:], octets[1:], strict=False):
            lines += [f"ldi %1, {octet}", f"cpc %{name}0, %1"]
        loads = [f"ldi %{n}0, {octet}" for n, octet in zip(names, reached, strict=False)]
        lines += either(branch, loads, [])
    return _body(type_, "x", lines, "wide")


def _shifted(shift: int, type_: str) -> tuple[str, ...]:
    """acc saturated where its upper bytes are too large, and shifted down in its lower three."""
    if shift == 4:
        down = ["swap %A0", "andi %A0, 0x0f", "swap %B0", "mov __tmp_reg__, %B0"]
        down += ["andi %B0, 0x0f", "eor __tmp_reg__, %B0", "or %A0, __tmp_reg__"]
        down += ["swap %C0", "andi %C0, 0xf0", "or %B0, %C0"]
    elif shift > 4:
        up = ["lsl %A0", "rol %B0", "rol %C0"] * (8 - shift)
        down = [*up, "mov %A0, %B0", "mov %B0, %C0"]
    else:
        down = ["asr %C0", "ror %B0", "ror %A0"] * shift
    is_wide = type_ == "i32"
    most = [f"lsl %{'D' if is_wide else 'C'}0", "sbc %A0, %A0", "com %A0"]
    most += ["mov %B0, %A0", "subi %B0, 0x80"]
    upper = ["mov __tmp_reg__, %D0", "adc __tmp_reg__, __zero_reg__"] if is_wide else []
    if shift:  # the upper bytes and 2^(shift - 1) are below 2^shift
        within = [f"ldi %1, {2 ** (shift - 1)}", "add %1, %C0", *upper, f"cpi %1, {2**shift}"]
        within += ["cpc __tmp_reg__, __zero_reg__"] if is_wide else []
    else:  # with the sign of the lower two they are 0
        within = ["mov __tmp_reg__, %B0", "lsl __tmp_reg__", "mov %1, %C0", "adc %1, __zero_reg__"]
        within += [*upper, "or __tmp_reg__, %1"] if is_wide else []
    lines = [*within, *either("brlo" if shift else "breq", most, down)]
    return _body(type_, "acc", lines, "(int16_t)wide")


def _grown(shift: int, type_: str) -> tuple[str, ...]:
    """acc * 2^shift, or of the limit that its sign tells, which acc + limit makes unsigned."""
    if (shift, type_) == (1, "i16"):  # the carry has the sign of what overflows
        most = ["sbc %A0, %A0", "com %A0", "mov %B0, %A0", "subi %B0, 0x80", "lsl %A0"]
        return _body(type_, "acc", ["lsl %A0", "rol %B0", *either("brvc", most, [])], "wide")
    limit = 32768 >> shift
    names = NAMES[: OCTETS[type_]]
    less = [(name, (-limit >> (8 * k)) & 255) for k, name in enumerate(names)]
    less = less if limit & 255 else less[1:]
    lines = [f"mov __tmp_reg__, %{names[-1]}0", f"subi %{less[0][0]}0, {less[0][1]}"]
    lines += [f"sbci %{name}0, {octet}" for name, octet in less[1:]]
    if limit & 255:
        lines += [f"cpi %A0, {2 * limit & 255}", f"ldi %1, {2 * limit >> 8}", "cpc %B0, %1"]
    else:
        lines += [f"cpi %B0, {2 * limit >> 8}"]
    lines += [f"cpc %{name}0, __zero_reg__" for name in names[2:]]
    most = ["lsl __tmp_reg__", "sbc %A0, %A0", "com %A0", "mov %B0, %A0"]
    up = ["lsl %A0", "rol %B0"] * shift
    if shift >= 8:
        up = ["mov %B0, %A0", "clr %A0", *["lsl %B0"] * (shift - 8)]
    lines += [*either("brlo", most, []), *up, "subi %B0, 0x80"]
    return _body(type_, "acc", lines, "(int16_t)wide")


def _rounded(shift: int) -> tuple[str, ...]:
    """round_sat8 of x, in the high byte."""
    lines = rounded("%A0", "%B0", shift, "__zero_reg__")
    return _body("i16", "x", lines, "(int8_t)(wide >> 8)")


def rounded(low: str, high: str, shift: int, zero: str) -> list[str]:
    """The high one of two registers becomes round_sat8 of what both hold; zero: one that holds 0;
    r0 is anything.
    """
    half = -(2 ** (shift - 1)) & 0xFFFF
    add = [f"subi {low}, {half & 255}", f"sbci {high}, {half >> 8}"]
    most = [f"ldi {high}, 0x7f", f"adc {high}, {zero}"]
    if shift == DOUBLED:
        return [*add, f"lsl {low}", f"rol {high}", *either("brvc", most, [])]
    if shift > 4:
        down = [f"lsl {low}", f"rol {high}"] * (8 - shift)
    else:
        down = [*[f"asr {high}", f"ror {low}"] * shift, f"mov {high}, {low}"]
    return [*add, *_is_within(high, shift), *either("brlo", [f"lsl {high}", *most], down)]


def _is_within(octet: str, bits: int) -> list[str]:
    """Sets the flags so that `brlo` branches where a signed byte has no more bits."""
    return [
        f"mov __tmp_reg__, {octet}",
        f"subi {octet}, {-(2 ** (bits - 1)) & 255}",
        f"cpi {octet}, {2**bits}",
        f"mov {octet}, __tmp_reg__",
    ]


def fits_two(second: str, top: str, free: str) -> list[str]:
    """Sets the flags so that `breq` branches where a number of three bytes has its sign in the
    second of them: where it fits two.
    """
    return [f"mov {free}, {second}", f"lsl {free}", f"sbc {free}, {free}", f"cp {free}, {top}"]


def nibbles(octet: str, above: str, mask: str) -> list[str]:
    """An octet becomes its upper nibble below the lower one of another."""
    return [
        f"eor {octet}, {above}",
        f"and {octet}, {mask}",
        f"eor {octet}, {above}",
        f"swap {octet}",
    ]


def either(branch: str, there: list[str], here: list[str]) -> list[str]:
    """`here` where the branch is taken, else `there`, in as many instructions and cycles."""
    more = len(here) - len(there) - 1
    return [f"{branch} 1f", *there, *_idle(more), "rjmp 2f", "1:", *here, *_idle(-more), "2:"]


def _idle(cycles: int) -> list[str]:
    """Lines that take so many cycles, none for a negative number."""
    return ["nop"] * cycles


def _body(type_: str, argument: str, lines: list[str], value: str) -> tuple[str, ...]:
    """Lines on a copy of an argument, %0, that may use the register %1."""
    uses_octet = any("%1" in line for line in lines)
    outputs = '"+d"(wide), "=&d"(octet)' if uses_octet else '"+d"(wide)'
    return (
        f"{CTYPES[type_]} wide = {argument};",
        *(["uint8_t octet;"] if uses_octet else []),
        "__asm__(",
        *(f'    "{line}\\n\\t"' for line in lines),
        f'    : {outputs} : : "r0");',
        f"return {value};",
    )
