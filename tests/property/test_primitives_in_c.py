"""The C that rnn2c makes of every primitive computes what numpy computes, on several machines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import primitive_program
import pytest
from primitive_cases import CASES
from primitive_program import BLOCKS, arguments, expected, run

from rnn2c.target import load_target
from rnn2c.validate.toolchain import BuildOptions

HOST_BLOCK = 13_000
AVR_BLOCK = 60


def differences(got: dict[str, list[int]], wanted: dict[str, list[int]], block: int) -> list[str]:
    """One line per case that differs: where, and the first arguments of that block."""
    found = []
    for number, case in enumerate(CASES):
        bad = [k for k in range(BLOCKS) if got[str(case)][k] != wanted[str(case)][k]]
        if bad:
            drawn = arguments(case, number, block * BLOCKS)
            first = bad[0] * block
            spans = [k for k, s in enumerate(case.arguments) if not isinstance(s, str)]
            rows = [drawn[k][first : first + 3].tolist() for k in spans]
            found.append(f"{case}: blocks {bad}, from sample {first} on, arguments {rows}")
    return found


@pytest.mark.parametrize(
    "build",
    [
        BuildOptions("gcc", "-O0", sanitizers=("undefined",)),
        BuildOptions("gcc", "-O2"),
        BuildOptions("clang", "-O2"),
    ],
    ids=["gcc-O0-ubsan", "gcc-O2", "clang-O2"],
)
def test_on_the_host_on_104_000_samples_a_case(build: BuildOptions, tmp_path: Path):
    got = run(load_target("host"), tmp_path, HOST_BLOCK, build)
    assert differences(got, expected(HOST_BLOCK), HOST_BLOCK) == []


def test_on_avr_where_int_has_16_bits(tmp_path: Path):
    got = run(load_target("atmega2560"), tmp_path, AVR_BLOCK, BuildOptions())
    assert differences(got, expected(AVR_BLOCK), AVR_BLOCK) == []


def test_the_arguments_stay_in_their_spans_and_reach_the_boundaries():
    for number, case in enumerate(CASES):
        for a, drawn in zip(case.arguments, arguments(case, number, 2000), strict=True):
            if not isinstance(a, str):
                assert (drawn.min(), drawn.max()) == a
                assert len(np.unique(drawn)) >= min(a[1] - a[0] + 1, 100) // 2


def test_a_wrong_translation_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """blend with a rounding constant that is one too small."""
    right = primitive_program.definition

    def wrong(function, prefix):
        text = right(function, prefix)
        return text.replace("+ 16384", "+ 16383") if function.name == "blend" else text

    monkeypatch.setattr(primitive_program, "definition", wrong)
    got = run(load_target("host"), tmp_path, 5000, BuildOptions())
    (line,) = differences(got, expected(5000), 5000)
    assert line.startswith("blend(-32768..32767, -32768..32767, 0..32767): blocks [")
