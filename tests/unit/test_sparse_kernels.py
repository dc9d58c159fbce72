"""Matrices with zeros in blocks: the compiler finds them, and they change no bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import cell_model, integer, linear, model
from pruned import pruned
from same_bits import assert_same_bits

from rnn2c.ir.graph import Model, Tensor
from rnn2c.ir.program import Dot, Program, Stage
from rnn2c.lower import lower
from rnn2c.proof import verify_ranges
from rnn2c.tailor import tailor
from rnn2c.target import load_target

SUFFIXES = {"cortex-m4": "", "cortex-m3": "_v7m", "cortex-m0plus": "_v6m"}
"""Target -> the end of the names of its families."""

WIDE = cell_model("lstm", units=32, inputs=16), cell_model("gru", units=32, inputs=16)


def dense_layer() -> Model:
    layer = linear("fc", "x", 64, 40, np.random.default_rng(2))
    return model((layer,), (("y", "fc"),), 64)


def programs(source: Model, target: str = "cortex-m4", **options: str) -> tuple[Program, Program]:
    plain = lower(integer(source, **options), load_target(target))
    return plain, tailor(plain, "balanced")


def families(p: Program) -> list[str]:
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    return [i.kernel.family for s in stages for i in s.body if isinstance(i, Dot) and i.kernel]


@pytest.mark.parametrize(
    ("source", "units", "columns", "family"),
    [
        (WIDE[0], 1, 4, "blocks8x4"),
        (WIDE[0], 2, 2, "blocks8x2_eight"),
        (WIDE[1], 2, 2, "blocks8x2"),
        (WIDE[1], 2, 4, "blocks8x4"),
        (dense_layer(), 4, 4, "blocks8x4"),
        (dense_layer(), 8, 2, "blocks8x2_eight"),
    ],
    ids=lambda v: v.layers[0].name if isinstance(v, Model) else str(v),
)
@pytest.mark.parametrize("options", [{}, {"accumulate": "split"}, {"profile": "compact"}], ids=str)
def test_zeros_in_blocks_are_found_and_change_no_bit(
    source: Model, units: int, columns: int, family: str, options: dict[str, str]
):
    plain, tailored = programs(pruned(source, units, columns), **options)
    assert set(families(tailored)) == {family} or options
    verify_ranges(tailored)
    assert_same_bits(plain, tailored, 6)


@pytest.mark.parametrize(
    ("source", "units", "columns", "family"),
    [
        (WIDE[0], 1, 4, "blocks8x4"),
        (WIDE[0], 2, 2, "blocks8x2_eight"),
        (WIDE[1], 2, 2, "blocks8x2"),
        (dense_layer(), 4, 4, "blocks8x4"),
    ],
    ids=lambda v: v.layers[0].name if isinstance(v, Model) else str(v),
)
@pytest.mark.parametrize("target", ["cortex-m3", "cortex-m0plus"])
def test_cores_without_smlad_have_the_same_blocks(
    source: Model, units: int, columns: int, family: str, target: str
):
    """Blocks of 8 rows are two of 4 where there are too few registers."""
    if target == "cortex-m0plus":
        family = family.removesuffix("_eight")
    plain, tailored = programs(pruned(source, units, columns), target)
    assert set(families(tailored)) == {family + SUFFIXES[target]}
    verify_ranges(tailored)
    assert_same_bits(plain, tailored, 6)


@pytest.mark.parametrize(
    ("source", "units", "columns", "family"),
    [
        (cell_model("lstm", units=64, inputs=10), 1, 4, "blocks16x4"),
        (cell_model("gru", units=64, inputs=10), 2, 2, "blocks16x2"),
    ],
    ids=lambda v: v.layers[0].name if isinstance(v, Model) else str(v),
)
def test_matrices_of_hidden_states_are_stored_in_blocks_with_mve(
    source: Model, units: int, columns: int, family: str
):
    plain, tailored = programs(pruned(source, units, columns), "cortex-m55")
    assert families(tailored) == [family]
    verify_ranges(tailored)
    assert_same_bits(plain, tailored, 6)
    assert families(programs(source, "cortex-m55")[1]) == ["rows16"]


@pytest.mark.parametrize(
    ("units", "columns", "width", "family"),
    [
        (1, 1, "int32", "columns8_24"),
        (1, 1, "int16", "columns8_16"),
        (4, 4, "int16", "columns8_16"),
    ],
)
@pytest.mark.parametrize("source", WIDE, ids=lambda m: m.layers[0].name)
def test_avr_stores_columns_of_a_unit_that_are_not_zero(
    source: Model, units: int, columns: int, width: str, family: str
):
    options = {"profile": "compact", "sum_width": width}
    plain, tailored = programs(pruned(source, units, columns), "atmega328p", **options)
    assert families(tailored) == [family]
    verify_ranges(tailored)
    assert_same_bits(plain, tailored, 6)
    dense = families(programs(source, "atmega328p", **options)[1])
    assert dense == [family.replace("columns", "bytes")]


def test_avr_stores_rows_apart_where_their_zeros_are_scattered():
    layer = WIDE[0].layers[0]

    def thin(w: Tensor) -> Tensor:
        least = np.quantile(np.abs(w.data), 0.8)
        return dataclasses.replace(w, data=np.where(np.abs(w.data) < least, 0, w.data))

    w_ih, w_hh = thin(layer.w_ih), thin(layer.w_hh)
    source = dataclasses.replace(
        WIDE[0], layers=(dataclasses.replace(layer, w_ih=w_ih, w_hh=w_hh),)
    )
    plain, tailored = programs(source, "atmega328p", profile="compact")
    assert families(tailored) == ["delta8_24"]
    verify_ranges(tailored)
    assert_same_bits(plain, tailored, 6)


def test_no_vector_is_copied_for_stored_blocks_with_mve():
    """An input of 8 bits lies where the caller wants; h is read by a dense layer too."""
    layers = pruned(cell_model("lstm", units=64, inputs=10), 1, 4).layers
    head = linear("y", layers[-1].name, 64, 8, np.random.default_rng(2))
    _, tailored = programs(model((*layers, head), (("y", "y"),), 10), "cortex-m55")
    assert families(tailored)[0] == "blocks16x4"
    assert not [b.name for b in tailored.buffers if b.name.endswith("_wide")]
    _, alone = programs(pruned(dense_layer(), 4, 4), "cortex-m55")
    assert not [b.name for b in alone.buffers if b.name.endswith("_wide")]


def test_sums_of_more_than_32_bits_together_have_blocks_apart():
    source = pruned(WIDE[0], 1, 4)
    plain, tailored = programs(source, "cortex-m0plus", activations="int16")
    assert families(tailored) == ["blocks8x4_apart_v6m"]
    assert_same_bits(plain, tailored, 6)


@pytest.mark.parametrize("source", [*WIDE, dense_layer()], ids=lambda m: m.layers[0].name)
@pytest.mark.parametrize("target", SUFFIXES)
def test_matrices_without_zeros_stay_dense(target: str, source: Model):
    assert not [f for f in families(programs(source, target)[1]) if f.startswith("blocks8")]


@pytest.mark.parametrize(("kept", "is_sparse"), [(0.9, False), (0.5, True), (0.0, True)])
@pytest.mark.parametrize("target", SUFFIXES)
def test_the_cost_decides(target: str, kept: float, is_sparse: bool):
    found = families(programs(pruned(WIDE[0], 1, 4, kept), target)[1])
    assert [f.startswith("blocks8") for f in found] == [is_sparse]


@pytest.mark.parametrize("source", [*WIDE, dense_layer()], ids=lambda m: m.layers[0].name)
def test_quantization_keeps_every_zero(source: Model):
    p, _ = programs(pruned(source, 1, 4))
    shares = [np.mean(m == 0) for w in p.weights for m in w.matrices]
    assert min(shares) >= 0.74


def test_rows_of_zeros_are_quantized():
    layer = WIDE[0].layers[0]
    w = layer.w_hh.data.copy()
    w[:40] = 0
    empty = dataclasses.replace(layer, w_hh=dataclasses.replace(layer.w_hh, data=w))
    p, tailored = programs(dataclasses.replace(WIDE[0], layers=(empty,)))
    assert not np.any(p.weights[0].matrices[1][:, 0])
    verify_ranges(tailored)


def test_two_linear_layers_in_a_row_stay_two():
    """A matrix of low rank is given as two; multiplied together it would be larger."""
    rng = np.random.default_rng(3)
    layers = (linear("down", "x", 64, 8, rng), linear("up", "down", 8, 64, rng))
    _, tailored = programs(model(layers, (("y", "up"),), 64))
    assert families(tailored) == ["pairs8", "pairs8"]
    assert sorted(m.size for w in tailored.weights for m in w.matrices) == [512, 512]
