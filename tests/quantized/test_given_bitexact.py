"""C of models that came with integers: bit for bit as the reference computes it."""

from __future__ import annotations

import pytest
from core_models import data, integer
from given_models import cell, given, head

import rnn2c
from rnn2c.api import Program
from rnn2c.ir.graph import Model

TOGETHER = [
    *(("host", kind, {}) for kind in ("lstm", "gru_before", "rnn_relu")),
    *(("host", kind, {"profile": "compact"}) for kind in ("lstm", "gru")),
    *(("host", kind, {"profile": "fast"}) for kind in ("lstm", "gru", "gru_before")),
    ("host", "lstm4", {}),
    ("cortex-m4", "gru", {}),
    ("atmega2560", "lstm4", {"profile": "compact"}),
]


@pytest.mark.parametrize(("target", "kind", "options"), TOGETHER, ids=str)
def test_a_cell_runs_bit_for_bit(target: str, kind: str, options: dict[str, str]):
    source = given(cell(kind.removesuffix("4")), bits=4 if kind.endswith("4") else 8)
    check(rnn2c.compile(integer(source, **options), target), source)


@pytest.mark.parametrize("activation", ["", "tanh"])
def test_a_linear_layer_of_profile_compact_runs_bit_for_bit(activation: str):
    source = given(head(activation))
    check(rnn2c.compile(integer(source, profile="compact")), source)


def check(program: Program, source: Model) -> None:
    report = rnn2c.verify(program, data(source, steps=4).sequences[:1])
    assert report.bit_exact
