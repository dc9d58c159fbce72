"""Look-up tables in a file of their own, which several models of one firmware share.

A table's C name ends in a checksum of what it holds and of how it is stored, so models that need
the same table name the same array, and another table never passes for it.  NAME_tables.c holds what
the models of its folder name.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rnn2c.emit.arrays import ArrayCode, const_array
from rnn2c.emit.flash import Flash
from rnn2c.errors import Rnn2cError, quoted
from rnn2c.ir.interface import BYTES
from rnn2c.ir.names import identifier
from rnn2c.ir.program import Program

DEFINITION = re.compile(
    r"/\* (?P<doc>.*) \*/\nconst (?P<ctype>\w+) (?P<name>\w+)\[(?P<size>\d+)\] RNN2C_ROM = \{\n"
    r"(?P<lines>(?:    [^{};\n]*\n)+)\};\n"
)


def share_tables(program: Program, name: str | None) -> Program:
    """The program with its look-up tables in NAME_tables.c, for all models that name it; None: as
    it is.  Raises Rnn2cError for a name that the C files cannot have.
    """
    if name is None:
        return program
    if identifier(name) != name:
        raise Rnn2cError(
            f"--shared-tables {quoted(name)}: give a name that C files can have, in lower case,"
            f" such as {identifier(name, 'tables')}"
        )
    shared = replace(program, shared_tables=name)
    if shared.tables_file == program.name:
        raise Rnn2cError(f"--shared-tables {name}: the model is called {program.name} itself")
    return shared


def shared_tables(program: Program, platform: str) -> dict[str, ArrayCode]:
    """The tables that a program shares, by the names of its constants; none if it shares none.

    platform: the text that says how the target stores constants.
    """
    if not program.tables_file:
        return {}
    flash = Flash(program.target.constants == "far")
    found = {}
    for const in program.consts:
        if const.kind == "table":
            plain = const_array(const, program.shared_tables)
            plain = replace(plain, size=flash.room(plain.size, plain.ctype))
            name = f"{plain.name}_{_checksum(plain, platform):08x}"
            found[const.name] = replace(plain, name=name)
    return found


def merged(
    tables: Iterable[ArrayCode], earlier: str, others: Mapping[str, str], platform: str, path: str
) -> list[ArrayCode]:
    """These tables and those of an earlier NAME_tables.c that other sources name.

    others: file name -> text; path: of the earlier file.  Raises Rnn2cError if what it has is not
    what its names say.
    """
    words = {word for text in others.values() for word in re.findall(r"\w+", text)}
    every = {t.name: t for t in tables}
    for table in _read(earlier, platform, path):
        if table.name in words:
            every.setdefault(table.name, table)
    return [every[name] for name in sorted(every)]


def table_bytes(tables: Iterable[ArrayCode]) -> int:
    """Their bytes of flash."""
    return sum(BYTES[t.ctype] * t.size for t in tables)


def tables_id(tables: Iterable[ArrayCode]) -> int:
    """32 bits that change with every table."""
    return zlib.crc32(" ".join(t.name for t in tables).encode())


def _read(text: str, platform: str, path: str) -> list[ArrayCode]:
    """The tables that an emitted NAME_tables.c defines."""
    found = [
        ArrayCode(
            name=match["name"],
            ctype=match["ctype"],
            size=int(match["size"]),
            doc=match["doc"],
            lines=tuple(line.strip() for line in match["lines"].splitlines()),
            is_weights=False,
        )
        for match in DEFINITION.finditer(text)
    ]
    for table in found:
        if not table.name.endswith(f"_{_checksum(table, platform):08x}"):
            raise Rnn2cError(
                f"{path} was changed, or made by another version of rnn2c or for a target that"
                " stores tables in another way: remove it and build its models again, or give"
                " another folder"
            )
    if text and not found:
        raise Rnn2cError(f"{path} has no tables of rnn2c: give another --shared-tables")
    return found


def _checksum(table: ArrayCode, platform: str) -> int:
    """Of the numbers, their type and how they are stored."""
    numbers = "".join(table.lines).replace(" ", "")
    return zlib.crc32(f"{platform}\n{table.ctype} {table.size}\n{numbers}".encode())
