"""Cells that are not the common form: the C computes the reference's bits, on host and chips.

Networks of several layers side by side hold every variant; a gain of 40 drives the bounded ones
into saturation, one of 1 lets the others grow.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cell_variants import VARIANTS
from core_models import data
from fixed import EXACT_OPTIONS
from variations import together

from rnn2c.pipeline import compile_model, emit
from rnn2c.target import load_target
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

HOT = 40.0
BUILDS = {
    0.6: BuildOptions("clang", "-O3"),
    HOT: BuildOptions("gcc", "-O0", sanitizers=("undefined", "address")),
}
NAMES = list(VARIANTS)
GROUPS = [NAMES[k::6] for k in range(6)]
OPTIONS = list(EXACT_OPTIONS.values())


def check(
    names: list[str], which: int, gain: float, folder: Path, target: str, build: BuildOptions
) -> None:
    model = together(names, gain)
    sequences = data(model, count=2, steps=8)
    made = compile_model(model, sequences, load_target(target), OPTIONS[which % len(OPTIONS)])
    program = made.program
    emit(program, folder)
    given = [*raw_sequences(program, sequences.sequences[:1]), *stress_sequences(program, 10)]
    report = verify(program, folder, given, build=build)
    assert report.bit_exact, report.to_json()


@pytest.mark.parametrize("gain", BUILDS, ids=["calm", "hot"])
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_variants_on_the_host(group: int, gain: float, tmp_path: Path) -> None:
    check(GROUPS[group], group + (gain == HOT), gain, tmp_path, "host", BUILDS[gain])


@pytest.mark.parametrize("target", ["cortex-m4", "atmega2560"])
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_variants_on_chips(group: int, target: str, tmp_path: Path) -> None:
    check(GROUPS[group], group, 0.6, tmp_path, target, BuildOptions())
