"""Many emitted models, one compiler run: their C on the host, every step and every state buffer.

The verification program of each model becomes one file with its model, under a `main` of its own;
the first argument of the common program chooses.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnn2c.ir.program import Program
from rnn2c.pipeline import emit
from rnn2c.validate.compare import SequenceResult
from rnn2c.validate.emulator import END
from rnn2c.validate.harness import BLOB, pack_sequences, render
from rnn2c.validate.runner import parse_trace
from rnn2c.validate.toolchain import CHECKED_FLAGS, CONTRACT
from rnn2c.validate.verify import RawSequence

DISPATCH = """#include <stdlib.h>
{declarations}
int main(int count, char **words)
{{
    switch (count > 1 ? atoi(words[1]) : -1) {{
{cases}
    default: return 99;
    }}
}}
"""


@dataclass(eq=False)
class Batch:
    """Models for the host, each with a name of its own and its raw sequences.

    flags: for the compiler, beside the project's warnings, all of which are errors.
    """

    folder: Path
    flags: tuple[str, ...] = ("-O0",)
    made: list[tuple[Program, Sequence[RawSequence]]] = field(default_factory=list)

    def add(self, program: Program, sequences: Sequence[RawSequence]) -> int:
        """Emit a program; its number is what `run` takes."""
        emit(program, self.folder)
        name, interface = program.name, program.interface()
        text = render("trace.c.j2", program.target, interface, every_step=True)
        for old, new in (
            (BLOB, f"{name}.bin"),
            ("rnn2c_sequences", f"{name}_sequences"),
            ("int main(void)", f"int {name}_main(void);\nint {name}_main(void)"),
        ):
            assert old in text
            text = text.replace(old, new)
        (self.folder / f"{name}.bin").write_bytes(pack_sequences(sequences, interface))
        (self.folder / f"{name}_main.c").write_text(f'#include "{name}.c"\n{text}')
        self.made.append((program, sequences))
        return len(self.made) - 1

    def compile(self) -> None:
        """One run of gcc; a warning is an error."""
        names = [program.name for program, _ in self.made]
        text = DISPATCH.format(
            declarations="\n".join(f"extern int {n}_main(void);" for n in names),
            cases="\n".join(f"    case {k}: return {n}_main();" for k, n in enumerate(names)),
        )
        (self.folder / "all.c").write_text(text)
        files = ["all.c", *(f"{n}_main.c" for n in names)]
        command = [
            "gcc",
            *CHECKED_FLAGS,
            *self.flags,
            CONTRACT,
            "-pipe",
            *files,
            "-o",
            "all",
            "-lm",
        ]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:2000]

    def run(self, number: int) -> list[SequenceResult]:
        """What the C of a model gave for its sequences."""
        command = [self.folder / "all", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (done.returncode, done.stderr[:500])
        assert done.stdout.endswith(END)
        program, sequences = self.made[number]
        output = done.stdout.removesuffix(END)
        return parse_trace(output, sequences, program.interface(), "trace", False)
