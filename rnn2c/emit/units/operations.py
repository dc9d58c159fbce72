"""The operations of a stage on AVR, each as lines of assembly.

Their results are those of rnn2c/arith.py, and each takes the same number of cycles for any
argument.  r0, r1 and Z are anything's in between.
"""

from __future__ import annotations

from collections.abc import Callable

from rnn2c.emit.kernels.avr_far import by_elpm
from rnn2c.emit.kernels.avr_operations import NIBBLE, either, fits_two, nibbles, rounded
from rnn2c.emit.units.bank import Bank, UnfitError, copied, is_high
from rnn2c.ir.program import Call, Table

Operation = Callable[[Bank, str, list[str], list[int | str]], list[str]]


def lines_of(bank: Bank, call: Call) -> list[str]:
    """The lines of a call, whose values are in the bank; literals and tables stand in the text."""
    values = [a for a in call.arguments if isinstance(a, str)]
    literals: list[int | str] = []
    for a in call.arguments:
        if isinstance(a, (int, Table)):
            literals.append(a.const if isinstance(a, Table) else a)
    return OPERATIONS[call.primitive](bank, call.out, values, literals)


def pointed(constant: int | str, far: bool = False) -> list[str]:
    """Z points to a constant; far: r0 has the upper byte of the address."""
    upper = [f"ldi r31, hh8(%[{constant}])", "mov r0, r31"] if far else []
    return [*upper, f"ldi r30, lo8(%[{constant}])", f"ldi r31, hi8(%[{constant}])"]


def _looked_up(
    table: int | str, offset: str, bank: Bank, to: tuple[str, ...], times: int = 1
) -> list[str]:
    """Registers become the bytes of an element of a table; r0 and Z are anything's."""
    moved = [f"add r30, {offset}", f"adc r31, {bank.zero}", *[f"adc r0, {bank.zero}"] * bank.far]
    lines = [*pointed(table, bank.far), *moved * times, *["out __RAMPZ__, r0"] * bank.far]
    loads = [f"lpm {r}, Z{'+' if r != to[-1] else ''}" for r in to]
    return [*lines, *(by_elpm(loads) if bank.far else loads)]


def _lut_u8(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    moves, x = bank.own(values[0])
    to = x[-1:]
    if bank.favours(out) and not is_high(x[-1]):
        to = bank.take(high=True)
    bank.give([r for r in x if r not in to])
    bank.put(out, to)
    return [*moves, *_looked_up(literals[0], x[-1], bank, to)]


def _lut_slope(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    base, slope = literals
    low, high = bank.read(values[0])
    a, b = bank.take(2, bank.favours(out))
    lines = _looked_up(base, high, bank, (a, b), times=2)
    lines += [*_looked_up(slope, high, bank, ("r0",)), f"mul r0, {low}"]
    lines += [f"add {a}, r1", f"adc {b}, {bank.zero}"]
    bank.done(values[0])
    bank.put(out, (a, b))
    return lines


def _product(
    bank: Bank, gate: str, x: tuple[str, ...], high: bool
) -> tuple[list[str], tuple[str, str]]:
    """gate * x / 256 to the nearest; gate and the upper byte of x are in high registers."""
    a, b = bank.pair(high)
    lines = [f"mulsu {x[1]}, {gate}", *copied((a, b), ("r0", "r1")), f"mul {x[0]}, {gate}"]
    return [*lines, "lsl r0", f"adc {a}, r1", f"adc {b}, {bank.zero}"], (a, b)


def _mul_u8(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    gate, x = values
    first, of_gate = bank.as_factor(gate)
    second, of_x = bank.as_factor(x)
    if len(of_x) == 1:
        bank.done(gate)
        bank.done(x)
        (a,) = result = bank.take()
        bank.put(out, result)
        lines = [f"mulsu {of_x[0]}, {of_gate[0]}", "lsl r0", f"adc r1, {bank.zero}", f"mov {a}, r1"]
        return [*first, *second, *lines]
    lines, product = _product(bank, of_gate[0], of_x, bank.favours(out))
    bank.done(gate)
    bank.done(x)
    bank.put(out, product)
    return [*first, *second, *lines]


def _clamp(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    """The result has as many bytes as its limits need, 1 or 2."""
    lo, hi = literals
    assert isinstance(lo, int)
    assert isinstance(hi, int)
    moves, octets = bank.own(values[0])
    (high,) = bank.take(high=True)
    left = 1 if lo >= -128 and hi <= 127 else 2
    beyond = 1 << (8 * len(octets) - 1)
    if left > len(octets) or not -beyond <= lo <= hi < beyond:
        raise UnfitError
    lines = _limited(octets, len(octets), lo, lo, "brge", high) if lo > -beyond else []
    lines += _limited(octets, left, hi + 1, hi, "brlt", high) if hi + 1 < beyond else []
    bank.give([high, *octets[left:]])
    bank.put(out, octets[:left])
    return [*moves, *lines]


def _sat8(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    return _clamp(bank, out, values, [-128, 127])


def _sat16(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    moves, octets = bank.own(values[0])
    (high,) = bank.take(high=True)
    lines, left = narrowed(octets, 0, high, "", bank.zero, out in bank.indexes)
    bank.give([high, *octets[2:]])
    bank.put(out, left)
    return [*moves, *lines]


def _limited(
    octets: tuple[str, ...], changed: int, limit: int, value: int, branch: str, high: str
) -> list[str]:
    """So many octets become those of a value unless the comparison of all with a limit lets the
    branch be taken.
    """
    lines, loads = [], []
    for k, octet in enumerate(octets):
        lines += [f"ldi {high}, {(limit >> (8 * k)) & 255}"]
        lines += [f"{'cpc' if k else 'cp'} {octet}, {high}"]
    for k, octet in enumerate(octets[:changed]):
        loads += [f"ldi {high}, {(value >> (8 * k)) & 255}", f"mov {octet}, {high}"]
    return [*lines, *either(branch, loads, [])]


def _add_sat16(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    moves, (a, b) = bank.own(values[0], high=True)
    c, d = bank.read(values[1])
    most = [f"lsl {b}", f"sbc {a}, {a}", f"mov {b}, {a}", f"subi {b}, 0x80"]
    lines = [f"add {a}, {c}", f"adc {b}, {d}", *either("brvc", most, [])]
    bank.done(values[1])
    bank.put(out, (a, b))
    return [*moves, *lines]


def _times(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    moves, (a, b) = bank.own(values[0])
    (factor,) = literals
    assert isinstance(factor, int)
    bank.put(out, (a, b))
    return [*moves, *[f"lsl {a}", f"rol {b}"] * (factor.bit_length() - 1)]


def _shift16(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    moves, (a, b) = bank.own(values[0])
    (shift,) = literals
    assert isinstance(shift, int)
    bank.put(out, (a, b))
    return [*moves, *[f"asr {b}", f"ror {a}"] * shift]


def _grow_sat16(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    moves, (a, b, *top) = bank.own(values[0])
    (high,) = bank.take(high=True)
    (shift,) = literals
    assert isinstance(shift, int)
    if shift == 1 and not top:
        bank.give((high,))
        bank.put(out, (a, b))
        return [*moves, *_doubled(a, b, high, bank.zero, out in bank.indexes)]
    within = [f"mov {high}, {b}", f"subi {high}, {-(128 >> shift) & 255}"]
    within += [f"cpi {high}, {256 >> shift}"]
    if top:  # the upper two bytes and 2^7 >> shift are below 2^8 >> shift
        (lower,) = bank.take(high=True)
        within = [f"ldi {lower}, {128 >> shift}", f"add {lower}, {b}", f"mov {high}, {top[0]}"]
        within += [f"adc {high}, {bank.zero}", f"cpi {lower}, {256 >> shift}"]
        within.append(f"cpc {high}, {bank.zero}")
        bank.give((lower,))
    most = [f"lsl {[b, *top][-1]}", f"sbc {high}, {high}", f"com {high}", f"mov {a}, {high}"]
    most += [f"subi {high}, 0x80", f"mov {b}, {high}", *[f"lsl {a}"] * shift]
    if out in bank.indexes:
        most = [most[0], f"ldi {high}, 0x7f", f"adc {high}, {bank.zero}", f"mov {b}, {high}"]
    bank.give((high, *top))
    bank.put(out, (a, b))
    return [*moves, *within, *either("brlo", most, [f"lsl {a}", f"rol {b}"] * shift)]


def _doubled(a: str, b: str, high: str, zero: str, only_high: bool) -> list[str]:
    """Twice b:a, saturated: the carry has its sign."""
    most = [f"sbc {high}, {high}", f"com {high}", f"mov {a}, {high}", f"subi {high}, 0x80"]
    most += [f"mov {b}, {high}", f"lsl {a}"]
    if only_high:
        most = [f"ldi {high}, 0x7f", f"adc {high}, {zero}", f"mov {b}, {high}"]
    return [f"lsl {a}", f"rol {b}", *either("brvc", most, [])]


def _blend_u8(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    n, h, z = values
    low, high = bank.read(n)
    moves, away = bank.own(h, high=True)
    lines = [*moves, f"sub {away[0]}, {low}", f"sbc {away[1]}, {high}"]
    more, gate = bank.as_factor(z)
    moved, (a, b) = _product(bank, gate[0], away, bank.favours(out))
    bank.give(away)
    bank.done(z)
    bank.done(n)
    bank.put(out, (a, b))
    return [*lines, *more, *moved, f"add {a}, {low}", f"adc {b}, {high}"]


def _round_sat8(bank: Bank, out: str, values: list[str], literals: list[int | str]) -> list[str]:
    (shift,) = literals
    assert isinstance(shift, int)
    moves, (a, b) = bank.own(values[0], high=True)
    if not is_high(a):
        (low,) = bank.take(high=True)
        bank.give((a,))
        moves, a = [*moves, f"mov {low}, {a}"], low
    bank.give((a,))
    bank.put(out, (b,))
    return [*moves, *rounded(a, b, shift, bank.zero)]


def narrowed(
    octets: tuple[str, ...], shift: int, high: str, mask: str, zero: str, only_high: bool
) -> tuple[list[str], tuple[str, str]]:
    """What makes shift_sat16 of a sum, or its upper byte alone, and the two registers it is in.

    high: a register above r15 for anything; mask: one that holds UPPER; zero: one that holds 0.
    """
    a, b, *third = octets
    if not third:
        return [f"asr {b}", f"ror {a}"] * shift, (a, b)
    (c,) = third
    low = [] if only_high else [a]
    if shift < NIBBLE:
        down = [f"asr {c}", f"ror {b}", *(f"ror {r}" for r in low)] * shift
    elif shift == NIBBLE:
        down = [line for r, above in ((a, b), (b, c)) for line in nibbles(r, above, mask)]
        down = down[-4:] if only_high else down
    else:
        up = [f"lsl {b}"] if only_high else [f"lsl {a}", f"rol {b}"]
        down, (a, b) = [*up, f"rol {c}"] * (8 - shift), (b, c)
    within = [f"mov {high}, {c}", f"subi {high}, {-(2**shift // 2) & 255}"]
    within.append(f"cpi {high}, {2**shift}")
    branch = "brlo"
    if not shift:
        within, branch = fits_two(b, c, high), "breq"
    most = [f"lsl {c}", *([] if only_high else [f"sbc {a}, {a}"])]
    most += [f"ldi {high}, 0x7f", f"adc {high}, {zero}", *([] if only_high else [f"com {a}"])]
    most.append(f"mov {b}, {high}")
    return [*within, *either(branch, most, down)], (a, b)


OPERATIONS: dict[str, Operation] = {
    "lut_u8": _lut_u8,
    "lut_slope": _lut_slope,
    "mul_u8": _mul_u8,
    "clamp": _clamp,
    "sat8": _sat8,
    "sat16": _sat16,
    "add_sat16": _add_sat16,
    "times": _times,
    "shift16": _shift16,
    "grow_sat16": _grow_sat16,
    "blend_u8": _blend_u8,
    "round_sat8": _round_sat8,
}
