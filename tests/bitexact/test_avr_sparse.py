"""Kernels of AVR that multiply only stored columns, in simavr: any share of zeros, any level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import test_bounds
from building import Build, Built
from fixed import COMPACT, single
from models import Case
from pruned import pruned

from rnn2c.ir.graph import Recurrent, Tensor
from rnn2c.target import load_target
from rnn2c.validate.verify import verify

NARROW = replace(COMPACT, sum_width="int16")
LEVELS = ("size", "balanced", "speed")


def scattered(case: Case, kept: float) -> Case:
    """The model with so large a share of its weights, wherever they are the largest."""

    def thin(w: Tensor) -> Tensor:
        least = np.quantile(np.abs(w.data), 1 - kept)
        return replace(w, data=np.where(np.abs(w.data) < least, 0, w.data))

    layers = tuple(
        replace(layer, w_ih=thin(layer.w_ih), w_hh=thin(layer.w_hh))
        if isinstance(layer, Recurrent)
        else layer
        for layer in case.model.layers
    )
    return case._replace(model=replace(case.model, layers=layers))


def blocks(case: Case, kept: float) -> Case:
    """The model with so large a share of the columns of a unit."""
    return case._replace(model=pruned(case.model, 1, 1, kept))


def check(made: Built, family: str) -> None:
    assert {w.packing.split("_")[0] for w in made.program.weights} >= {family}
    report = verify(made.program, made.folder, made.sequences(4), checks=False)
    assert report.bit_exact, report.to_json()
    test_bounds.check(made)


@pytest.mark.parametrize("level", LEVELS)
def test_columns_of_all_rows(level: str, build: Build) -> None:
    case = blocks(single("one", "lstm", COMPACT, units=14, inputs=9), 0.3)
    check(build(case, "atmega328p", level=level), "columns8")


@pytest.mark.parametrize("level", LEVELS)
def test_rows_apart_with_sums_of_16_bits(level: str, build: Build) -> None:
    case = scattered(single("one", "gru", NARROW, units=11, inputs=7), 0.2)
    check(build(case, "atmega328p", level=level), "delta8")


def test_far_weights(build: Build) -> None:
    case = blocks(single("one", "gru", COMPACT, units=9), 0.3)
    made = build(case, load_target("atmega2560").without_near)
    assert made.target.constants == "far"
    check(made, "columns8")


@pytest.mark.full
@pytest.mark.parametrize("form", [blocks, scattered])
@pytest.mark.parametrize("options", [COMPACT, NARROW, replace(COMPACT, inputs="int8")], ids=str)
@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_before", "tanh", "relu"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("core", ["near", "far"])
def test_all_cells_and_shares(
    core: str, level: str, cell: str, options, form, build: Build
) -> None:
    chosen = load_target("atmega2560")
    target = chosen.without_near if core == "far" else chosen
    for kept in (0.0, 0.02, 0.3, 0.6):
        case = form(single("one", cell, options, units=17, inputs=13), kept)
        made = build(case, target, f"{core}{kept}".replace(".", "_"), level)
        report = verify(made.program, made.folder, made.sequences(4), checks=False)
        assert report.bit_exact, (kept, report.to_json())
        test_bounds.check(made)
