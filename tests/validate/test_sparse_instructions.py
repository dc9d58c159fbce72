"""What zeros in blocks save: instructions of the kernels and of a step, bytes of weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

import pytest
from core_models import cell_model
from counted import counted
from pruned import pruned

from rnn2c import pipeline
from rnn2c.emit.kernels import GENERATORS
from rnn2c.ir.program import Dot, Program, Stage
from rnn2c.tailor.sums import TURN, WORD_TURN

SHAPES = {"a": (10, 64), "b": (40, 128)}


@dataclass(frozen=True)
class Step:
    """instructions: of a step; sums: of its kernels, without calls; weights: bytes of flash."""

    instructions: int
    sums: int
    weights: int


@cache
def cell_step(
    target: str, kind: str, shape: str, units: int = 1, columns: int = 4, kept: float = 1
) -> Step:
    """With the weights pruned, and the kernels counted as what differs from ones without loops."""
    source = pruned(cell_model(kind, *SHAPES[shape]), units, columns, kept)
    step, weights, _ = one(source, target)
    straight_on = {"balanced": TURN["speed"]}
    with patch.dict(TURN, straight_on), patch.dict(WORD_TURN, straight_on):
        straight, _, program = one(cell_model(kind, *SHAPES[shape]), target)
    blocks, lines = straight_kernel(program)
    return Step(step, step - (straight - blocks * lines), weights)


def one(source, target: str) -> tuple[int, int, Program]:
    """Instructions of a step and bytes of weights of a program that is bit-exact."""
    with patch.object(pipeline, "check_fits"):  # a dense one may be too large for the chip
        got, program = counted(source, target, 3)
    assert got.step.instructions is not None
    return got.step.instructions, got.flash.weights, program


def straight_kernel(program: Program) -> tuple[int, int]:
    """How often the kernel of a cell is called in a step, and its instructions without loops."""
    for op in program.step:
        dots = [i for i in op.body if isinstance(i, Dot)] if isinstance(op, Stage) else []
        if dots and dots[0].kernel:
            assert isinstance(op, Stage)
            lines = GENERATORS[dots[0].kernel.family](dots[0], ())
            return -(-op.units // dots[0].kernel.units), instructions(lines)
    raise AssertionError


def instructions(lines: list[str]) -> int:
    """Of lines without loops."""
    count, times = 0, 1
    for line in lines:
        if line.startswith(".rept"):
            times = int(line.split()[1])
        elif line == ".endr":
            times = 1
        elif not line.startswith("."):
            count += times
    return count


def full(*values: object):
    return pytest.param(*values, marks=pytest.mark.full)


@pytest.mark.parametrize(
    ("target", "kind", "shape", "units", "columns", "step", "weights"),
    [
        ("cortex-m4", "lstm", "a", 1, 4, 0.475, 0.35),
        ("cortex-m4", "gru", "a", 2, 2, 0.51, 0.35),
        full("cortex-m4", "lstm", "a", 2, 2, 0.475, 0.34),
        full("cortex-m4", "gru", "a", 2, 4, 0.50, 0.35),
        full("cortex-m4", "lstm", "b", 1, 4, 0.40, 0.31),
        full("cortex-m4", "lstm", "b", 2, 2, 0.40, 0.31),
        full("cortex-m4", "gru", "b", 2, 2, 0.425, 0.315),
        full("cortex-m4", "gru", "b", 2, 4, 0.40, 0.315),
        ("cortex-m3", "lstm", "a", 2, 2, 0.39, 0.33),
        full("cortex-m3", "gru", "a", 2, 4, 0.41, 0.345),
        full("cortex-m3", "lstm", "a", 1, 4, 0.385, 0.34),
        full("cortex-m3", "gru", "a", 2, 2, 0.405, 0.345),
        full("cortex-m3", "lstm", "b", 1, 4, 0.32, 0.31),
        full("cortex-m3", "lstm", "b", 2, 2, 0.34, 0.31),
        full("cortex-m3", "gru", "b", 2, 2, 0.34, 0.325),
        full("cortex-m3", "gru", "b", 2, 4, 0.34, 0.315),
        full("cortex-m0plus", "lstm", "a", 1, 4, 0.43, 0.345),
        ("cortex-m0plus", "gru", "a", 2, 2, 0.475, 0.355),
        full("cortex-m0plus", "lstm", "a", 2, 2, 0.44, 0.35),
        full("cortex-m0plus", "gru", "a", 2, 4, 0.475, 0.35),
        full("cortex-m0plus", "lstm", "b", 1, 4, 0.35, 0.30),
        full("cortex-m0plus", "lstm", "b", 2, 2, 0.37, 0.315),
        full("cortex-m0plus", "gru", "b", 2, 2, 0.38, 0.31),
        full("cortex-m0plus", "gru", "b", 2, 4, 0.375, 0.30),
    ],
)
def test_three_quarters_of_zeros_in_blocks(
    target: str, kind: str, shape: str, units: int, columns: int, step: float, weights: float
):
    dense = cell_step(target, kind, shape)
    sparse = cell_step(target, kind, shape, units, columns, 0.25)
    assert sparse.sums <= 0.38 * dense.sums
    assert sparse.instructions <= step * dense.instructions
    assert sparse.weights <= weights * dense.weights


@pytest.mark.full
@pytest.mark.parametrize(
    ("kind", "shape", "units", "columns", "step", "weights"),
    [
        ("lstm", "a", 1, 4, 0.95, 0.45),
        ("lstm", "b", 2, 2, 0.85, 0.49),
        ("gru", "a", 2, 2, 0.93, 0.465),
        ("gru", "b", 2, 4, 0.84, 0.48),
    ],
)
def test_three_quarters_of_zeros_with_mve(
    kind: str, shape: str, units: int, columns: int, step: float, weights: float
):
    """The input has 16 bits here, so its matrix stays dense."""
    source = cell_model(kind, *SHAPES[shape])
    dense, bytes_of_dense, _ = one(source, "cortex-m55")
    sparse, left, _ = one(pruned(source, units, columns), "cortex-m55")
    assert sparse <= step * dense
    assert left <= weights * bytes_of_dense
