"""Running a program: natively, in QEMU or in the simavr runner, always under a time limit.

A run counts only if the program ends with exit code 0 and its output ends with the END line;
anything else is a ToolError that says what was seen, never a partial output.
"""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

from rnn2c.target import Target
from rnn2c.validate.counters import avr_runner
from rnn2c.validate.toolchain import ToolError, find_tool

RUN_SECONDS = 60.0
END = "\nEND\n"


def emulator_command(target: Target, elf: Path, *, extra: tuple[str, ...] = ()) -> list[str]:
    """The command line that runs `elf`; `extra` are further options of the emulator.

    Raises MissingToolError without the emulator.
    """
    emulator = target.emulator
    if emulator.kind == "native":
        return [str(elf.resolve()), *extra]
    if emulator.kind == "simavr":
        return [str(avr_runner()), "-m", emulator.machine, *extra, str(elf.resolve())]
    qemu = find_tool(emulator.command, emulator.packages)
    command = [qemu, "-M", emulator.machine, "-cpu", emulator.cpu, "-bios", "none"]
    command += ["-nodefaults", "-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", *extra]
    return [*command, "-kernel", str(elf.resolve())]


def run_elf(target: Target, elf: Path, *, seconds: float = RUN_SECONDS) -> str:
    """Run a verification program and return its output without the END line.

    Raises ToolError on a crash, a fault, an exit code, a time-out or an incomplete output.
    """
    command = emulator_command(target, elf)
    where = f"running on {target.name}"
    try:
        done = subprocess.run(
            command, cwd=elf.parent, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ToolError(f"{where}: not finished after {seconds:g} s") from None
    if "HARDFAULT" in done.stdout:
        raise ToolError(f"{where}: the core took a fault (bad address, instruction or stack)")
    if done.returncode != 0:
        raise ToolError(f"{where}: {_ending(done.returncode)}: {_first_line(done.stderr)}")
    if not done.stdout.endswith(END):
        raise ToolError(f"{where}: the output is incomplete, its END line is missing")
    return done.stdout.removesuffix(END)


def _ending(code: int) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _first_line(text: str) -> str:
    """The line that says most: a sanitizer's or QEMU's message, not the register dump after it."""
    plain = re.sub(r"\x1b?\[[0-9;]+m", "", text)  # simavr colours its messages
    lines = [" ".join(line.split()) for line in plain.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()] or lines
    return telling[0][:300] if telling else "no message"
