"""What zeros in blocks save: instructions of the kernels and of a step, bytes of weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

import pytest
from core_models import cell_model
from counted import counted
from pruned import pruned

from rnn2c.emit.kernels import GENERATORS
from rnn2c.ir.program import Dot, Program, Stage
from rnn2c.tailor.sums import TURN

SHAPES = {"a": (10, 64), "b": (40, 128)}


@dataclass(frozen=True)
class Step:
    """instructions: of a step; sums: of its kernels, without calls; weights: bytes of flash."""

    instructions: int
    sums: int
    weights: int


@cache
def cell_step(kind: str, shape: str, units: int = 1, columns: int = 4, kept: float = 1) -> Step:
    """With the weights pruned, and the kernels counted as what differs from ones without loops."""
    source = pruned(cell_model(kind, *SHAPES[shape]), units, columns, kept)
    step, weights, _ = one(source)
    with patch.dict(TURN, balanced=TURN["speed"]):
        straight, _, program = one(cell_model(kind, *SHAPES[shape]))
    blocks, lines = straight_kernel(program)
    return Step(step, step - (straight - blocks * lines), weights)


def one(source) -> tuple[int, int, Program]:
    """Instructions of a step and bytes of weights of a program that is bit-exact."""
    got, program = counted(source, "cortex-m4", 3)
    assert got.step.instructions is not None
    return got.step.instructions, got.flash.weights, program


def straight_kernel(program: Program) -> tuple[int, int]:
    """How often the kernel of a cell is called in a step, and its instructions without loops."""
    for op in program.step:
        dots = [i for i in op.body if isinstance(i, Dot)] if isinstance(op, Stage) else []
        if dots and dots[0].kernel:
            assert isinstance(op, Stage)
            lines = GENERATORS[dots[0].kernel.family](dots[0], ())
            return -(-op.units // dots[0].kernel.units), len(lines)
    raise AssertionError


def full(*values: object):
    return pytest.param(*values, marks=pytest.mark.full)


@pytest.mark.parametrize(
    ("kind", "shape", "units", "columns", "step", "weights"),
    [
        ("lstm", "a", 1, 4, 0.475, 0.35),
        ("gru", "a", 2, 2, 0.505, 0.365),
        full("lstm", "a", 2, 2, 0.475, 0.34),
        full("gru", "a", 2, 4, 0.49, 0.365),
        full("lstm", "b", 1, 4, 0.40, 0.31),
        full("lstm", "b", 2, 2, 0.40, 0.31),
        full("gru", "b", 2, 2, 0.42, 0.325),
        full("gru", "b", 2, 4, 0.40, 0.315),
    ],
)
def test_three_quarters_of_zeros_in_blocks(
    kind: str, shape: str, units: int, columns: int, step: float, weights: float
):
    dense, sparse = cell_step(kind, shape), cell_step(kind, shape, units, columns, 0.25)
    assert sparse.sums <= 0.38 * dense.sums
    assert sparse.instructions <= step * dense.instructions
    assert sparse.weights <= weights * dense.weights
