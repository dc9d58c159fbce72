"""Flash, RAM, stack, instructions and cycles of an emitted model, counted on its emulator.

Totals come from the object code that users get; a second build with a mark after every stage of
step gives the counts of the stages.  Counts include the call itself, as a firmware pays for it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from rnn2c.errors import MissingToolError, Rnn2cError
from rnn2c.ir.interface import Interface
from rnn2c.target import Target
from rnn2c.validate.counters import SOURCES, mark_header, qemu_plugin
from rnn2c.validate.counters.regions import Region, read_regions, stage_counts
from rnn2c.validate.counters.sizes import DEFAULT_RULE, FlashSizes, SymbolRule, split_flash
from rnn2c.validate.emulator import END, RUN_SECONDS, emulator_command
from rnn2c.validate.harness import compile_objects, link_program, pack_sequences, render
from rnn2c.validate.sizes import Sizes, object_sizes
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions, ToolError, compile_object

STATE_PROBE = "rnn2c_state_probe"
STACK_OVERFLOW = 0xFFFF_FFFF  # as in bench.c.j2


@dataclass(frozen=True)
class Counts:
    """What one call costs.  Cycles are None, and stage cycles empty, where only instructions are
    counted (`Target.cycles_kind`).

    The stages are those of `Interface.stages`, empty for init and finish; `after_stages` is what
    the build with marks did behind its last mark, in instructions and cycles.
    """

    instructions: int
    cycles: int | None
    stage_instructions: tuple[int, ...]
    stage_cycles: tuple[int, ...]
    stack_bytes: int
    after_stages: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class RamSizes:
    """Bytes of RAM: the caller's state structure, and static variables (rnn2c emits none)."""

    state: int
    static: int

    @property
    def total(self) -> int:
        return self.state + self.static


@dataclass(frozen=True)
class Measurement:
    """One model on one target.  `step` has the largest count of each kind over `steps` steps and
    `step_least` the smallest; `finish` is None for a model without per-sequence outputs.
    no_cycles: why cycles are not known, "" if they are.
    """

    init: Counts
    step: Counts
    step_least: Counts
    steps: int
    finish: Counts | None
    flash: FlashSizes
    ram: RamSizes
    no_cycles: str = ""

    @property
    def is_constant(self) -> bool:
        """Every step cost the same."""
        return self.step == self.step_least

    @property
    def stack_bytes(self) -> int:
        """The deepest stack of init, step and finish."""
        calls = (self.init, self.step, *([self.finish] if self.finish else []))
        return max(call.stack_bytes for call in calls)


@dataclass(frozen=True)
class _Call:
    """One counted call: its kind (`I`, `S`, `F`), return code, painted stack and region."""

    kind: str
    code: int
    stack: int
    region: Region


def measure(
    folder: Path, interface: Interface, target: Target, sequence: Mapping[str, NDArray[Any]], *,
    build: BuildOptions = DEFAULT_BUILD, rule: SymbolRule = DEFAULT_RULE,
    seconds: float = RUN_SECONDS,
) -> Measurement:  # fmt: skip
    """Measure the C emitted in `folder` while it computes one integer `sequence` on `target`.

    `sequence` maps port names to integer arrays ([T, n] per step, [n] per sequence), T >= 1.
    Raises Rnn2cError for a target without an emulator that counts or a call that fails,
    MissingToolError without compiler, emulator or the libraries of the counting tools.
    """
    if target.emulator.kind == "native":
        raise Rnn2cError(
            f"target {target.name}: nothing is counted on the machine itself, choose a target that "
            "runs in an emulator"
        )
    if any(len(sequence.get(p.name, "?")) == 0 for p in interface.at("step", interface.inputs)):
        raise Rnn2cError("nothing can be counted: the sequence has no steps")
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        plain, staged = Path(name, "plain"), Path(name, "staged")
        calls, objects = _count(folder, interface, target, sequence, build, plain, seconds)
        marks = ("-include", str(mark_header()), "-DRNN2C_COUNT_STAGES")
        marked = replace(build, flags=(*build.flags, *marks))
        laps, _ = _count(folder, interface, target, sequence, marked, staged, seconds)
        sizes = [object_sizes(path) for path in objects]
        state = _state_bytes(folder, interface, target, build, plain)
    counts = _counts_by_kind(calls, laps, interface)
    return Measurement(
        init=counts["I"][0],
        step=_extreme(max, counts["S"]),
        step_least=_extreme(min, counts["S"]),
        steps=len(counts["S"]),
        finish=counts["F"][0] if counts["F"] else None,
        flash=split_flash(sizes, rule),
        ram=RamSizes(state, sum(_static_ram(size, target) for size in sizes)),
        no_cycles="" if target.cycles_kind else f"there is no timing model of {target.cpu}",
    )


def _count(
    folder: Path, interface: Interface, target: Target, sequence: Mapping[str, NDArray[Any]],
    build: BuildOptions, out: Path, seconds: float,
) -> tuple[list[_Call], tuple[Path, ...]]:  # fmt: skip
    """Build in the new folder `out` and run once: calls in the order they were made, objects."""
    out.mkdir()
    shutil.copy(mark_header(), out)
    objects = compile_objects(folder, interface, target, out, build=build)
    blob = pack_sequences([sequence], interface)
    elf = link_program(_program(target, interface), blob, objects, folder, target, out, build=build)
    output, counts = _run(target, elf, out / "counts", seconds)
    lines = [line.split() for line in output.splitlines() if line]
    try:
        calls = [
            _Call(kind, _number(code, signed=True), _number(stack, signed=False), region)
            for (kind, code, stack), region in zip(lines, read_regions(counts), strict=True)
        ]
    except ValueError as error:
        raise ToolError(f"the output of the counting program is malformed: {error}") from error
    return calls, objects


def _program(target: Target, interface: Interface) -> str:
    environment = Environment(
        loader=FileSystemLoader(SOURCES), undefined=StrictUndefined, autoescape=False,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    frame = "\n".join(render(part, target, interface) for part in ("frame.c.j2", "hex.c.j2"))
    return environment.get_template("bench.c.j2").render(
        frame=frame, model=interface, harness=target.harness
    )


def _run(target: Target, elf: Path, counts: Path, seconds: float) -> tuple[str, str]:
    """Output of the program without its END line, and the text of the counts file."""
    extra: tuple[str, ...] = ("-o", str(counts))
    if target.emulator.kind == "qemu":  # whose options write a comma in a value twice
        plugin, out = (str(path).replace(",", ",,") for path in (qemu_plugin(), counts))
        model = "" if target.timing == "none" else f",timing={target.timing}"
        extra = ("-plugin", f"{plugin},out={out}{model}")
    command, where = emulator_command(target, elf, extra=extra), f"counting on {target.name}"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ToolError(f"{where}: not finished after {seconds:g} s") from None
    if done.returncode and "plugin" in done.stderr:
        raise MissingToolError(
            f"{where}: {done.stderr.splitlines()[0]}: counting needs a QEMU that loads plugins of "
            f"API version 1, such as 7.2: install {target.emulator.packages}"
        )
    if done.returncode or "HARDFAULT" in done.stdout or not done.stdout.endswith(END):
        text = " | ".join((done.stderr or done.stdout).split("\n")[:3]).strip()
        raise ToolError(f"{where}: failed with exit code {done.returncode}: {text or 'no message'}")
    return done.stdout.removesuffix(END), counts.read_text()


def _number(text: str, *, signed: bool) -> int:
    return int.from_bytes(bytes.fromhex(text), "little", signed=signed)


def _counts_by_kind(
    calls: list[_Call], laps: list[_Call], interface: Interface
) -> dict[str, list[Counts]]:
    if [(c.kind, c.code) for c in calls] != [(c.kind, c.code) for c in laps]:
        raise Rnn2cError("the build with stage marks returned other codes than the one without")
    counts: dict[str, list[Counts]] = {"I": [], "S": [], "F": []}
    for call, lap in zip(calls, laps, strict=True):
        name = {"I": "init", "S": f"step {len(counts['S'])}", "F": "finish"}[call.kind]
        if call.code < 0:
            raise Rnn2cError(f"nothing was counted: {interface.name}_{name} returned {call.code}")
        if call.stack == STACK_OVERFLOW:
            raise Rnn2cError(f"nothing was counted: {interface.name}_{name} has a stack overflow")
        counts[call.kind].append(_counts(call, lap.region, interface))
    return counts


def _counts(call: _Call, laps: Region, interface: Interface) -> Counts:
    stages: tuple[tuple[int, ...], tuple[int, ...]] = (), ()
    after = 0, 0
    if call.kind == "S":
        stages = stage_counts(laps.lap_instructions), stage_counts(laps.lap_cycles or ())
        if len(stages[0]) != len(interface.stages):
            raise Rnn2cError(
                f"{interface.name}_step passed {len(stages[0])} stage marks, its interface names "
                f"{len(interface.stages)} stages"
            )
        after = laps.instructions - sum(stages[0]), (laps.cycles or 0) - sum(stages[1])
    stack = call.stack if call.region.stack is None else call.region.stack
    return Counts(call.region.instructions, call.region.cycles, *stages, stack, after)


def _extreme(choose: Callable[..., int], counts: list[Counts]) -> Counts:
    """The largest or smallest value of every field by itself."""
    cycles = [c.cycles for c in counts if c.cycles is not None]
    return Counts(
        choose(c.instructions for c in counts),
        choose(cycles) if cycles else None,
        tuple(
            choose(column) for column in zip(*(c.stage_instructions for c in counts), strict=True)
        ),
        tuple(choose(column) for column in zip(*(c.stage_cycles for c in counts), strict=True)),
        choose(c.stack_bytes for c in counts),
        (choose(c.after_stages[0] for c in counts), choose(c.after_stages[1] for c in counts)),
    )


def _state_bytes(
    folder: Path, interface: Interface, target: Target, build: BuildOptions, out: Path
) -> int:
    """sizeof(NAME_state_t) with the target's compiler, read from a compiled array of that size."""
    source = out / "state_probe.c"
    size = f"sizeof({interface.name}_state_t)"
    source.write_text(
        f'#include "{interface.name}.h"\n\nextern unsigned char {STATE_PROBE}[{size}];\n'
        f"unsigned char {STATE_PROBE}[{size}] = {{0}};\n"
    )
    probe = replace(build, flags=(*build.flags, "-I", str(folder.resolve())))
    path = compile_object(source, target, out / "state_probe.o", build=probe)
    return next(s.bytes for s in object_sizes(path).symbols if s.name == STATE_PROBE)


def _static_ram(sizes: Sizes, target: Target) -> int:
    """Variables; on AVR also constant arrays that are not in PROGMEM: start-up copies them."""
    if target.emulator.kind != "simavr":
        return sizes.ram_bytes
    copied = sum(s.bytes for s in sizes.symbols if s.section.startswith(".rodata"))
    return sizes.ram_bytes + copied
