"""Compilers as subprocesses: objects of the emitted C, and whole verification programs.

The emitted C is compiled with CHECKED_FLAGS and any warning is an error.  Every command has a time
limit; a missing compiler names its Debian packages, a failing one shows its own first message.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rnn2c.errors import MissingToolError, Rnn2cError
from rnn2c.target import Target

CHECKED_FLAGS = (
    *("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion"),
    *("-Wshadow", "-Wdouble-promotion", "-Wundef", "-Wstrict-prototypes", "-Werror"),
)
HARNESS_FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror")
CONTRACT = "-ffp-contract=off"  # no fused multiply-add, whatever the compiler's default
SECTIONS = ("-ffunction-sections", "-fdata-sections")
MESSAGE_WORDS = ("error", "undefined", "overflowed", "cannot")
COMPILE_SECONDS = 120.0


class ToolError(Rnn2cError):
    """A compiler or an emulator refused or failed; the text holds its own first message."""


@dataclass(frozen=True)
class BuildOptions:
    """How to deviate from the target's own build.

    `compiler` replaces the target's command (`clang`), `optimize` its level (`-O0`), `flags` are
    added when the model is compiled, `sanitizers` (`undefined`, `address`) are for native targets.
    """

    compiler: str | None = None
    optimize: str | None = None
    flags: tuple[str, ...] = ()
    sanitizers: tuple[str, ...] = ()


DEFAULT_BUILD = BuildOptions()


def compile_object(
    source: Path, target: Target, out: Path, *, build: BuildOptions = DEFAULT_BUILD
) -> Path:
    """Compile one emitted C file into the object `out` and return `out`.

    Raises ToolError on any diagnostic, MissingToolError without the compiler.
    """
    command = [_compiler(target, build), *CHECKED_FLAGS, *_target_flags(target, build), *SECTIONS]
    command += [
        CONTRACT,
        *build.flags,
        "-I",
        str(source.parent.resolve()),
        "-c",
        str(source.resolve()),
    ]
    run_tool([*command, "-o", str(out.resolve())], out.parent, f"compiling {source.name}")
    return out


def link(
    main: Path,
    objects: tuple[Path, ...],
    target: Target,
    out: Path,
    *,
    include: Path,
    script: Path | None = None,
    build: BuildOptions = DEFAULT_BUILD,
) -> Path:
    """Compile the verification program `main`, link it with `objects` into `out`, return `out`.

    `include` has the model's header; a bare machine has a linker `script` and no start files.
    """
    command = [_compiler(target, build), *HARNESS_FLAGS, *_target_flags(target, build), *SECTIONS]
    command += ["-I", str(include.resolve()), *(str(o.resolve()) for o in objects), main.name]
    if script is not None:
        command += ["-nostartfiles", "-T", script.name]
    command += ["-Wl,--gc-sections", *target.compiler.link_flags, "-lm", "-o", str(out.resolve())]
    run_tool(command, main.parent, f"linking the verification program for {target.name}")
    return out


def keep_called(
    objects: tuple[Path, ...], functions: tuple[str, ...], target: Target, out: Path
) -> Path:
    """Link `objects` into one object with these functions and what they need, return `out`."""
    script = out.with_suffix(".ld")
    script.write_text("SECTIONS { }\n")  # no library's own: every section stays as it is
    command = [_compiler(target, DEFAULT_BUILD), *target.compiler.flags, "-r", "-nostdlib"]
    command += ["-T", str(script.resolve()), "-Wl,--gc-sections"]
    command += [*(f"-Wl,-u,{name}" for name in functions), *(str(o.resolve()) for o in objects)]
    command += ["-o", str(out.resolve())]
    run_tool(command, out.parent, f"linking what a firmware calls for {target.name}")
    return out


def run_tool(command: list[str], folder: Path, doing: str) -> None:
    """Run a compiler in `folder`; `doing` begins the error text."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=COMPILE_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ToolError(f"{doing}: {command[0]} ran longer than {COMPILE_SECONDS:g} s") from None
    if done.returncode != 0:
        raise ToolError(f"{doing}: {Path(command[0]).name}: {_first_message(done.stderr)}")


def find_tool(command: str, packages: str) -> str:
    """The path of an installed program.

    Raises MissingToolError naming the Debian packages that have it.
    """
    path = shutil.which(command)
    if path is None:
        raise MissingToolError(f"{command} is not installed: install {packages}")
    return path


def _compiler(target: Target, build: BuildOptions) -> str:
    if build.compiler is not None:
        return find_tool(build.compiler, Path(build.compiler).name)
    return find_tool(target.compiler.command, target.compiler.packages)


def _target_flags(target: Target, build: BuildOptions) -> list[str]:
    flags = [*target.compiler.flags, build.optimize or target.compiler.optimize]
    if build.sanitizers:
        if target.emulator.kind != "native":
            raise Rnn2cError(f"target {target.name}: sanitizers need the target host")
        flags += [f"-fsanitize={','.join(build.sanitizers)}", "-fno-sanitize-recover=all"]
    return flags


def _first_message(text: str) -> str:
    """The first three lines that say something, as one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("collect2")]
    telling = [line for line in lines if any(word in line for word in MESSAGE_WORDS)] or lines
    return " | ".join(telling[:3]) or "no message"
