"""Kernels in assembly compute the same bits whatever a firmware is built with.

The network has both cells, with loops over 16 columns and a rest, blocks that are not full, and an
odd number of columns.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from building import Build, Built
from drafts import recurrent
from fixed import draft_of, finished
from pruned import pruned

from rnn2c.packing.families import IN_C
from rnn2c.pipeline import QuantizeOptions
from rnn2c.target import Level, Target, load_target
from rnn2c.validate.compare import compare
from rnn2c.validate.emulator import run_elf
from rnn2c.validate.harness import link_program, pack_sequences, render
from rnn2c.validate.runner import parse_trace
from rnn2c.validate.toolchain import BuildOptions, find_tool, run_tool
from rnn2c.validate.verify import reference

CORES = ("cortex-m4", "cortex-m55", "cortex-m3", "cortex-m0plus")
STEPS = 4
STUBS = """
uintptr_t __stack_chk_guard = 0x5AFEu;
void __stack_chk_fail(void);
void __stack_chk_fail(void) { stop_program(0x20023u); }
void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_enter(void *function, void *caller) { (void)function; (void)caller; }
void __cyg_profile_func_exit(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller) { (void)function; (void)caller; }
"""
"""What stack protectors and profilers call."""

GCC, GXX = ("arm-none-eabi-gcc", "-std=c99"), ("arm-none-eabi-g++", "-x", "c++", "-std=c++11")
CLANG = (
    *("clang", "--target=arm-none-eabi", "-ffreestanding", "-fshort-enums"),
    *("-isystem", "/usr/lib/arm-none-eabi/include"),
)
BUILDS = {
    "gcc -O0 with a frame pointer": (*GCC, "-O0", "-fno-omit-frame-pointer"),
    "gcc -O2, linked as a whole": (*GCC, "-O2", "-flto"),
    "gcc -Os -fpic without r9": (*GCC, "-Os", "-fpic", "-ffixed-r9"),
    "gcc with stack protectors": (*GCC, "-O1", "-fstack-protector-all"),
    "gcc with a profiler": (*GCC, "-O2", "-finstrument-functions"),
    "g++": (*GXX, "-O2"),
    "clang -O2": (*CLANG, "-O2"),
    "clang -O0 with stack protectors": (*CLANG, "-O0", "-fstack-protector-all"),
}
AVR_GCC, AVR_GXX = ("avr-gcc", "-std=c99"), ("avr-g++", "-x", "c++", "-std=gnu++11")
AVR_BUILDS = {
    "gcc -O0": (*AVR_GCC, "-O0"),
    "gcc -O3": (*AVR_GCC, "-O3"),
    "gcc -Os with short calls of prologues": (*AVR_GCC, "-Os", "-mcall-prologues", "-mrelax"),
    "gcc -O2, linked as a whole": (*AVR_GCC, "-O2", "-flto"),
    "g++ as Arduino has it": (*AVR_GXX, "-Os", "-flto", "-fno-exceptions", "-fpermissive"),
}
RISCV_GCC = "riscv64-unknown-elf-gcc"
RISCV_BUILDS = {
    "gcc -O0 with a frame pointer": (RISCV_GCC, "-std=c99", "-O0", "-fno-omit-frame-pointer"),
    "gcc -O3, linked as a whole": (RISCV_GCC, "-std=c99", "-O3", "-flto"),
    "g++ -Os -fpic": ("riscv64-unknown-elf-g++", "-x", "c++", "-std=c++11", "-Os", "-fpic"),
    "clang -O2": (
        *("clang", "--target=riscv32-unknown-elf", "-std=c99", "-O2"),
        *("-isystem", "/usr/lib/picolibc/riscv64-unknown-elf/include"),
    ),
}
AVR_CORES = ("atmega328p", "atmega2560")
LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-Og", "-Ofast")
CLANG_LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-Oz")
WAYS: tuple[tuple[str, ...], ...] = (
    (),
    ("-flto",),
    ("-fno-omit-frame-pointer",),
    ("-fpic",),
    ("-ffixed-r9",),
    ("-fstack-protector-all",),
    ("-finstrument-functions",),
    ("-fno-strict-aliasing", "-fno-inline"),
)
MATRIX = [
    *[(*GCC, level, *way) for level in LEVELS for way in WAYS],
    *[(*GXX, level, *way) for level in LEVELS for way in ((), ("-flto",), ("-fpic",))],
    *[(*CLANG, level, *way) for level in CLANG_LEVELS for way in WAYS if "-flto" not in way],
]


FORMATS = {
    "int4": QuantizeOptions(weights="int4"),
    "int4 overlapped": QuantizeOptions(weights="int4-overlapped"),
    "int16": QuantizeOptions(activations="int16"),
}
"""Formats beside int8 that there are kernels of their own for."""
FORMAT_CORES = ("cortex-m4", "cortex-m3", "cortex-m0plus")


def made_for(
    target: str | Target,
    build: Build,
    options: QuantizeOptions | None = None,
    block: tuple[int, int] | None = None,
    level: Level = "balanced",
) -> Built:
    draft = draft_of(9, 1.0)
    draft.input("x", 5)
    recurrent(draft, "lstm", "lstm", 37, states="hc")
    recurrent(draft, "gru", "gru", 35)
    draft.linear("y", 3)
    draft.show("y")
    case = finished(draft, "firm", options or QuantizeOptions(), None)
    if block:
        case = case._replace(model=pruned(case.model, *block, 0.3))
    return build(case, target, level=level)


def check(made: Built, command: tuple[str, ...], out: Path) -> None:
    """Compile the model like this, run it in the emulator: every step and every state."""
    interface, target = made.program.interface(), made.target
    is_gcc = command[0] != "clang"
    chip = [f for f in target.compiler.flags if is_gcc or not f.startswith("--specs")]
    compiler = find_tool(command[0], "clang gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib")
    model = out / "model.o"
    flags = [*command[1:], *chip, "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
    source = [str(made.folder / "firm.c"), "-c", "-o", str(model)]
    run_tool([compiler, *flags, "-I", str(made.folder), *source], out, "compiling firm.c")
    sequences = made.sequences(STEPS)
    text = render("trace.c.j2", target, interface, every_step=True, raw=False)
    whole = BuildOptions(optimize="-flto") if "-flto" in command else BuildOptions()
    blob = pack_sequences(sequences, interface)
    stubs = STUBS if target.harness == "arm" else ""
    elf = link_program(text + stubs, blob, (model,), made.folder, target, out, build=whole)
    got = parse_trace(run_elf(target, elf), sequences, interface, "trace", raw=False)
    assert compare([reference(made.program, s) for s in sequences], got, interface) is None


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("target", CORES)
def test_kernels_are_the_same_in_every_firmware(
    target: str, name: str, build: Build, tmp_path: Path
) -> None:
    check(made_for(target, build), BUILDS[name], tmp_path)


@pytest.mark.parametrize("name", AVR_BUILDS)
def test_kernels_of_avr_are_the_same_in_every_firmware(
    name: str, build: Build, tmp_path: Path
) -> None:
    target = AVR_CORES[list(AVR_BUILDS).index(name) % 2]
    made = made_for(target, build, QuantizeOptions(profile="compact"))
    assert {w.packing for w in made.program.weights} == {"bytes8_24"}
    check(made, AVR_BUILDS[name], tmp_path)


@pytest.mark.parametrize("name", ["gcc -O0", "g++ as Arduino has it"])
def test_weights_in_instructions_are_the_same_in_every_firmware(
    name: str, build: Build, tmp_path: Path
) -> None:
    options = QuantizeOptions(profile="compact")
    made = made_for("atmega2560", build, options, level="unrolled")
    assert {w.packing for w in made.program.weights} == {"immediate8_24"}
    check(made, AVR_BUILDS[name], tmp_path)


@pytest.mark.parametrize("name", AVR_BUILDS)
def test_far_constants_of_avr_are_the_same_in_every_firmware(
    name: str, build: Build, tmp_path: Path
) -> None:
    far = load_target("atmega2560").without_near
    check(made_for(far, build, QuantizeOptions(profile="compact")), AVR_BUILDS[name], tmp_path)


@pytest.mark.parametrize("name", ["gcc -O0", "gcc -O2, linked as a whole"])
@pytest.mark.parametrize("near", [True, False])
@pytest.mark.parametrize(
    ("family", "weights", "block"),
    [("columns8_24", "int8", (1, 1)), ("nibbles8_24", "int4", None)],
)
def test_other_weights_of_avr_are_the_same_in_every_firmware(
    family: str, weights: str, block: tuple[int, int] | None, near: bool, name: str,
    build: Build, tmp_path: Path,
) -> None:  # fmt: skip
    target = load_target("atmega2560") if near else load_target("atmega2560").without_near
    options = QuantizeOptions(profile="compact", weights=weights)
    made = made_for(target, build, options, block)
    assert {w.packing for w in made.program.weights} >= {family}
    check(made, AVR_BUILDS[name], tmp_path)


@pytest.mark.parametrize("name", RISCV_BUILDS)
def test_kernels_in_c_are_the_same_in_every_firmware(
    name: str, build: Build, tmp_path: Path
) -> None:
    made = made_for("rv32imc", build)
    assert len({w.packing for w in made.program.weights} & IN_C.keys()) > 1
    check(made, RISCV_BUILDS[name], tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("way", [(), ("-flto",), ("-fno-inline",), ("-mcall-prologues",)], ids=str)
@pytest.mark.parametrize("level", [level for level in LEVELS if level != "-Ofast"])
@pytest.mark.parametrize("compiler", [AVR_GCC, AVR_GXX], ids=["gcc", "g++"])
@pytest.mark.parametrize("target", [*AVR_CORES, "atmega2560 far"])
def test_kernels_of_avr_at_every_level_and_way(
    target: str, compiler: tuple[str, ...], level: str, way: tuple[str, ...], build: Build,
    tmp_path: Path,
) -> None:  # fmt: skip
    core, _, far = target.partition(" ")
    chosen = load_target(core).without_near if far else load_target(core)
    made = made_for(chosen, build, QuantizeOptions(profile="compact"))
    check(made, (*compiler, level, *way), tmp_path)


@pytest.mark.parametrize("name", ["gcc -Os -fpic without r9", "clang -O2"])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("target", FORMAT_CORES)
def test_kernels_of_other_formats_are_the_same_too(
    target: str, format_: str, name: str, build: Build, tmp_path: Path
) -> None:
    check(made_for(target, build, FORMATS[format_]), BUILDS[name], tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("target", CORES)
def test_kernels_of_stored_blocks_are_the_same_too(
    target: str, name: str, build: Build, tmp_path: Path
) -> None:
    made = made_for(target, build, (2, 2))
    assert any(w.packing.startswith("blocks") for w in made.program.weights)
    check(made, BUILDS[name], tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("command", MATRIX, ids=" ".join)
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("target", FORMAT_CORES)
def test_kernels_of_other_formats_at_every_level_and_way(
    target: str, format_: str, command: tuple[str, ...], build: Build, tmp_path: Path
) -> None:
    check(made_for(target, build, FORMATS[format_]), command, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("command", MATRIX, ids=" ".join)
@pytest.mark.parametrize("target", CORES)
def test_kernels_at_every_level_and_way(
    target: str, command: tuple[str, ...], build: Build, tmp_path: Path
) -> None:
    check(made_for(target, build), command, tmp_path)
