"""Ternary weights give the same bits on every kind of core, and at every level of AVR."""

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


ON_AVR: list[tuple[str, int, Level, int, str]] = [
    *[(cell, 9, "unrolled", 16, "signs8_16") for cell in ("lstm", "gru", "relu")],
    *[(cell, 9, "unrolled", 32, "signs8_24") for cell in ("lstm", "gru", "gru_before")],
    ("lstm", 9, "size", 16, "codes8_16"),
    ("gru_before", 7, "balanced", 32, "codes8_24"),
    ("relu", 6, "balanced", 32, "codes8_24"),
    ("lstm", 25, "speed", 32, "codes8_24"),
    ("gru", 34, "speed", 32, "codes8_24"),
    ("gru", 9, "speed", 16, "bytes8_16"),
]
"""Cell, units, level, width of sums; the packing of one of its weights."""


@pytest.mark.parametrize(("cell", "units", "level", "width", "packing"), ON_AVR)
def test_ternary_weights_on_avr(
    cell: str, units: int, level: Level, width: int, packing: str, build: Build
) -> None:
    options = replace(EXACT_OPTIONS["compact ternary"], sum_width=f"int{width}")
    case = single("one", cell, options, units=units, inputs=7)
    made = build(case, "atmega328p", level=level)
    assert packing in {w.packing for w in made.program.weights}
    test_bounds.check(made)
    report = verify(made.program, made.folder, made.sequences(3), checks=False)
    assert report.bit_exact, report.to_json()
