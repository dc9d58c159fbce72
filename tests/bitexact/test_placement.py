"""Where the user puts code and weights: RNN2C_ATTR_CODE and RNN2C_ATTR_WEIGHTS."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import Build, Built
from fixed import EXACT_OPTIONS, single, zoo_case

from rnn2c.validate.sizes import Symbol, object_sizes
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import verify

COMPILERS = {"cortex-m4": None, "rv32imc": None, "host": "clang"}
COLD = ("init", "run", "save", "restore", "put", "get")


def placed(section: str) -> str:
    """A macro for the command line that puts what it is given to into `section`."""
    return f'__attribute__((section("{section}")))'


def symbols(made: Built, out: Path, build: BuildOptions) -> dict[str, Symbol]:
    return {s.name: s for s in object_sizes(made.compiled(out, build)).symbols}


@pytest.mark.parametrize(("target", "compiler"), COMPILERS.items())
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_what_runs_at_every_step_and_the_weights_move(
    target: str, compiler: str | None, level: str, build: Build, tmp_path: Path
) -> None:
    """At -O0 nothing is inlined, so every helper shows where it lies."""
    made = build(zoo_case("accurate"), target)
    flags = (
        f"-DRNN2C_ATTR_CODE={placed('.ramfunc')}",
        f"-DRNN2C_ATTR_WEIGHTS={placed('.slow_flash')}",
    )
    found = symbols(made, tmp_path, BuildOptions(compiler, level, flags))
    functions = {name for name, s in found.items() if s.is_function}
    hot = {s.name for s in found.values() if s.is_function and s.section == ".ramfunc"}
    assert {f"{made.name}_step", f"{made.name}_finish"} <= hot
    assert hot == functions - {f"{made.name}_{f}" for f in COLD}
    tables = {f"{made.name}_{c.name}" for c in made.program.consts if c.kind == "table"}
    stay = {s.name for s in found.values() if s.section.startswith(".rodata")}
    assert tables
    assert stay == tables
    moved = {s.name for s in found.values() if s.section == ".slow_flash"}
    assert moved == found.keys() - functions - tables
    assert f"{made.name}_lstm_weights" in moved


def test_nothing_moves_by_default(build: Build, tmp_path: Path) -> None:
    made = build(single("int4", "lstm", EXACT_OPTIONS["int4"]), "cortex-m4")
    for symbol in symbols(made, tmp_path, BuildOptions()).values():
        kind = ".text" if symbol.is_function else ".rodata"
        assert symbol.section == f"{kind}.{symbol.name}"


def test_moved_code_computes_the_same(build: Build) -> None:
    """The linker script of the harness has no such section: it goes where the linker likes."""
    made = build(zoo_case("accurate"), "cortex-m4")
    flags = (
        f"-DRNN2C_ATTR_CODE={placed('.text.hot')}",
        f"-DRNN2C_ATTR_WEIGHTS={placed('.rodata.far')}",
    )
    options = BuildOptions(flags=flags)
    report = verify(made.program, made.folder, made.sequences(), build=options, checks=False)
    assert report.bit_exact, report.to_json()
