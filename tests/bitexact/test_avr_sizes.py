"""Kernels of AVR over sizes that need turns of every length, in simavr."""

from __future__ import annotations

from dataclasses import replace

import pytest
import test_bounds
from building import Build, Built
from fixed import COMPACT, EXACT_OPTIONS, single

from rnn2c.emit.units import whole_stages
from rnn2c.target import load_target
from rnn2c.validate.verify import verify

FEW = {
    ("atmega2560", "size"): (("lstm", 1, 67), ("gru", 2, 9)),
    ("atmega328p", "balanced"): (("lstm", 19, 5), ("gru", 33, 1), ("tanh", 30, 7)),
    ("atmega1284p", "speed"): (("gru", 13, 40), ("lstm", 36, 2)),
    ("atmega1284p", "unrolled"): (("gru", 13, 9), ("lstm", 17, 2), ("tanh", 5, 30)),
}
"""Cell, units, inputs: with columns left over and without."""


def check(cell: str, units: int, inputs: int, core: str, level: str, build: Build) -> None:
    case = single("one", cell, EXACT_OPTIONS["compact"], units=units, inputs=inputs)
    made = build(case, core, f"{cell}{units}", level)
    packings = {w.packing for w in made.program.weights}
    assert packings & {"bytes8_24", "immediate8_24"} or units * inputs < 30
    report = verify(made.program, made.folder, made.sequences(4), checks=False)
    test_bounds.check(made)
    assert report.bit_exact, (cell, units, inputs, report.to_json())


@pytest.mark.parametrize(("core", "level"), FEW)
def test_a_few_sizes(core: str, level: str, build: Build) -> None:
    for cell, units, inputs in FEW[core, level]:
        check(cell, units, inputs, core, level, build)


@pytest.mark.parametrize(
    ("cell", "changes", "level"),
    [
        ("gru_before", {}, "speed"),
        ("gru_before", {"sum_width": "int16"}, "unrolled"),
        ("relu", {}, "speed"),
        ("relu", {"sum_width": "int16"}, "unrolled"),
        ("gru", {"inputs": "int8"}, "speed"),
        ("lstm", {"inputs": "int8"}, "unrolled"),
    ],
)
def test_every_stage_of_a_network_is_in_assembly(
    cell: str, changes: dict[str, str], level: str, build: Build
) -> None:
    case = single("one", cell, replace(COMPACT, **changes), units=12)
    made = build(case, "atmega328p", level=level)
    of_kernels = {dot.weight for dot in made.program.kernels}
    assert of_kernels
    whole = whole_stages(made.program)
    assert of_kernels == whole.keys()
    for _, _, units in whole.values():
        lines = list(units.lines)
        given_back = lines[lines.index("pop r0") :] if "in r28, __SP_L__" in lines else []
        end = given_back.index("ret") if given_back else 0
        assert not any(
            "Y+" in line for line in given_back[:end]
        )  # an interrupt may have been there
    test_bounds.check(made)
    report = verify(made.program, made.folder, made.sequences(4), checks=False)
    assert report.bit_exact, report.to_json()


@pytest.mark.parametrize("options", ["compact int4", "sums of 16 bits"])
def test_weights_in_instructions_of_any_width(options: str, build: Build) -> None:
    narrow = {**EXACT_OPTIONS, "sums of 16 bits": replace(COMPACT, sum_width="int16")}
    case = single("one", "gru", narrow[options], units=11, inputs=7)
    made = build(case, "atmega328p", level="unrolled")
    assert any(w.packing.startswith("immediate8") for w in made.program.weights)
    test_bounds.check(made)
    report = verify(made.program, made.folder, made.sequences(4), checks=False)
    assert report.bit_exact, report.to_json()


NIBBLES = {"compact int4": EXACT_OPTIONS["compact int4"]}
NIBBLES["compact int4, inputs of 8 bits"] = replace(NIBBLES["compact int4"], inputs="int8")
NIBBLES["compact int4, sums of 16 bits"] = replace(NIBBLES["compact int4"], sum_width="int16")


def check_nibbles(cell: str, units: int, inputs: int, options: str, made: Built) -> None:
    wide = options == "compact int4" and units * inputs > 400
    assert any(w.packing.startswith("nibbles8") for w in made.program.weights) or not wide
    test_bounds.check(made)
    report = verify(made.program, made.folder, made.sequences(4), checks=False)
    assert report.bit_exact, (cell, units, report.to_json())


@pytest.mark.parametrize(
    ("options", "cell", "units", "inputs", "level"),
    [
        ("compact int4", "lstm", 22, 21, "speed"),
        ("compact int4, inputs of 8 bits", "gru", 35, 20, "balanced"),
        ("compact int4, sums of 16 bits", "gru", 9, 7, "speed"),
        ("compact int4, sums of 16 bits", "tanh", 21, 1, "size"),
    ],
)
def test_two_weights_in_a_byte(
    options: str, cell: str, units: int, inputs: int, level: str, build: Build
) -> None:
    case = single("one", cell, NIBBLES[options], units=units, inputs=inputs)
    made = build(case, "atmega328p", level=level)
    assert any(w.packing.startswith("nibbles8") for w in made.program.weights)
    check_nibbles(cell, units, inputs, options, made)


@pytest.mark.full
@pytest.mark.parametrize("core", ["near", "far"])
@pytest.mark.parametrize("level", ["size", "balanced", "speed"])
@pytest.mark.parametrize("options", NIBBLES)
@pytest.mark.parametrize("units", [1, 2, 3, 8, 15, 33, 64])
@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_before", "tanh"])
def test_two_weights_in_a_byte_of_all_sizes(
    cell: str, units: int, options: str, level: str, core: str, build: Build
) -> None:
    chosen = load_target("atmega2560")
    target = chosen.without_near if core == "far" else chosen
    case = single("one", cell, NIBBLES[options], units=units, inputs=70 - units)
    check_nibbles(cell, units, 70 - units, options, build(case, target, level=level))


@pytest.mark.full
@pytest.mark.parametrize("level", load_target("atmega2560").levels)
@pytest.mark.parametrize("units", [*range(1, 20), 31, 32, 33, 47, 64])
@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_before", "tanh"])
def test_all_sizes(cell: str, units: int, level: str, build: Build) -> None:
    check(cell, units, 70 - units, "atmega2560", level, build)
