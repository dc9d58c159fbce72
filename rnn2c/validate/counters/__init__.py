"""Counting tools in C, built on demand with the host compiler; the rule: never a stale binary.

`avr_run.c` runs AVR programs on simavr; `qemu_count.c` is a QEMU plugin for Arm and RISC-V.  A
binary lives in the user's cache folder under a name that holds a hash of its preprocessed source
and of the compiler, and appears there by an atomic rename, so parallel processes may build at once.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rnn2c.errors import MissingToolError, Rnn2cError

SOURCES = Path(__file__).parent
BASE_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
BUILD_SECONDS = 60


@dataclass(frozen=True)
class Tool:
    """One C program of this package and what it takes to build it."""

    source: str
    flags: tuple[str, ...]
    libraries: tuple[str, ...]
    packages: str


AVR_RUN = Tool("avr_run.c", (), ("-lsimavr", "-lelf"), "gcc, libsimavr-dev, libelf-dev, simavr")
QEMU_COUNT = Tool("qemu_count.c", ("-shared", "-fPIC", "-fvisibility=hidden"), (), "gcc")


def avr_runner() -> Path:
    """The program `avr_run -m MCU [-f HZ] [-c MAXCYCLES] [-o COUNTS] file.elf`.

    Raises MissingToolError if the compiler, simavr or libelf is not installed.
    """
    return _built(AVR_RUN)


def qemu_plugin() -> Path:
    """The plugin for `-plugin FILE,out=COUNTS` of qemu-system-arm and qemu-system-riscv*.

    Raises MissingToolError if there is no compiler.
    """
    return _built(QEMU_COUNT)


def mark_header() -> Path:
    """The header with the counting marks, for `-include` in a bench build."""
    return SOURCES / "mark.h"


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/rnn2c`, by default `~/.cache/rnn2c`; not created here."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "rnn2c"


@functools.cache
def _built(tool: Tool) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        raise MissingToolError(f"no host compiler gcc for {tool.source}: install {tool.packages}")
    path = cache_folder() / f"{Path(tool.source).stem}-{_key(tool, compiler)}"
    if not path.exists():
        _build(tool, compiler, path)
    return path


def _key(tool: Tool, compiler: str) -> str:
    """Hash of all that decides the binary; the preprocessed text has the libraries' headers."""
    preprocessed = _gcc(tool, [compiler, "-E", "-P", *BASE_FLAGS, str(SOURCES / tool.source)])
    version = _gcc(tool, [compiler, "--version"])
    options = " ".join(tool.flags + tool.libraries).encode()
    return hashlib.sha256(b"\0".join((preprocessed, version, options))).hexdigest()[:16]


def _build(tool: Tool, compiler: str, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            fresh = Path(scratch) / path.name
            source = str(SOURCES / tool.source)
            command = [compiler, *BASE_FLAGS, *tool.flags, "-o", str(fresh), source]
            _gcc(tool, [*command, *tool.libraries])
            fresh.replace(path)
    except OSError as error:
        raise Rnn2cError(
            f"cannot build {tool.source} in {path.parent}: {error.strerror}; "
            "set XDG_CACHE_HOME to a writable folder"
        ) from error


def _gcc(tool: Tool, command: list[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=BUILD_SECONDS, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines() or ["no message"]
        first = next((line for line in lines if "error" in line), lines[0])
        raise MissingToolError(
            f"cannot build {tool.source} ({first.strip()}): install {tool.packages}"
        )
    return done.stdout
