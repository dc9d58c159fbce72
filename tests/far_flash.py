"""Emitted C for AVR with the constants moved: to where the border at 64 KB goes through them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from rnn2c.ir.program import Program
from rnn2c.target import Target, load_target
from rnn2c.validate.compare import Mismatch, compare
from rnn2c.validate.runner import compile_model, parse_trace
from rnn2c.validate.verify import RawSequence, reference, stress_sequences

BORDER = 1 << 16
CONSTANTS = ".text.rnn2c_constants"


def keeping(core: str, most: int) -> Target:
    """The target with so many bytes of constants near, and no bounds."""
    target = load_target(core)
    assert target.far is not None
    return replace(target, far=replace(target.far, above=most), limits=None)


@dataclass(frozen=True)
class Array:
    """Where it begins in a linked program, and its bytes."""

    name: str
    address: int
    bytes: int


def arrays(elf: Path, prefix: str) -> list[Array]:
    """The constants of a model, in the order of their addresses."""
    with elf.open("rb") as file:
        (table,) = (s for s in ELFFile(file).iter_sections() if isinstance(s, SymbolTableSection))
        found = [
            Array(s.name, s["st_value"], s["st_size"])
            for s in table.iter_symbols()
            if s["st_info"]["type"] == "STT_OBJECT" and prefix in s.name
        ]
    return sorted((a for a in found if a.address < 1 << 20), key=lambda a: a.address)


def moved(program: Program, folder: Path, out: Path, before: int, odd: bool = False) -> Path:
    """The model in `folder` with so many bytes before the program, and far constants at odd
    addresses; returns `out`, where it is.
    """
    text = f"""__asm__(
    ".section .progmem.gcc_before,\\"a\\"\\n\\tbefore: .zero {before}\\n\\t"
    ".section .init8,\\"ax\\"\\n\\tldi r24, lo8(before)\\n\\t" /* the linker keeps it */
    ".section {CONSTANTS},\\"a\\"\\n\\t.zero {int(odd)}\\n\\t"
    ".subsection 1\\n\\t.zero {int(odd)}\\n\\t.text");
"""
    shutil.copytree(folder, out)
    with (out / f"{program.name}.c").open("a") as file:
        file.write(text)
    return out


def linked(program: Program, folder: Path, out: Path, sequences: list[RawSequence]) -> Path:
    """The verification program of these sequences: an ELF file."""
    out.mkdir()
    return compile_model(folder, program.interface(), program.target, sequences, out=out)


def mismatch(program: Program, output: str, sequences: list[RawSequence]) -> Mismatch | None:
    """What the verification program said otherwise than the reference."""
    got = parse_trace(output, sequences, program.interface(), "trace", False)
    return compare([reference(program, s) for s in sequences], got, program.interface())


def borders(program: Program, folder: Path, out: Path) -> dict[str, int]:
    """Array -> how many bytes before the program put the border into its middle."""
    out.mkdir()
    plain = moved(program, folder, out / "plain", 0)
    sequences = stress_sequences(program, 1)[:1]
    found = arrays(linked(program, plain, out / "elf", sequences), program.name)
    assert found
    return {a.name: BORDER - (a.address + a.bytes // 2) & -2 for a in found}
