"""A few instructions of an AVR, to run lines of assembly on numbers and count their cycles."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

TWO_CYCLES = {"mul": 2, "mulsu": 2, "rjmp": 2, "lpm": 3}
"""Of others than 1; a branch takes 2 where it is taken."""


BRANCHES: dict[str, Callable[[Core], bool]] = {
    "brlo": lambda core: core.c,
    "brvc": lambda core: not core.v,
    "breq": lambda core: core.z,
    "brge": lambda core: core.n == core.v,
    "brlt": lambda core: core.n != core.v,
}


class Core:
    """Registers and flags; tables: by name, one behind the other in flash."""

    def __init__(self, tables: Mapping[str, Sequence[int]] = {}) -> None:
        self.r = [0xA5] * 32
        self.c = self.v = self.z = self.n = False
        self.cycles = 0
        self.flash: list[int] = [0] * 0x137
        self.at: dict[str, int] = {}
        for name, octets in tables.items():
            self.at[name] = len(self.flash)
            self.flash += octets

    def run(self, lines: Sequence[str]) -> None:
        code = [line.split(";")[0].replace("__tmp_reg__", "r0").strip() for line in lines]
        place = 0
        while place < len(code):
            operation, *operands = re.split(r"[ ,]+", code[place])
            self.cycles += (
                TWO_CYCLES.get(operation, 1) if code[place] and code[place][-1] != ":" else 0
            )
            place += 1
            if operation in BRANCHES:
                if BRANCHES[operation](self):
                    self.cycles += 1
                    place = self._label(code, place, operands[0])
            elif operation == "rjmp":
                place = self._label(code, place, operands[0])
            elif code[place - 1] and code[place - 1][-1] != ":" and operation != "nop":
                self._step(operation, operands)

    def _label(self, code: Sequence[str], place: int, label: str) -> int:
        return code.index(f"{label.removesuffix('f')}:", place)

    def _value(self, text: str) -> int:
        if match := re.fullmatch(r"(lo8|hi8)\(%\[(\w+)\]\)", text):
            return (self.at[match[2]] >> (8 if match[1] == "hi8" else 0)) & 255
        return int(text, 0) & 255

    def _step(self, operation: str, operands: list[str]) -> None:
        d = int(operands[0].removeprefix("r"))
        a = self.r[d]
        other = operands[1] if len(operands) > 1 else ""
        is_register = other.startswith("r")
        b = self.r[int(other[1:])] if is_register else 0
        if operation == "lpm":
            z = self.r[30] | self.r[31] << 8
            self.r[d] = self.flash[z]
            if other == "Z+":
                self.r[30], self.r[31] = (z + 1) & 255, (z + 1) >> 8
            return
        if operation not in ("mov", "add", "adc", "sub", "sbc", "mul", "lsl", "lsr", "rol", "ror",
                             "asr", "clr", "com", "or", "cp", "cpc", "and", "eor", "swap",
                             "movw"):  # fmt: skip
            assert d >= 16, f"{operation} takes r16 and up"
            b = b if is_register else self._value(other)
        match operation:
            case "mov" | "ldi":
                self.r[d] = b
            case "clr":
                self.r[d], self.v = 0, False
            case "com":
                self.r[d], self.c, self.v = 255 - a, True, False
            case "movw":
                assert d % 2 == 0 == int(other[1:]) % 2, "movw takes pairs"
                self.r[d : d + 2] = self.r[int(other[1:]) : int(other[1:]) + 2]
            case "swap":
                self.r[d] = a >> 4 | (a & 15) << 4
            case "or" | "and" | "eor":
                self.r[d] = {"or": a | b, "and": a & b, "eor": a ^ b}[operation]
                self.v = False
            case "add" | "adc" | "lsl" | "rol":
                b = a if operation in ("lsl", "rol") else b
                self.r[d] = self._sum(a, b, self.c and operation in ("adc", "rol"))
            case "sub" | "subi" | "sbc" | "sbci" | "cp" | "cpi" | "cpc":
                less = a - b - (self.c and operation in ("sbc", "sbci", "cpc"))
                self.c, self.v = (
                    less < 0,
                    not -128 <= _signed(a) - _signed(b) + less - (a - b) <= 127,
                )
                carried = operation in ("sbc", "sbci", "cpc")
                self.z, self.n = (less & 255) == 0 and (self.z or not carried), bool(less & 128)
                self.r[d] = self.r[d] if operation in ("cp", "cpi", "cpc") else less & 255
            case "asr" | "lsr" | "ror":
                top = {"asr": a & 128, "lsr": 0, "ror": 128 * self.c}[operation]
                self.r[d], self.c = a >> 1 | top, bool(a & 1)
            case "mul" | "mulsu":
                assert operation == "mul" or (16 <= d < 24 and 16 <= int(other[1:]) < 24)
                product = (_signed(a) if operation == "mulsu" else a) * b & 0xFFFF
                self.r[0], self.r[1], self.c = product & 255, product >> 8, product >= 0x8000
            case _:
                raise NotImplementedError(operation)

    def _sum(self, a: int, b: int, carry: bool) -> int:
        total = a + b + carry
        self.c = total > 255
        self.v = not -128 <= _signed(a) + _signed(b) + carry <= 127
        return total & 255


def _signed(octet: int) -> int:
    return octet - 256 if octet > 127 else octet
