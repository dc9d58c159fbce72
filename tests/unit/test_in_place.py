"""States that follow from a finer one are kept once on AVR, where levels are about size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import cell_model, integer, linear, model
from same_bits import assert_same_bits

from rnn2c.budget import budget
from rnn2c.ir.graph import Model
from rnn2c.ir.program import Program
from rnn2c.lower import lower
from rnn2c.proof import verify_ranges
from rnn2c.tailor import tailor
from rnn2c.target import Level, load_target


def programs(source: Model, level: Level = "balanced") -> tuple[Program, Program]:
    plain = lower(integer(source, profile="compact"), load_target("atmega328p"))
    return plain, tailor(plain, level)


def twice(program: Program) -> list[str]:
    return [b.name for b in program.buffers if b.twice]


def two_layers() -> Model:
    """The second layer and a head read what the first has just computed."""
    first = cell_model("gru", units=12, inputs=5)
    second = cell_model("gru", units=7, inputs=12).layers[0]
    second = dataclasses.replace(second, name="top", inputs=(first.layers[0].name,))
    head = linear("y", "top", 7, 3, np.random.default_rng(1))
    return model((*first.layers, second, head), (("y", "y"),), 5)


@pytest.mark.parametrize("level", ["size", "balanced"])
def test_h_of_a_gru_is_kept_once_and_changes_no_bit(level: Level):
    plain, tailored = programs(cell_model("gru", units=32, inputs=10), level)
    assert twice(plain)
    assert not twice(tailored)
    verify_ranges(tailored)
    assert_same_bits(plain, tailored)
    assert budget(tailored).ram == budget(plain).ram - 33


def test_every_layer_reads_what_the_one_before_has_just_computed():
    plain, tailored = programs(two_layers())
    assert len(twice(plain)) == 2
    assert not twice(tailored)
    verify_ranges(tailored)
    assert_same_bits(plain, tailored)


@pytest.mark.parametrize("level", ["speed", "unrolled"])
def test_levels_that_are_about_cycles_keep_it_twice(level: Level):
    assert twice(programs(cell_model("gru", units=8, inputs=3), level)[1])


@pytest.mark.parametrize("kind", ["lstm", "rnn"])
def test_an_h_that_nothing_else_holds_is_kept_twice(kind: str):
    plain, tailored = programs(cell_model(kind, units=8, inputs=3))
    assert twice(tailored) == twice(plain) != []
