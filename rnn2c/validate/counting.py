"""One counted run of a model: the program around it, built, run, and what each call executed.

The counts come from the runner (AVR), from a plugin of QEMU, or, where QEMU takes no plugin, from
the SysTick timer of a Cortex-M, which QEMU can advance by a fixed time per instruction.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from rnn2c.errors import MissingToolError
from rnn2c.ir.interface import Interface
from rnn2c.target import Target
from rnn2c.validate.counters import SOURCES, mark_header, qemu_plugin
from rnn2c.validate.counters.regions import Region, read_regions
from rnn2c.validate.emulator import END, emulator_command
from rnn2c.validate.harness import compile_objects, link_program, pack_sequences, render
from rnn2c.validate.toolchain import BuildOptions, ToolError

TIMED = ("arm",)
"""Harnesses whose machines have the timer."""

SHIFT = 7
"""An instruction takes 2^SHIFT ns of the timer's time: more than two ticks, so ticks tell them
apart, and its 24 bits last for four million of them.
"""
TURNS = 250  # of a loop of two instructions, which the program times first
KNOWN = 1 + 2 * TURNS
LOST = 0xFFFF_FFFF  # as in bench.c.j2: the timer went round


class NoPluginError(MissingToolError):
    """The plugin cannot be built, or QEMU refuses it."""


@dataclass(frozen=True)
class Call:
    """One counted call: its kind (`I`, `S`, `F`), return code, painted stack and region."""

    kind: str
    code: int
    stack: int
    region: Region


@dataclass(frozen=True)
class Counting:
    """What `measure` counts: see there."""

    folder: Path
    interface: Interface
    target: Target
    sequence: Mapping[str, NDArray[Any]]
    build: BuildOptions
    seconds: float

    def with_stage_marks(self) -> Counting:
        """The same with a mark after every stage of step."""
        marks = ("-include", str(mark_header()), "-DRNN2C_COUNT_STAGES")
        return replace(self, build=replace(self.build, flags=(*self.build.flags, *marks)))

    def count(self, out: Path) -> tuple[list[Call], tuple[Path, ...]]:
        """Build in the new folder `out` and run once: calls in the order they were made, objects.

        Raises NoPluginError where QEMU cannot count.
        """
        counts = out / "counts"
        extra: tuple[str, ...] = ("-o", str(counts))
        if self.target.emulator.kind == "qemu":
            extra = ("-plugin", self._plugin(counts))
        elf, objects = self._built(out, timer=False)
        lines = self._run(elf, extra, fields=3)
        regions = read_regions(counts.read_text())
        if len(lines) != len(regions):
            raise ToolError(f"{len(lines)} calls were made, {len(regions)} were counted")
        return [_call(line, region) for line, region in zip(lines, regions, strict=True)], objects

    def count_by_timer(self, out: Path) -> tuple[list[Call], tuple[Path, ...]]:
        """The same without a plugin: instructions only, give or take a few of the call itself."""
        elf, objects = self._built(out, timer=True)
        icount = ("-icount", f"shift={SHIFT},align=off,sleep=off")
        lines = self._run(elf, icount, fields=4)
        ticks = [_number(line[3], signed=False) for line in lines]
        if LOST in ticks:
            raise ToolError(
                "the timer went round: a call executes more instructions than it counts"
            )
        tick = _ticks_per_instruction(ticks[0], ticks[1])
        empty = round(ticks[0] / tick)
        regions = [Region(round(t / tick) - empty, ()) for t in ticks]
        calls = [_call(line, region) for line, region in zip(lines, regions, strict=True)]
        return calls[2:], objects

    def _plugin(self, counts: Path) -> str:
        try:
            built = qemu_plugin()
        except MissingToolError as error:
            raise NoPluginError(str(error)) from error
        plugin, out = (str(path).replace(",", ",,") for path in (built, counts))  # QEMU's escape
        model = "" if self.target.timing == "none" else f",timing={self.target.timing}"
        return f"{plugin},out={out}{model}"

    def _built(self, out: Path, *, timer: bool) -> tuple[Path, tuple[Path, ...]]:
        """The program and the model's objects in it."""
        target, build = self.target, self.build
        out.mkdir()
        shutil.copy(mark_header(), out)
        objects = compile_objects(self.folder, self.interface, target, out, build=build)
        blob = pack_sequences([self.sequence], self.interface)
        text = _program(target, self.interface, timer)
        return link_program(text, blob, objects, self.folder, target, out, build=build), objects

    def _run(self, elf: Path, extra: tuple[str, ...], fields: int) -> list[list[str]]:
        """The lines that the program said, each of so many words."""
        target, where = self.target, f"counting on {self.target.name}"
        try:
            done = subprocess.run(
                emulator_command(target, elf, extra=extra), capture_output=True, text=True,
                errors="replace", stdin=subprocess.DEVNULL, timeout=self.seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ToolError(f"{where}: not finished after {self.seconds:g} s") from None
        if done.returncode and "plugin" in done.stderr:
            raise NoPluginError(
                f"{where}: {done.stderr.splitlines()[0]}: counting needs a QEMU that loads plugins "
                f"of API version 1, such as 7.2: install {target.emulator.packages}"
            )
        if done.returncode or "HARDFAULT" in done.stdout or not done.stdout.endswith(END):
            text = " | ".join((done.stderr or done.stdout).split("\n")[:3]).strip()
            text = text or "no message"
            raise ToolError(f"{where}: failed with exit code {done.returncode}: {text}")
        lines = [line.split() for line in done.stdout.removesuffix(END).splitlines() if line]
        if any(len(line) != fields for line in lines):
            raise ToolError(f"{where}: the output of the counting program is malformed")
        return lines


def _ticks_per_instruction(empty: int, known: int) -> float:
    """From two timed regions; exact, since the clock of the timer is a whole number of MHz."""
    per_mhz = (1 << SHIFT) / 1000
    mhz = round((known - empty) / KNOWN / per_mhz)
    if mhz * per_mhz < 2:
        raise ToolError(f"the timer of the emulated machine is too slow to count: {mhz} MHz")
    return mhz * per_mhz


def _program(target: Target, interface: Interface, timer: bool) -> str:
    environment = Environment(
        loader=FileSystemLoader(SOURCES), undefined=StrictUndefined, autoescape=False,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    frame = "\n".join(render(part, target, interface) for part in ("frame.c.j2", "hex.c.j2"))
    return environment.get_template("bench.c.j2").render(
        frame=frame, model=interface, harness=target.harness, timer=timer, turns=TURNS
    )


def _call(line: list[str], region: Region) -> Call:
    return Call(line[0], _number(line[1], signed=True), _number(line[2], signed=False), region)


def _number(text: str, *, signed: bool) -> int:
    try:
        return int.from_bytes(bytes.fromhex(text), "little", signed=signed)
    except ValueError as error:
        raise ToolError(f"the output of the counting program is malformed: {error}") from error
