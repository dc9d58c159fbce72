"""Every emulated target computes the reference's bits, with every compiler and level we name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from building import Build
from fixed import EXACT_OPTIONS, ZOOS, single, zoo_case
from models import CELLS, random_model

from rnn2c.errors import TooLargeError
from rnn2c.ir.program import Dot, Stage
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import Target, list_targets, load_target
from rnn2c.validate.compare import compare
from rnn2c.validate.runner import run_sequences
from rnn2c.validate.toolchain import (
    CHECKED_FLAGS,
    BuildOptions,
    ToolError,
    compile_object,
    find_tool,
    run_tool,
)
from rnn2c.validate.verify import reference, verify

EMULATED = [t.name for t in list_targets() if t.emulator.kind != "native"]
SIBLINGS = (
    "atmega1284p",
    "attiny1614",
    "cortex-m33",
    "cortex-m7",
    "cortex-m85",
    "esp32c3",
    "rv32imac",
)
"""They run the code of another target; all of it in the full tests."""
CHECKED_ZOOS = ("accurate", "compact hot")  # the promises of the interface too


@pytest.mark.parametrize(
    ("target", "zoo"),
    [
        pytest.param(
            t, z, marks=pytest.mark.full if t in SIBLINGS and z not in CHECKED_ZOOS else ()
        )
        for t in EMULATED
        for z in ZOOS
    ],
)
def test_every_cell_and_profile_is_bit_exact(target: str, zoo: str, build: Build) -> None:
    chip = load_target(target)
    if chip.emulator.flash_bytes:  # the machine has more room than some chips
        chip = replace(chip, limits=None)
    made = build(zoo_case(zoo), chip)
    report = verify(made.program, made.folder, made.sequences(), checks=zoo in CHECKED_ZOOS)
    assert report.bit_exact, report.to_json()


def test_what_does_not_compile_for_a_chip_does_not_run_on_another_one(build: Build) -> None:
    chip = load_target("attiny1614")
    unknown = replace(chip.compiler, flags=("-mmcu=attiny9999",))
    made = build(single("one", "gru", EXACT_OPTIONS["compact"]), chip)
    program = replace(made.program, target=replace(chip, compiler=unknown))
    with pytest.raises(ToolError, match="attiny9999"):
        verify(program, made.folder, made.sequences(2))


@pytest.mark.full
@pytest.mark.parametrize("options", EXACT_OPTIONS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("target", EMULATED)
def test_one_cell_with_every_option(target: str, cell: str, options: str, build: Build) -> None:
    gain = 1.0 if CELLS.index(cell) % 2 else 12.0
    made = build(single("one", cell, EXACT_OPTIONS[options], units=13, gain=gain), target)
    report = verify(made.program, made.folder, made.sequences(10))
    assert report.bit_exact, report.to_json()


@pytest.mark.parametrize("profile", ["compact", "accurate"])
@pytest.mark.parametrize("target", ["atmega328p", "cortex-m4", "host"])
def test_sums_of_16_bits(target: str, profile: str, build: Build) -> None:
    options = QuantizeOptions(profile=profile, sum_width="int16")  # type: ignore[arg-type]
    for cell in ("lstm", "gru"):
        made = build(single("one", cell, options, units=13, gain=12.0), target, folder=cell)
        assert made.program.target.accumulators[0] != 16 or "i16" in {
            i.width for op in made.program.operations() if isinstance(op, Stage)
            for i in op.body if isinstance(i, Dot)
        }  # fmt: skip
        report = verify(made.program, made.folder, made.sequences(10))
        assert report.bit_exact, report.to_json()


@pytest.mark.parametrize("target", ["atmega328p", "atmega2560", "rv32imc", "rv32ec"])
def test_a_sample_of_random_models(target: str, build: Build) -> None:
    """Others on each of them, of both profiles."""
    check_random_models(target, 1200 + 100 * EMULATED.index(target), 4, build)


@pytest.mark.full
@pytest.mark.parametrize("target", EMULATED)
def test_random_models_that_fit(target: str, build: Build) -> None:
    check_random_models(target, 1000, 12, build)


def check_random_models(target: str, first: int, count: int, build: Build) -> None:
    """So many, in the order of their seeds; one too large for the part is passed over."""
    done = 0
    for seed in range(first, first + 200):
        if done == count:
            return
        try:
            made = build(random_model(seed), target, f"model{seed}")
            report = verify(made.program, made.folder, made.sequences(), checks=False)
        except TooLargeError:
            continue
        assert report.bit_exact, (seed, report.to_json())
        done += 1
    pytest.fail(f"only {done} of 200 random models fit {target}")


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3", "-Os"])
@pytest.mark.parametrize(("target", "zoo"), [("host", "compact hot"), ("cortex-m4", "accurate")])
def test_no_level_of_optimization_changes_a_bit(
    target: str, zoo: str, level: str, build: Build
) -> None:
    made = build(zoo_case(zoo), target)
    options = BuildOptions(optimize=level)
    report = verify(made.program, made.folder, made.sequences(), build=options, checks=False)
    assert report.bit_exact, report.to_json()


@pytest.mark.parametrize("zoo", ZOOS)
def test_no_conversion_ever_changes_a_value(zoo: str, build: Build) -> None:
    """clang's checks beyond the standard: unsigned wrap-around, any lossy implicit conversion."""
    made = build(zoo_case(zoo))
    strict = "-fsanitize=undefined,integer,implicit-conversion"  # of the model, not of the harness
    flags = (strict, "-fno-sanitize-recover=all")
    options = BuildOptions("clang", "-O1", flags=flags, sanitizers=("undefined",))
    sequences = made.sequences()
    got = run_sequences(
        made.folder, made.program.interface(), made.program.target, sequences, build=options
    )
    expected = [reference(made.program, s) for s in sequences]
    assert compare(expected, got, made.program.interface()) is None


# -- warnings -----------------------------------------------------------------------------------

COMPILERS = {
    "gcc": ("host", "gcc"),
    "clang": ("host", "clang"),
    "arm": ("cortex-m4", None),
    "avr": ("atmega328p", None),
    "riscv": ("rv32imc", None),
}
FAULTS = {
    "-std=c99": ("int f(void) { return _Generic(1, int: 0); }", "-std=c11"),
    "-Wall": ("void f(void) { int unused; }", "-Wno-unused-variable"),
    "-Wextra": ("int f(int x) { return 0; }", "-Wno-unused-parameter"),
    "-Wpedantic": ("struct s { int a; int b[0]; };", "-Wno-pedantic"),
    "-Wconversion": ("signed char f(int x) { return x; }", "-Wno-conversion"),
    "-Wsign-conversion": ("unsigned f(int x) { return x; }", "-Wno-sign-conversion"),
    "-Wshadow": ("int f(int x) { int y = x; { int y = 2; x += y; } return x + y; }", "-Wno-shadow"),
    "-Wdouble-promotion": ("double f(float x) { return x * 2.0; }", "-Wno-double-promotion"),
    "-Wundef": ("#if NOWHERE\n#endif\nextern int f;", "-Wno-undef"),
    "-Wstrict-prototypes": ("int f();", "-Wno-strict-prototypes"),
}
"""Flag -> code that only this flag refuses, and what switches exactly that off."""


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flag", FAULTS)
def test_every_warning_of_the_bar_is_an_error(compiler: str, flag: str, tmp_path: Path) -> None:
    source = tmp_path / "fault.c"
    source.write_text(f"{FAULTS[flag][0]}\n")
    target, command = COMPILERS[compiler]
    options = BuildOptions(command)
    with pytest.raises(ToolError, match="compiling fault"):
        compile_object(source, load_target(target), tmp_path / "fault.o", build=options)
    off = replace(options, flags=(FAULTS[flag][1],))
    assert compile_object(source, load_target(target), tmp_path / "fault.o", build=off).is_file()


def test_there_is_a_fault_for_every_flag() -> None:
    assert set(CHECKED_FLAGS) == {*FAULTS, "-Werror"}


def _cpp_command(target: Target) -> str:
    command = "g++" if target.emulator.kind == "native" else target.compiler.command
    return find_tool(command.removesuffix("-gcc") + "-g++" if "-" in command else "g++", "g++")


@pytest.mark.parametrize("target", ["host", "cortex-m4", "atmega328p", "rv32imc"])
@pytest.mark.parametrize("zoo", ["accurate", "compact hot"])
def test_every_file_compiles_as_cpp(target: str, zoo: str, build: Build, tmp_path: Path) -> None:
    made = build(zoo_case(zoo), target)
    chip = made.program.target
    name = made.program.name
    (made.folder / "floats.c").write_text(f'#include "{name}_float.h"\n')
    for file in (f"{name}.c", f"{name}_selftest.c", "floats.c"):
        flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", *chip.compiler.flags, "-x", "c++"]
        command = [_cpp_command(chip), *flags, "-c", str(made.folder / file), "-o", "cpp.o"]
        run_tool(command, tmp_path, f"compiling {file} as C++")
