"""Kernels of all formats over sizes of 1 to 70: the bits of the reference."""

from __future__ import annotations

import pytest
from building import Build
from fixed import EXACT_OPTIONS, single

from rnn2c.ir.program import Dot, Stage
from rnn2c.target import Level
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import verify

SIZES = [(1, 1), (1, 70), (2, 9), (16, 3), (31, 34), (33, 5), (64, 18), (70, 7)]
SAMPLE: list[tuple[int, int, str, str, Level]] = [
    (inputs, units, options, cell, level)
    for k, (inputs, units) in enumerate(SIZES)
    for n, options in enumerate(("int8", "int4", "int16", "int16 split", "compact int4"))
    for cell in [("lstm", "gru", "tanh", "gru_before")[(k + n) % 4]]
    for level in [("balanced", "speed", "size")[(k + 2 * n) % 3]]
]
FEW = [case for k, case in enumerate(SAMPLE) if k % 4 == 1]


def check(
    case: tuple[int, int, str, str, Level],
    build: Build,
    options: BuildOptions,
    core: str = "cortex-m4",
) -> None:
    inputs, units, format_, cell, level = case
    model = single("one", cell, EXACT_OPTIONS[format_], units=units, inputs=inputs, gain=12.0)
    made = build(model, core, level=level)
    report = verify(made.program, made.folder, made.sequences(4), build=options, checks=False)
    assert report.bit_exact, report.to_json()
    dots = [i for op in made.program.operations() if isinstance(op, Stage) for i in op.body]
    assert units < 5 or any(isinstance(i, Dot) and i.kernel for i in dots)


@pytest.mark.parametrize("case", FEW, ids=str)
def test_sizes_of_all_formats(case: tuple[int, int, str, str, Level], build: Build) -> None:
    check(case, build, BuildOptions(optimize="-O2"))


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m0plus"])
@pytest.mark.parametrize("case", FEW, ids=str)
def test_sizes_of_formats_without_smlad(
    case: tuple[int, int, str, str, Level], core: str, build: Build
) -> None:
    check(case, build, BuildOptions(optimize="-O2"), core)


@pytest.mark.full
@pytest.mark.parametrize("optimize", ["-O0", "-O3"])
@pytest.mark.parametrize("case", SAMPLE, ids=str)
def test_more_sizes_of_all_formats(
    case: tuple[int, int, str, str, Level], optimize: str, build: Build
) -> None:
    check(case, build, BuildOptions(optimize=optimize))
