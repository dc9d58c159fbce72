"""From a Case to emitted C in a folder, and small C programs around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models import Case

from rnn2c.ir.graph import IntArray
from rnn2c.ir.interface import Port
from rnn2c.ir.program import Program
from rnn2c.pipeline import compile_model, emit, share_tables
from rnn2c.target import Target, load_target
from rnn2c.validate.emulator import run_elf
from rnn2c.validate.harness import link_program, render
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions, compile_object
from rnn2c.validate.verify import RawSequence, raw_sequences, stress_sequences

SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))


@dataclass(frozen=True)
class Built:
    """A proven Program and the folder with its C."""

    program: Program
    folder: Path
    case: Case

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def target(self) -> Target:
        return self.program.target

    def sequences(self, steps: int = 6, nominal: int = 1) -> list[RawSequence]:
        """Calibration-like data, then noise, constant extremes and swings over whole types."""
        usual = [
            {name: array[:steps] if array.ndim == 2 else array for name, array in s.items()}
            for s in self.case.data.sequences[:nominal]
        ]
        return [*raw_sequences(self.program, usual), *stress_sequences(self.program, steps)]

    def text(self, suffix: str = ".c") -> str:
        """One of the emitted files."""
        return (self.folder / f"{self.name}{suffix}").read_text(encoding="ascii")

    def compiled(self, out: Path, build: BuildOptions = DEFAULT_BUILD, suffix: str = "") -> Path:
        """The object of NAME.c, or of NAME`suffix`.c."""
        source = self.folder / f"{self.name}{suffix}.c"
        return compile_object(source, self.target, out / f"{source.stem}.o", build=build)

    def ports(self, rate: str, direction: str = "inputs") -> tuple[Port, ...]:
        """Ports of this rate: `inputs` or `outputs`."""
        return tuple(p for p in getattr(self.program.interface(), direction) if p.rate == rate)


Build = Callable[..., Built]


def built(
    case: Case,
    folder: Path,
    target: str | Target = "host",
    level: str = "balanced",
    shared_tables: str | None = None,
) -> Built:
    """Compile, prove and emit."""
    chosen = load_target(target) if isinstance(target, str) else target
    compiled = compile_model(
        case.model, case.data, chosen, case.options, case.raw, case.max_steps, level
    )
    program = share_tables(compiled.program, shared_tables)
    emit(program, folder)
    return Built(program, folder, case)


INCLUDES = "#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n"
SAY = """
static void say(const char *text) { write_text(text, strlen(text)); }

static void say_hex(const void *data, size_t bytes)
{
    const uint8_t *p = (const uint8_t *)data;
    for (size_t k = 0; k < bytes; k++) {
        const char pair[3] = {"0123456789abcdef"[p[k] >> 4], "0123456789abcdef"[p[k] & 15], 0};
        say(pair);
    }
    say("\\n");
}
"""
AVR_TEXT = """
static void write_text(const char *text, size_t length)
{
    for (size_t k = 0; k < length; k++) {
        GPIOR1 = (uint8_t)text[k];
    }
}
"""
ENDING = '    say_hex("", 0);\n    say("END\\n");\n    exit_program();\n    return 0;\n}\n'


def run_main(
    made: Sequence[Built],
    body: str,
    statements: str,
    out: Path,
    build: BuildOptions = DEFAULT_BUILD,
) -> list[str]:
    """Link these models, and the tables they share, with a main of `statements` after `body` and
    run it: the lines it said.
    """
    first = made[0]
    includes = INCLUDES + "".join(f'#include "{m.name}.h"\n' for m in made)
    io = render(f"io_{first.target.harness}.c.j2", first.target, first.program.interface())
    io += AVR_TEXT if first.target.harness == "avr" else ""
    main = f"int main(void)\n{{\n    begin_io();\n{statements}\n{ENDING}"
    tables = {m.program.tables_file: m for m in made if m.program.tables_file}
    sources = [m.folder / f"{m.name}.c" for m in made]
    sources += [m.folder / f"{name}.c" for name, m in tables.items()]
    objects = tuple(
        compile_object(s, first.target, out / f"{s.stem}.o", build=build) for s in sources
    )
    text = "\n".join([includes, io, SAY, body, main])
    elf = link_program(text, b"", objects, first.folder, first.target, out, build=build)
    return run_elf(first.target, elf).split("\n")[:-1]


def c_array(ctype: str, name: str, data: IntArray) -> str:
    """`static const ctype name[..] = {..};` of one or two dimensions."""
    rows = [", ".join(map(str, row)) for row in data.reshape(-1, data.shape[-1])]
    inner = ", ".join(f"{{{r}}}" for r in rows) if data.ndim == 2 else rows[0]
    extents = "".join(f"[{n}]" for n in data.shape)
    return f"static const {ctype} {name}{extents} = {{{inner}}};\n"
