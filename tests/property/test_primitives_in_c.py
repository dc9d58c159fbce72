"""The C that rnn2c makes of every primitive computes what numpy computes, on several machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import primitive_program
import pytest
from primitive_cases import CASES, I32, Case, at
from primitive_program import BLOCKS, Cases, arguments, expected, has_own, run

from rnn2c.target import Target, load_target
from rnn2c.validate.toolchain import BuildOptions

HOST_BLOCK, FULL_BLOCK = 13_000, 1_250_000
AVR_BLOCK = 60
AVR_OWN_BLOCK, AVR_EVERY_BLOCK = 150, 8192
EVERY_BLOCK = 18_000  # of eight: more than the spans have
SMALL = {"lut", "look", "lut_half", "look_half", "sat8", "sat16"}


def differences(
    got: dict[str, list[int]], wanted: dict[str, list[int]], block: int, cases: Cases = CASES
) -> list[str]:
    """One line per case that differs: where, and the first arguments of that block."""
    found = []
    for number, case in enumerate(cases):
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


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m3"])
def test_without_branches_on_cores_that_choose_so(target: str, tmp_path: Path):
    got = run(load_target(target), tmp_path, HOST_BLOCK // 4, BuildOptions())
    assert differences(got, expected(HOST_BLOCK // 4), HOST_BLOCK // 4) == []


I16, I24 = (-(2**15), 2**15 - 1), (-(2**23), 2**23 - 1)
SUMS = (I16, I24, (-70000, 70000), I32)
LIMITS = ((-2048, 2047), (0, 32767), (-32768, -5), (0, 0), (-32768, 32767))
HALVES = (64 - 2**15, 2**15 - 65)
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33", "cortex-m55")
OWN = [
    *CASES,
    *[Case(f"sat{bits}", ((-70000, 70000),), lambda *_: 0) for bits in (8, 16)],
    *[Case("shift_sat", (I32, at(s), at(b)), lambda *_: 0) for s in (0, 4, 31) for b in (2, 9, 16)],
    *[Case("clamp", (I32, at(~hi), at(hi)), lambda *_: 0) for hi in (1, 127, 32767, 2**31 - 1)],
    *[Case("clamp", ((-40000, 40000), at(-300), at(hi)), lambda *_: 0) for hi in (-300, 511)],
    *[Case("shift_sat16", (s, at(n)), lambda *_: 0) for n in range(8) for s in SUMS],
    *[Case("grow_sat16", (s, at(n)), lambda *_: 0) for n in range(1, 15) for s in SUMS],
    *[Case("clamp", (s, at(lo), at(hi)), lambda *_: 0) for s in SUMS for lo, hi in LIMITS],
    *[Case("round_sat8", (HALVES, at(n)), lambda *_: 0) for n in range(1, 8)],
]
"""With literals, too, for which a target may have functions of their own."""


def own_cases(target: Target) -> list[Case]:
    """What the target computes with bodies of its own."""
    return [c for c in OWN if has_own(target, c)]


def check_own(target: Target, block: int, folder: Path) -> None:
    cases = own_cases(target)
    got = run(target, folder, block, BuildOptions(), cases)
    assert differences(got, expected(block, cases), block, cases) == []


def test_bodies_of_their_own_on_cores_with_dsp_on_104_000_samples_a_case(tmp_path: Path):
    names = {c.primitive for c in own_cases(load_target("cortex-m4"))}
    assert names >= {"lut", "look", "sat8", "sat16", "high_round", "gated_sum", "clamp"}
    check_own(load_target("cortex-m4"), HOST_BLOCK, tmp_path)


def test_bodies_of_their_own_on_a_core_without_long_multiplication(tmp_path: Path):
    names = {c.primitive for c in own_cases(load_target("cortex-m0plus"))}
    assert names == {"requantize_wide", "lut", "sat8", "sat16", "clamp", "shift_sat"}
    check_own(load_target("cortex-m0plus"), HOST_BLOCK, tmp_path)


def test_bodies_of_their_own_on_avr(tmp_path: Path):
    target = load_target("atmega2560")  # they are more than 32 KB
    names = {c.primitive for c in own_cases(target)}
    assert names == {
        *("lut_u8", "lut_slope", "mul_u8", "add_sat16"),
        *("clamp", "shift_sat16", "grow_sat16", "round_sat8"),
    }
    check_own(target, AVR_OWN_BLOCK, tmp_path)


@pytest.mark.full
def test_every_16_bit_argument_of_bodies_of_their_own_on_avr(tmp_path: Path):
    target = load_target("atmega2560")
    few = [c for c in own_cases(target) if c.primitive in {"lut_u8", "lut_slope", "round_sat8"}]
    every = [replace(c, counted=True) for c in few]
    got = run(target, tmp_path, AVR_EVERY_BLOCK, BuildOptions(), every)
    assert differences(got, expected(AVR_EVERY_BLOCK, every), AVR_EVERY_BLOCK, every) == []


@pytest.mark.full
@pytest.mark.parametrize("target", CORES)
def test_bodies_of_their_own_on_ten_million_samples_a_case(target: str, tmp_path: Path):
    check_own(load_target(target), FULL_BLOCK, tmp_path)


def test_every_16_bit_argument_of_bodies_of_their_own(tmp_path: Path):
    target = load_target("cortex-m4")
    few = [c for c in own_cases(target) if c.primitive in SMALL]
    every = [replace(c, counted=True) for c in few]
    every = [
        c for c in every if all(isinstance(a, str) or a[1] - a[0] < 2**18 for a in c.arguments)
    ]
    assert {c.primitive for c in every} == SMALL
    got = run(target, tmp_path, EVERY_BLOCK, BuildOptions(), every)
    assert differences(got, expected(EVERY_BLOCK, every), EVERY_BLOCK, every) == []


def test_the_arguments_stay_in_their_spans_and_reach_the_boundaries():
    for number, case in enumerate(CASES):
        for a, drawn in zip(case.arguments, arguments(case, number, 2000), strict=True):
            if not isinstance(a, str):
                assert (drawn.min(), drawn.max()) == a
                assert len(np.unique(drawn)) >= min(a[1] - a[0] + 1, 100) // 2


def test_a_wrong_translation_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """blend with a rounding constant that is one too small."""
    right = primitive_program.definition

    def wrong(function, prefix, **how):
        text = right(function, prefix, **how)
        return text.replace("+ 16384", "+ 16383") if function.name == "blend" else text

    monkeypatch.setattr(primitive_program, "definition", wrong)
    got = run(load_target("host"), tmp_path, 5000, BuildOptions())
    (line,) = differences(got, expected(5000), 5000)
    assert line.startswith("blend(-32768..32767, -32768..32767, 0..32767): blocks [")
