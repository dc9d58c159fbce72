"""Flash, RAM, stack, instructions and cycles of an emitted model, counted on its emulator.

Totals come from the object code that users get; a second build with a mark after every stage of
step gives the counts of the stages.  Counts include the call itself, as a firmware pays for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError
from rnn2c.ir.interface import Interface
from rnn2c.target import Target
from rnn2c.validate.counters.regions import Region, stage_counts
from rnn2c.validate.counters.sizes import DEFAULT_RULE, FlashSizes, SymbolRule, split_flash
from rnn2c.validate.counting import TIMED, Call, Counting, NoPluginError
from rnn2c.validate.emulator import RUN_SECONDS
from rnn2c.validate.sizes import Sizes, object_sizes
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions, compile_object, keep_called

STATE_PROBE = "rnn2c_state_probe"
STACK_OVERFLOW = 0xFFFF_FFFF  # as in bench.c.j2


@dataclass(frozen=True)
class Counts:
    """What one call costs.  Cycles are None, and stage cycles empty, where only instructions are
    counted (`Target.cycles_kind`).

    The stages are those of `Interface.stages`, empty for init and finish and where a timer
    counted; `after_stages` is what
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
    flash: of all functions; called: of init, step and finish, as --gc-sections links them.
    no_cycles: why cycles are not known, "" if they are; in_cycles: they are counted, not estimated.
    """

    init: Counts
    step: Counts
    step_least: Counts
    steps: int
    finish: Counts | None
    flash: FlashSizes
    called: FlashSizes
    ram: RamSizes
    no_cycles: str = ""
    in_cycles: bool = False

    @property
    def is_constant(self) -> bool:
        """Every step cost the same, in cycles where these are counted."""
        if not self.in_cycles:
            return self.step == self.step_least
        costs = [(c.cycles, c.stage_cycles, c.stack_bytes) for c in (self.step, self.step_least)]
        return costs[0] == costs[1]

    @property
    def stack_bytes(self) -> int:
        """The deepest stack of init, step and finish."""
        calls = (self.init, self.step, *([self.finish] if self.finish else []))
        return max(call.stack_bytes for call in calls)


def measure(
    folder: Path, interface: Interface, target: Target, sequence: Mapping[str, NDArray[Any]], *,
    build: BuildOptions = DEFAULT_BUILD, rule: SymbolRule = DEFAULT_RULE,
    seconds: float = RUN_SECONDS,
) -> Measurement:  # fmt: skip
    """Measure the C emitted in `folder` while it computes one integer `sequence` on `target`.

    `sequence` maps port names to integer arrays ([T, n] per step, [n] per sequence), T >= 1.
    Where QEMU takes no plugin, a timer counts the instructions of Arm, and neither cycles nor
    stages are known.  Raises Rnn2cError for a target without an emulator that counts or a call
    that fails, MissingToolError without compiler, emulator or the libraries of the counting tools.
    """
    if target.emulator.kind == "native":
        raise Rnn2cError(
            f"target {target.name}: nothing is counted on the machine itself, choose a target that "
            "runs in an emulator"
        )
    if any(len(sequence.get(p.name, "?")) == 0 for p in interface.at("step", interface.inputs)):
        raise Rnn2cError("nothing can be counted: the sequence has no steps")
    target = target.as_emulated
    job = Counting(folder, interface, target, sequence, build, seconds)
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        out = Path(name)
        laps: list[Call] | None
        no_cycles = "" if target.cycles_kind else f"there is no timing model of {target.cpu}"
        try:
            calls, objects = job.count(out / "plain")
            laps, _ = job.with_stage_marks().count(out / "staged")
        except NoPluginError as error:
            if target.harness not in TIMED:
                raise
            calls, objects = job.count_by_timer(out / "timed")
            laps, no_cycles = None, f"{error}; a timer counted instructions, give or take a few"
        sizes = [object_sizes(path) for path in objects]
        used = tuple(f"{interface.name}_{f}" for f in ("init", "step", "finish"))
        called = object_sizes(keep_called(tuple(objects), used, target, out / "called.o"))
        state = _state_bytes(folder, interface, target, build, out)
    counts = _counts_by_kind(calls, laps, interface)
    return Measurement(
        init=counts["I"][0],
        step=_extreme(max, counts["S"]),
        step_least=_extreme(min, counts["S"]),
        steps=len(counts["S"]),
        finish=counts["F"][0] if counts["F"] else None,
        flash=split_flash(sizes, rule),
        called=split_flash([called], rule),
        ram=RamSizes(state, sum(_static_ram(size, target) for size in sizes)),
        no_cycles=no_cycles,
        in_cycles=target.emulator.kind == "simavr",
    )


def _counts_by_kind(
    calls: list[Call], laps: list[Call] | None, interface: Interface
) -> dict[str, list[Counts]]:
    if laps and [(c.kind, c.code) for c in calls] != [(c.kind, c.code) for c in laps]:
        raise Rnn2cError("the build with stage marks returned other codes than the one without")
    counts: dict[str, list[Counts]] = {"I": [], "S": [], "F": []}
    for k, call in enumerate(calls):
        name = {"I": "init", "S": f"step {len(counts['S'])}", "F": "finish"}[call.kind]
        if call.code < 0:
            raise Rnn2cError(f"nothing was counted: {interface.name}_{name} returned {call.code}")
        if call.stack == STACK_OVERFLOW:
            raise Rnn2cError(f"nothing was counted: {interface.name}_{name} has a stack overflow")
        counts[call.kind].append(_counts(call, laps[k].region if laps else None, interface))
    return counts


def _counts(call: Call, laps: Region | None, interface: Interface) -> Counts:
    stages: tuple[tuple[int, ...], tuple[int, ...]] = (), ()
    after = 0, 0
    if call.kind == "S" and laps:
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
