"""Ternary weights give the same bits on every kind of core, in odd sizes and in instructions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import test_bounds
from building import Build
from fixed import EXACT_OPTIONS, single

from rnn2c.target import Level
from rnn2c.validate.verify import verify

CASES: list[tuple[str, str, Level, int]] = [
    ("lstm", "host", "balanced", 1),
    ("gru", "host", "balanced", 7),
    ("lstm", "cortex-m0plus", "size", 5),
    ("gru", "rv32ec", "balanced", 6),
    ("lstm", "atmega328p", "size", 9),
]


@pytest.mark.parametrize(("cell", "target", "level", "units"), CASES)
def test_a_cell_with_ternary_weights(
    cell: str, target: str, level: Level, units: int, build: Build
) -> None:
    for options in ("ternary", "compact ternary"):
        case = single("one", cell, EXACT_OPTIONS[options], units=units, inputs=units // 2 + 1)
        made = build(case, target, options.replace(" ", "_"), level)
        assert "ternary" in {w.packing for w in made.program.weights}
        report = verify(made.program, made.folder, made.sequences(4))
        assert report.bit_exact, report.to_json()


IN_CODE = ("lstm", "gru", "gru_before", "relu")


@pytest.mark.parametrize("width", ["int16", "int32"])
@pytest.mark.parametrize("cell", IN_CODE)
def test_ternary_weights_in_instructions(cell: str, width: str, build: Build) -> None:
    options = replace(EXACT_OPTIONS["compact ternary"], sum_width=width)
    case = single("one", cell, options, units=9, inputs=7)
    made = build(case, "atmega328p", level="unrolled")
    bits = {"int16": 16, "int32": 24}[width]
    assert f"signs8_{bits}" in {w.packing for w in made.program.weights}
    test_bounds.check(made)
    report = verify(made.program, made.folder, made.sequences(3), checks=False)
    assert report.bit_exact, report.to_json()
