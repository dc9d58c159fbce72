"""Lowering: how many stages a layer becomes, which accumulators, what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import (
    CELLS,
    cell,
    cell_model,
    changed,
    classifier,
    integer,
    linear,
    model,
    program,
)

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.program import Call, Dot, Program, Stage
from rnn2c.lower import RawScale, lower
from rnn2c.target import load_target

HOST, AVR = load_target("host"), load_target("atmega328p")


def dots(p: Program) -> list[Dot]:
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    return [i for s in stages for i in s.body if isinstance(i, Dot)]


def calls(p: Program) -> list[Call]:
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    return [i for s in stages for i in s.body if isinstance(i, Call)]


@pytest.mark.parametrize(
    "options", [{}, {"profile": "fast"}, {"profile": "compact"}, {"accumulate": "split"}], ids=str
)
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_is_one_stage_or_two_if_reset_comes_first(kind: str, options: dict[str, str]):
    p = program(cell_model(kind), **options)
    stages = [op for op in p.step if op.title.startswith("rnn:")]
    assert len(stages) == (2 if kind == "gru_before" else 1)
    assert all(op.units == 5 for op in stages)
    assert (p.init, p.finish) == ((), ())


@pytest.mark.parametrize(
    ("kind", "options", "sums"),
    [
        ("lstm", {}, ["i_sum f_sum g_sum o_sum"]),
        ("gru", {}, ["r_sum z_sum nx_sum nh_sum"]),
        ("gru_before", {}, ["r_sum z_sum", "n_sum"]),
        ("rnn", {}, ["h_sum"]),
        ("rnn", {"accumulate": "split"}, ["hx_sum hh_sum"]),
        ("gru", {"accumulate": "split"}, ["rx_sum zx_sum rh_sum zh_sum nx_sum nh_sum"]),
    ],
)
def test_the_sums_of_a_cell(kind: str, options: dict[str, str], sums: list[str]):
    assert [" ".join(d.outs) for d in dots(program(cell_model(kind), **options))] == sums


def test_a_head_after_the_last_step_runs_in_finish():
    p = program(classifier("gru"))
    assert [op.title.split(" ")[0] for op in p.step] == ["limit", "rnn:"]
    assert [op.title for op in p.finish] == [
        "fc: linear 5 -> 4",
        "soft: softmax: largest logit",
        "soft: softmax: e = exp(x - max)",
        "soft: softmax: sum of e",
        "soft: softmax: 1 / sum",
        "soft: softmax: e / sum",
        "best: argmax",
    ]


def test_per_step_layers_run_in_step_and_share_no_memory_with_outputs():
    rng = np.random.default_rng(0)
    fc = linear("fc", "rnn", 5, 2, rng)
    m = model((cell("rnn", 3, 5, rng), fc), (("y", "fc"),), 3)
    p = program(m)
    assert [op.title for op in p.step][-1] == "fc: linear 5 -> 2"
    assert p.finish == ()
    assert [b.name for b in p.having("output")] == ["y"]
    assert "fc" not in p.buffer


def test_accumulators_are_the_narrowest_that_is_cheap_and_proven():
    """A 16-bit machine may add 16 bits; what is proven for 32 stays on a 32-bit one."""
    tiny = cell_model("rnn", inputs=1, units=1)
    widths = {t.name: dots(program(tiny, t, profile="compact"))[0].width for t in (HOST, AVR)}
    assert widths["host"] == "i32"
    assert int(widths["atmega328p"][1:]) < 32
    four = dots(program(tiny, AVR, profile="compact", weights="int4"))
    assert four[0].width == "i16"


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
def test_both_targets_compute_the_same_numbers(kind: str, profile: str):
    made = integer(cell_model(kind), profile=profile)
    x = np.random.default_rng(5).normal(size=(30, 3))
    host, avr = program(made, HOST).run({"x": x}), program(made, AVR).run({"x": x})
    assert np.array_equal(host["y"], avr["y"])


def test_weights_of_4_bits_are_packed_in_pairs():
    assert {w.packing for w in program(cell_model("gru"), weights="int4").weights} == {"dense4"}
    assert {w.packing for w in program(cell_model("gru")).weights} == {"dense8"}


def test_compact_multiplies_by_no_multiplier():
    used = {c.primitive for c in calls(program(cell_model("lstm"), profile="compact"))}
    assert not used & {"requantize", "requantize_wide", "mul_round", "gated_sum", "blend", "lut"}
    assert {"mul_u8", "add_sat16", "lut_u8", "lut_slope"} <= used


@pytest.mark.parametrize(
    ("profile", "tables"),
    [
        ("accurate", ["sigmoid_table", "tanh_table"]),
        ("fast", ["sigmoid_direct_table", "tanh_direct_table"]),
    ],
)
def test_layers_share_their_tables(profile: str, tables: list[str]):
    rng = np.random.default_rng(0)
    layers = (cell("lstm", 3, 4, rng), cell("gru", 4, 4, rng, name="two", source="rnn"))
    p = program(model(layers, (("y", "two"),), 3), profile=profile)
    assert [c.name for c in p.consts if c.kind == "table"] == tables


def test_initial_states_are_loaded_in_init():
    layer = changed(cell("lstm", 3, 5, np.random.default_rng(0)), inputs=("x", "h0", "c0"))
    inputs = (graph.Input("x", 3), graph.Input("h0", 5, "sequence"),
              graph.Input("c0", 5, "sequence"))  # fmt: skip
    p = program(graph.Model("m", inputs, (layer,), (graph.Output("y", "rnn"),)))
    assert [op.title for op in p.init] == ["rnn: initial h", "rnn: initial c"]


def test_names_of_the_model_that_collide_get_numbers():
    rng = np.random.default_rng(0)
    layers = (cell("rnn", 3, 4, rng, name="a.b"), cell("rnn", 4, 4, rng, name="a/b", source="a.b"))
    p = program(model(layers, (("y", "a/b"),), 3))
    names = [b.name for b in p.buffers] + [w.name for w in p.weights] + [c.name for c in p.consts]
    assert len(set(names)) == len(names)
    assert {"a_b_h", "a_b_h_2", "a_b_weights", "a_b_weights_2"} <= set(names)


def test_a_float_model_becomes_float32():
    p = lower(cell_model("gru"), HOST)
    assert p.is_float
    assert {b.type for b in p.buffers} == {"f32"}


def test_a_layer_without_a_lowering_is_refused_with_the_known_ones():
    @dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
    class Attention(graph.Layer):
        pass

    made = integer(cell_model("gru"))
    odd = made.with_layers((*made.layers, Attention(name="att", inputs=("rnn",))))
    with pytest.raises(UnsupportedError, match="'att': Attention has no lowering; supported: Lstm"):
        lower(odd, HOST)


def test_a_softmax_over_too_many_classes_is_refused():
    soft = graph.Softmax(name="soft", inputs=("x",))
    with pytest.raises(UnsupportedError, match="'soft': softmax over 4097 > 4096 values"):
        program(model((soft,), (("y", "soft"),), 4097))


def test_raw_counts_become_the_input_to_the_nearest():
    made = integer(cell_model("gru"))
    scale, offset = (0.01, 0.02, -0.001), (3.0, -100.0, 0.0)
    p = lower(made, HOST, RawScale(scale, offset))
    raw = p.raw_input
    assert raw is not None
    counts = np.random.default_rng(0).integers(-300, 300, (500, 3))
    got = (counts * p.const[raw.multiplier].data + p.const[raw.offset].data) >> p.const[
        raw.shift
    ].data
    real = (counts - np.array(offset)) * np.array(scale) / p.inputs[0].format.scale
    assert np.abs(got - real).max() <= 0.52


@pytest.mark.parametrize(
    ("scale", "offset", "message"),
    [
        ((0.1, 0.2), (0.0,), "--input-scale has 2 numbers, expected 1 or 3"),
        ((0.1,), (0.0, 1.0), "--input-offset has 2 numbers, expected 1 or 3"),
        ((float("nan"),), (0.0,), "--input-scale: every number must be finite"),
        ((0.1,), (float("inf"),), "--input-offset: every number must be finite"),
        ((0.0,), (0.0,), "--input-scale 0 does not suit this input"),
        ((1e9,), (0.0,), r"--input-scale 1e\+09 does not suit this input"),
        ((0.1,), (70000.0,), "--input-offset 70000 is beyond any 16-bit count"),
    ],
)
def test_an_unfit_raw_scale_is_refused(scale, offset, message: str):
    with pytest.raises(Rnn2cError, match=message):
        lower(integer(cell_model("gru")), HOST, RawScale(scale, offset))


@pytest.mark.parametrize(("kind", "segments"), [("lstm", 1), ("rnn", 1), ("gru", 2)])
def test_a_matrix_of_zeros_is_not_multiplied_where_its_sums_have_another(kind: str, segments: int):
    """A cell that reads a low-rank product of h beside x has no more use for h itself."""
    m = cell_model(kind, 3, 5)
    (layer,) = m.layers
    zero = graph.Tensor(np.zeros_like(layer.w_hh.real()))
    less = dataclasses.replace(m, layers=(dataclasses.replace(layer, w_hh=zero),))
    p = program(less)
    (dot,) = dots(p)
    assert len(dot.segments) == segments
    x = np.random.default_rng(1).normal(size=(6, 3))
    np.testing.assert_allclose(p.run({"x": x})["y"], less.run({"x": x})["y"], atol=0.05)
