"""Kernels of matrices with zeros in blocks are bit-exact: every shape, core, compiler and level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core_models import cell, data, linear, model
from pruned import pruned

from rnn2c.budget import budget
from rnn2c.ir.graph import Layer, Model, Tensor
from rnn2c.ir.program import Dot, Program, Stage
from rnn2c.ir.temporal import Conv1d
from rnn2c.pipeline import QuantizeOptions, compile_model, emit
from rnn2c.target import Level, load_target
from rnn2c.validate.measure import measure
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

BLOCKS8 = {
    "cortex-m4": {"blocks8x4", "blocks8x2", "blocks8x2_eight"},
    "cortex-m3": {"blocks8x4_v7m", "blocks8x2_v7m", "blocks8x2_eight_v7m"},
    "cortex-m0plus": {"blocks8x4_v6m", "blocks8x2_v6m"},
    "cortex-m55": {"blocks16x4"},
}
OTHERS = ("cortex-m3", "cortex-m0plus", "cortex-m55")
LEVELS: tuple[Level, ...] = ("size", "balanced", "speed")


def sparse() -> Model:
    """Odd sizes in every form of blocks, one and two vectors; a convolution with three of them."""
    rng = np.random.default_rng(5)
    filters = rng.normal(0, 0.3, (16, 3 * 9))
    filters[3:] = 0
    groups: tuple[tuple[tuple[Layer, ...], int, int], ...] = (
        (
            (
                linear("front", "x", 21, 9, rng),
                Conv1d(
                    name="filters", inputs=("front",), weight=Tensor(filters),
                    bias=rng.normal(0, 1, 16), kernel=3, pads=(2, 0),
                ),
                cell("lstm", 16, 23, rng, "lstm", "filters"),
            ),
            1, 4,
        ),
        ((cell("gru", 23, 17, rng, "gru", "lstm"),), 2, 2),
        ((cell("gru", 17, 18, rng, "wide_gru", "gru"),), 2, 4),
        ((cell("lstm", 18, 19, rng, "wide_lstm", "wide_gru"),), 2, 2),
        ((linear("fc", "wide_lstm", 19, 30, rng),), 8, 2),
        ((linear("y", "fc", 30, 13, rng),), 4, 4),
    )  # fmt: skip
    layers = tuple(
        layer
        for part, units, columns in groups
        for layer in pruned(model(part, (), 1), units, columns, 0.2).layers
    )
    return model(layers, (("y", "y"),), 21)


def check(
    folder: Path, target: str = "cortex-m4", level: Level = "balanced",
    build: BuildOptions = DEFAULT_BUILD, options: QuantizeOptions | None = None,
) -> Program:  # fmt: skip
    """Bit-exact for usual and extreme inputs, no more code and stack than said; the program."""
    source = sparse()
    sequences = data(source, 1, 5)
    compiled = compile_model(
        source, sequences, load_target(target), options or QuantizeOptions(), level=level
    )
    emit(compiled.program, folder)
    inputs = [
        *raw_sequences(compiled.program, sequences.sequences),
        *stress_sequences(compiled.program, 5),
    ]
    report = verify(compiled.program, folder, inputs, build=build)
    assert report.bit_exact, report.to_json()
    if build == DEFAULT_BUILD:
        got = measure(folder, compiled.program.interface(), compiled.program.target, inputs[0])
        bound = budget(compiled.program)
        assert got.flash.code + got.flash.other <= bound.code
        assert got.stack_bytes <= bound.stack
    return compiled.program


@pytest.mark.parametrize(
    ("target", "level"),
    [
        *(("cortex-m4", level) for level in LEVELS),
        *((target, "balanced") for target in OTHERS),
        *(pytest.param(t, level, marks=pytest.mark.full) for t in OTHERS for level in LEVELS),
    ],
)
def test_every_form_of_blocks(target: str, level: Level, tmp_path: Path):
    p = check(tmp_path, target, level=level)
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    kernels = [i.kernel for s in stages for i in s.body if isinstance(i, Dot) and i.kernel]
    assert {k.family for k in kernels} >= BLOCKS8[target]


@pytest.mark.parametrize("target", ["cortex-m7", "cortex-m33"])
def test_every_core_with_these_kernels(target: str, tmp_path: Path):
    check(tmp_path, target)


@pytest.mark.parametrize(
    "build",
    [
        BuildOptions(optimize="-O0"),
        BuildOptions(optimize="-O3", flags=("-flto",)),
        BuildOptions(optimize="-O1", flags=("-fpic", "-fno-omit-frame-pointer")),
    ],
    ids=str,
)
def test_every_way_to_compile(build: BuildOptions, tmp_path: Path):
    check(tmp_path, build=build)


def test_x_and_h_apart(tmp_path: Path):
    check(tmp_path, options=QuantizeOptions(accumulate="split"))


@pytest.mark.full
def test_vectors_of_16_bits_on_a_core_that_sums_rows_apart(tmp_path: Path):
    p = check(tmp_path, "cortex-m0plus", options=QuantizeOptions(activations="int16"))
    assert any(w.packing.endswith("_apart_v6m") for w in p.weights)
