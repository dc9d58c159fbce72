"""Narrow heads: instructions of one step, and that their kernels give the bits of the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core_models import data, linear, model

from rnn2c.ir.program import Dot, Program, Stage
from rnn2c.pipeline import compile_model, emit
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import load_target
from rnn2c.validate.measure import measure
from rnn2c.validate.verify import raw_sequences, verify

BLOCKS = [
    *(("cortex-m4", 64, rows, block) for rows, block in ((1, 2), (2, 2), (3, 4), (4, 4), (5, 2))),
    *(("cortex-m4", 24, 7, 4), ("cortex-m4", 128, 10, 2), ("cortex-m4", 32, 32, 4)),
    *(("cortex-m3", 64, 1, 2), ("cortex-m3", 24, 7, 4)),
    *(("cortex-m0plus", 64, 1, 2), ("cortex-m0plus", 24, 7, 4)),
    *(("cortex-m55", 64, rows, rows) for rows in (1, 2, 3, 4, 5, 6)),
    *(("cortex-m55", 24, 7, 4), ("cortex-m55", 128, 10, 5), ("cortex-m55", 32, 32, 4)),
]
"""Target, columns and rows of a head, rows of a block of its kernel."""

MOST = [
    *(("cortex-m4", 64, 1, 155), ("cortex-m4", 64, 3, 285), ("cortex-m4", 24, 7, 260)),
    *(("cortex-m3", 64, 1, 350), ("cortex-m0plus", 64, 1, 580)),
    *(("cortex-m55", 64, 1, 52), ("cortex-m55", 64, 3, 92), ("cortex-m55", 128, 10, 365)),
]
"""The most instructions of the stage of a head, without the copy of its input."""


def head(target: str, columns: int, rows: int, level: str = "balanced") -> Program:
    rng = np.random.default_rng(0)
    made = model((linear("fc", "x", columns, rows, rng),), (("y", "fc"),), columns)
    sequences = data(made, 1, 2)
    options = QuantizeOptions()
    return compile_model(made, sequences, load_target(target), options, level=level).program


def block_of(program: Program) -> int:
    stages = [op for op in program.operations() if isinstance(op, Stage)]
    (kernel,) = [i.kernel for s in stages for i in s.body if isinstance(i, Dot)]
    assert kernel is not None
    return kernel.units


@pytest.mark.parametrize(("target", "columns", "rows", "block"), BLOCKS)
def test_blocks_have_as_many_rows_as_take_the_least_work(
    target: str, columns: int, rows: int, block: int
) -> None:
    assert block_of(head(target, columns, rows)) == block


@pytest.mark.parametrize(("target", "columns", "rows", "most"), MOST)
def test_the_instructions_of_a_head(
    target: str, columns: int, rows: int, most: int, tmp_path: Path
) -> None:
    program = head(target, columns, rows)
    emit(program, tmp_path)
    rng = np.random.default_rng(1)
    inputs = raw_sequences(program, [{"x": rng.normal(0, 1, (3, columns))}])[0]
    got = measure(tmp_path, program.interface(), program.target, inputs)
    assert got.step.stage_instructions[-1] <= most


@pytest.mark.parametrize("level", load_target("cortex-m4").levels)
@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m3", "cortex-m0plus", "cortex-m55"])
@pytest.mark.parametrize(("columns", "rows"), [(65, 1), (33, 5)])
def test_the_bits_of_a_head(
    target: str, level: str, columns: int, rows: int, tmp_path: Path
) -> None:
    program = head(target, columns, rows, level)
    emit(program, tmp_path)
    x = {"x": np.random.default_rng(1).normal(0, 3, (4, columns))}
    report = verify(program, tmp_path, raw_sequences(program, [x]))
    assert report.bit_exact, report.to_json()
