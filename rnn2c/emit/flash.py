"""C text that addresses constants: pointers, or numbers where pointers do not reach all flash."""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.ir.interface import BYTES
from rnn2c.ir.program import CTYPES

READERS = {
    "i8": "I8",
    "u8": "U8",
    "i16": "I16",
    "u16": "U16",
    "i32": "I32",
    "u32": "U32",
    "f32": "F32",
}
"""Suffix of the macro RNN2C_READ_... that reads a constant of this type from flash."""


@dataclass(frozen=True)
class Flash:
    """far: addresses are numbers of the type RNN2C_ADDRESS, which count bytes."""

    far: bool = False

    def pointer(self, ctype: str) -> str:
        """The type of an address, as it stands before a name."""
        return "RNN2C_ADDRESS " if self.far else f"const {ctype} *"

    def start(self, array: str) -> str:
        """The address of an array."""
        return f"RNN2C_ADDRESS_OF({array})" if self.far else array

    def room(self, size: int, ctype: str) -> int:
        """Elements of an array with so many: far ones stand among code, at whole words."""
        return size + (BYTES[ctype] * size % 2 if self.far else 0)

    def distance(self, count: int | str, type_: str) -> str:
        """What is added to an address to go on by so many elements."""
        octets = BYTES[CTYPES[type_]]
        if not self.far:
            return f"{count}"
        if f"{count}".isdigit():
            return f"{octets * int(count)}u"
        return f"({octets}u * ({count}))" if octets > 1 else f"({count})"

    def index(self, text: str) -> str:
        """An index of any integer type as one that may be added to an address."""
        return f"(uint16_t)({text})" if self.far else text

    def place(self, address: str, index: int | str, type_: str) -> str:
        """The address of an element behind an address."""
        if self.far:
            return address if index in (0, "0") else f"{address} + {self.distance(index, type_)}"
        return f"&{address}[{index}]"

    def read(self, address: str, index: int | str, type_: str) -> str:
        """The element behind an address."""
        return f"RNN2C_READ_{READERS[type_]}({self.place(address, index, type_)})"
