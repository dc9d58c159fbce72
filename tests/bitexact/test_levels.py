"""--optimize: the level changes size and speed, but no bit, not the model id, not a saved state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from building import Build
from core_models import cell, integer, model
from fixed import EXACT_OPTIONS, single, zoo_case
from models import CELLS
from test_bounds import check

from rnn2c.budget import budget
from rnn2c.errors import Rnn2cError
from rnn2c.pipeline import bench, compile_model, lower_model
from rnn2c.target import Level, load_target
from rnn2c.validate.verify import verify

LEVELS = load_target("cortex-m4").levels
OTHERS = [level for level in LEVELS if level != "balanced"]
CORES = ("cortex-m4", "cortex-m0plus", "atmega328p", "rv32imc")


@pytest.mark.parametrize("zoo", ["accurate", "fast", "compact"])
@pytest.mark.parametrize("level", OTHERS)
def test_a_level_changes_no_bit_and_its_bounds_hold(level: str, zoo: str, build: Build) -> None:
    usual = build(zoo_case(zoo), "cortex-m4", "usual")
    made = build(zoo_case(zoo), "cortex-m4", level, level)
    same = replace(usual.program.interface(), stages=())
    assert replace(made.program.interface(), stages=()) == same
    report = verify(made.program, made.folder, made.sequences())
    assert report.bit_exact, report.to_json()
    check(made)


BEYOND: dict[Level, int] = {"size": 1600, "balanced": 3072}
"""Bytes of code and tables."""


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m3", "cortex-m0plus", "cortex-m55"])
def test_bounds_hold_for_long_rows_written_out(target: str, kind: str, build: Build) -> None:
    check(build(single("one", kind, EXACT_OPTIONS["int8"], units=90), target, level="speed"))


@pytest.mark.parametrize(
    ("kind", "inputs", "units", "level"),
    [
        *((kind, 10, 64, level) for kind in ("lstm", "gru") for level in BEYOND),
        ("gru", 40, 128, "balanced"),
    ],
)
def test_flash_beyond_the_weights_of_one_layer(
    kind: str, inputs: int, units: int, level: Level
) -> None:
    """int8: what a firmware links, and a stack of 256 bytes at most."""
    layer = cell(kind, inputs, units, np.random.default_rng(1))
    net = integer(model((layer,), (("y", "rnn"),), inputs))
    most = BEYOND[level]
    program = lower_model(net, load_target("cortex-m4"), level=level)
    got = bench(program, [], steps=2)
    called = got.measured.called
    assert called.code + called.other + called.tables <= most
    assert got.measured.stack_bytes <= 256
    assert got.measured.ram.total == budget(program).ram
    assert called.code < got.measured.flash.code
    if level == "size":  # with save, restore and run, too
        assert got.measured.flash.total - called.weights <= most


@pytest.mark.full
@pytest.mark.parametrize("options", EXACT_OPTIONS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("target", "level"),
    [(c, level) for c in CORES for level in load_target(c).levels if level != "balanced"],
)
def test_one_cell_with_every_option(
    target: str, level: str, cell: str, options: str, build: Build
) -> None:
    units = 13 if level == "unrolled" else 29  # straight code of all weights has to fit the part
    case = single("one", cell, EXACT_OPTIONS[options], units=units)
    made = build(case, target, level, level)
    report = verify(made.program, made.folder, made.sequences(), checks=False)
    assert report.bit_exact, report.to_json()
    check(made)


@pytest.mark.parametrize("level", LEVELS)
def test_the_files_say_the_level(level: str, build: Build) -> None:
    made = build(zoo_case("accurate"), "host", level, level)
    for suffix in (".h", ".c"):
        assert (
            f"for target host, level {level}, numeric profile accurate; do not edit"
            in made.text(suffix)
        )


def test_a_level_is_the_compiler_flag_of_its_measurements() -> None:
    target = load_target("cortex-m4")
    assert [target.at(level).compiler.optimize for level in LEVELS] == ["-Os", "-O2", "-O2"]
    assert load_target("atmega328p").at("size") == load_target("atmega328p")


def test_an_unknown_level_lists_the_known_ones() -> None:
    case = zoo_case("accurate")
    with pytest.raises(Rnn2cError, match="no level 'fast' to optimize for: size, balanced, speed"):
        compile_model(case.model, case.data, load_target("host"), case.options, level="fast")


def test_a_target_without_a_level_names_those_that_it_has() -> None:
    levels = "host has no level 'unrolled' to optimize for: size, balanced, speed$"
    case = zoo_case("accurate")
    with pytest.raises(Rnn2cError, match=levels):
        compile_model(case.model, case.data, load_target("host"), case.options, level="unrolled")
