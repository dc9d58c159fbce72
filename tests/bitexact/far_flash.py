"""Emitted C for AVR with the constants moved: to where the border at 64 KB goes through them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from building import Built
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from rnn2c.target import Target, load_target
from rnn2c.validate.compare import Mismatch, compare
from rnn2c.validate.emulator import run_elf
from rnn2c.validate.runner import compile_model, parse_trace
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions
from rnn2c.validate.verify import RawSequence, reference

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


def moved(made: Built, out: Path, before: int, odd: bool = False) -> Built:
    """The model with so many bytes before the program, and far constants at odd addresses."""
    text = f"""__asm__(
    ".section .progmem.gcc_before,\\"a\\"\\n\\tbefore: .zero {before}\\n\\t"
    ".section .init8,\\"ax\\"\\n\\tldi r24, lo8(before)\\n\\t" /* the linker keeps it */
    ".section {CONSTANTS},\\"a\\"\\n\\t.zero {int(odd)}\\n\\t"
    ".subsection 1\\n\\t.zero {int(odd)}\\n\\t.text");
"""
    out.mkdir()
    for path in made.folder.iterdir():
        more = text if path.name == f"{made.name}.c" else ""
        (out / path.name).write_text(path.read_text() + more)
    return replace(made, folder=out)


def linked(
    made: Built, out: Path, sequences: list[RawSequence], build: BuildOptions = DEFAULT_BUILD
) -> Path:
    """The verification program of these sequences: an ELF file."""
    out.mkdir()
    interface = made.program.interface()
    return compile_model(made.folder, interface, made.target, sequences, build=build, out=out)


def mismatch(made: Built, elf: Path, sequences: list[RawSequence]) -> Mismatch | None:
    """What the program computes otherwise than the reference."""
    interface = made.program.interface()
    got = parse_trace(run_elf(made.target, elf), sequences, interface, "trace", False)
    return compare([reference(made.program, s) for s in sequences], got, interface)


def borders(made: Built, out: Path, build: BuildOptions = DEFAULT_BUILD) -> dict[str, int]:
    """Array -> how many bytes before the program put the border into its middle."""
    out.mkdir()
    plain = moved(made, out / "plain", 0)
    found = arrays(linked(plain, out / "elf", made.sequences(1)[:1], build), made.name)
    assert len(found) == len({a.name for a in found})
    return {a.name: BORDER - (a.address + a.bytes // 2) & -2 for a in found}
