"""Sizes of an object or an ELF file, by section kind and by symbol, read with pyelftools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from rnn2c.errors import Rnn2cError

Kind = Literal["text", "rodata", "data", "bss"]


@dataclass(frozen=True)
class Symbol:
    """A function or an array: where it lies and how many bytes it has."""

    name: str
    kind: Kind
    section: str
    bytes: int
    is_function: bool


@dataclass(frozen=True)
class Sizes:
    """Bytes by kind of section, alignment included.

    In an object, constant arrays (PROGMEM ones too) count as `rodata`; in a linked program they
    are part of `text` wherever the linker script merges them.
    """

    text: int
    rodata: int
    data: int
    bss: int
    symbols: tuple[Symbol, ...]

    @property
    def flash_bytes(self) -> int:
        return self.text + self.rodata + self.data

    @property
    def ram_bytes(self) -> int:
        """Static RAM; the stack and the caller's state structure come on top."""
        return self.data + self.bss


def object_sizes(path: Path) -> Sizes:
    """Sizes of an object or ELF file.  Raises Rnn2cError if it is none."""
    with path.open("rb") as file:
        elf = _elf(file, path)
        totals: dict[Kind, int] = {"text": 0, "rodata": 0, "data": 0, "bss": 0}
        for section in elf.iter_sections():
            kind = _kind(section)
            if kind is not None:
                totals[kind] += int(section["sh_size"])
        symbols = tuple(sorted(_symbols(elf), key=lambda s: (s.section, s.name)))
    return Sizes(totals["text"], totals["rodata"], totals["data"], totals["bss"], symbols)


def undefined_symbols(path: Path) -> tuple[str, ...]:
    """Names an object needs from elsewhere, sorted."""
    with path.open("rb") as file:
        return tuple(
            sorted({
                symbol.name
                for symbol in _table(_elf(file, path))
                if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name
            })
        )  # fmt: skip


def _elf(file: Any, path: Path) -> Any:
    try:
        return ELFFile(file)
    except ELFError as error:
        raise Rnn2cError(f"{path.name} is no object or ELF file: {error}") from error


def _table(elf: Any) -> Iterator[Any]:
    for section in elf.iter_sections():
        if isinstance(section, SymbolTableSection):
            yield from section.iter_symbols()


def _symbols(elf: Any) -> Iterator[Symbol]:
    for symbol in _table(elf):
        index = symbol["st_shndx"]
        if symbol["st_info"]["type"] not in ("STT_FUNC", "STT_OBJECT") or isinstance(index, str):
            continue
        section = elf.get_section(index)
        kind = _kind(section)
        if kind is not None:
            function = symbol["st_info"]["type"] == "STT_FUNC"
            yield Symbol(symbol.name, kind, section.name, int(symbol["st_size"]), function)


def _kind(section: Any) -> Kind | None:
    flags = section["sh_flags"]
    if not flags & SH_FLAGS.SHF_ALLOC or section.name.startswith((".ARM.exidx", ".eh_frame")):
        return None
    if section["sh_type"] == "SHT_NOBITS":
        return None if section.name == ".stack" else "bss"
    if section.name.startswith(".progmem"):
        return "rodata"
    if flags & SH_FLAGS.SHF_EXECINSTR:
        return "text"
    return "data" if flags & SH_FLAGS.SHF_WRITE else "rodata"
