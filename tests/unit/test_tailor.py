"""Tailoring: the program for the kernels computes what the plain one does, and says the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_models import CELLS, cell, cell_model, integer, linear, model
from same_bits import assert_same_bits

from rnn2c.execute import run_integer
from rnn2c.ir.graph import Input, Model, Output, Tensor
from rnn2c.ir.program import Call, Clock, Dot, Program, Stage, Table, When
from rnn2c.lower import lower
from rnn2c.packing.blocks import Segments
from rnn2c.packing.families import FAMILIES, OF_KERNELS
from rnn2c.packing.family import Layout
from rnn2c.proof import verify_ranges
from rnn2c.tailor import tailor
from rnn2c.target import Level, load_target

NAMES = ("cortex-m4", "cortex-m3", "cortex-m0plus", "cortex-m55")
CORES = {name: load_target(name) for name in NAMES}
AVR = load_target("atmega328p")
LEVELS: tuple[Level, ...] = ("size", "balanced", "speed")
OPTIONS = [{}, {"accumulate": "split"}, {"profile": "compact"}, {"profile": "fast"}]
FORMATS = [
    *({"weights": "int4"}, {"weights": "int4", "accumulate": "split"}),
    *({"weights": "int4", "profile": "compact"}, {"activations": "int16"}),
    {"activations": "int16", "accumulate": "joint"},
]
OVERLAPPED = {"weights": "int4-overlapped"}
OF_FORMAT = {
    "int8": "pairs8",
    "int16": "pairs16",
    "int4": "quads4",
    "int4-overlapped": "overlapped4",
}
CASES = [
    *((core, options, level) for core in CORES for options in OPTIONS for level in LEVELS),
    *((core, options, "balanced") for core in NAMES[:3] for options in FORMATS),
    *(("cortex-m4", OVERLAPPED | more, "balanced") for more in ({}, {"accumulate": "split"})),
]


def plain_and_tailored(
    kind: str, level: Level, core: str = "cortex-m4", **options: str
) -> tuple[Program, Program]:
    plain = lower(integer(cell_model(kind, units=9, inputs=7), **options), CORES[core])
    return plain, tailor(plain, level)


def kernels(p: Program) -> list[Dot]:
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    return [i for s in stages for i in s.body if isinstance(i, Dot) and i.kernel is not None]


def calls(p: Program) -> list[Call]:
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    return [i for s in stages for i in s.body if isinstance(i, Call)]


@pytest.mark.parametrize(("core", "options", "level"), CASES, ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_kernels_change_no_bit(kind: str, core: str, options: dict[str, str], level: Level):
    plain, tailored = plain_and_tailored(kind, level, core, **options)
    assert kernels(tailored)
    verify_ranges(tailored)
    assert_same_bits(plain, tailored)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_kernels_of_avr_shift_and_saturate_their_sums(kind: str):
    plain = lower(integer(cell_model(kind, units=9, inputs=7), profile="compact"), AVR)
    tailored = tailor(plain, "balanced")
    (dot,) = kernels(tailored)
    assert dot.kernel is not None
    assert len(dot.kernel.shifted) == 4
    verify_ranges(tailored)
    assert_same_bits(plain, tailored)


def test_sums_that_fit_16_bits_stay_in_them_on_avr():
    rng = np.random.default_rng(0)
    fc = linear("fc", "x", 3, 40, rng)
    few = np.where(np.arange(3) < 2, fc.weight.real(), 0.0)
    made = model((replace(fc, weight=Tensor(few)),), (("y", "fc"),), 3)
    plain = lower(integer(made, profile="compact"), AVR)
    tailored = tailor(plain, "balanced")
    assert [(d.width, d.kernel and d.kernel.family) for d in kernels(tailored)] == [
        ("i16", "bytes8_16")
    ]
    verify_ranges(tailored)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("kind", CELLS)
def test_the_interface_and_the_save_image_stay_as_they_are(kind: str, core: str):
    plain, tailored = plain_and_tailored(kind, "balanced", core)
    assert replace(plain.interface(), stages=()) == replace(tailored.interface(), stages=())


def test_a_target_without_kernels_gets_the_program_as_it_is():
    plain = lower(integer(cell_model("lstm")), load_target("host"))
    assert tailor(plain, "balanced") is plain


@pytest.mark.parametrize(
    ("core", "type_", "lanes"),
    [("cortex-m4", "i16", 4), ("cortex-m3", "i32", 2), ("cortex-m0plus", "i32", 2)],
)
def test_state_that_a_kernel_reads_has_room_for_all_that_is_read_at_once(
    core: str, type_: str, lanes: int
):
    _, tailored = plain_and_tailored("lstm", "balanced", core)
    vectors = {s.vector for d in kernels(tailored) for s in d.segments}
    for name in vectors:
        b = tailored.buffer[name]
        assert (b.type, b.lanes, b.room % lanes) == (type_, lanes, 0)


@pytest.mark.parametrize("kind", CELLS)
def test_with_predicated_loads_every_buffer_stays_as_it_is(kind: str):
    plain, tailored = plain_and_tailored(kind, "balanced", "cortex-m55")
    assert plain.buffers == tailored.buffers


def test_what_one_kernel_reads_in_place_another_one_copies(monkeypatch: pytest.MonkeyPatch):
    family = FAMILIES["rows16"]

    def layout(results: int, segments: Segments, types: tuple[str, ...]) -> Layout | None:
        return family.layout(results, segments, types) if len(segments) == 2 else None

    monkeypatch.setitem(FAMILIES, "rows16", replace(family, layout=layout))
    monkeypatch.setitem(OF_KERNELS, "mve", ("rows16", "pairs8"))
    rng = np.random.default_rng(0)
    layers = (cell("lstm", 7, 9, rng), linear("fc", "rnn", 9, 8, rng))
    plain = lower(integer(model(layers, (("y", "fc"),), 7)), CORES["cortex-m55"])
    tailored = tailor(plain, "balanced")
    lstm, fc = kernels(tailored)
    assert lstm.segments[1].vector != fc.segments[0].vector
    assert tailored.buffer[lstm.segments[1].vector].type == "i8"
    assert tailored.buffer[fc.segments[0].vector].type == "i16"
    verify_ranges(tailored)
    x = {"x": rng.integers(-128, 128, (2, 12, 7))}
    assert np.array_equal(run_integer(plain, x)["y"], run_integer(tailored, x)["y"])


@pytest.mark.parametrize(("kind", "pairs"), [("lstm", 4), ("gru", 2), ("rnn", 1)])
def test_a_kernel_adds_the_sums_of_x_and_h_that_are_only_added(kind: str, pairs: int):
    plain, tailored = plain_and_tailored(kind, "balanced", activations="int16")
    (dot,) = kernels(tailored)
    assert dot.kernel is not None
    names = [(dot.outs[a], dot.outs[b]) for a, b in dot.kernel.joined]
    assert [(a.endswith("_both"), b.endswith("x_pre")) for a, b in names] == [(True, True)] * pairs
    assert sum(call.primitive == "add" for call in calls(plain)) - pairs == sum(
        call.primitive == "add" for call in calls(tailored)
    )


def test_a_sum_that_something_else_takes_too_is_added_behind_the_kernel():
    plain = lower(integer(cell_model("lstm"), activations="int16"), CORES["cortex-m4"])
    (stage,) = plain.step
    assert isinstance(stage, Stage)
    more = replace(stage, body=(*stage.body, Call("more", "sat16", ("fx_pre",))))
    (dot,) = kernels(tailor(replace(plain, step=(more,)), "balanced"))
    assert dot.kernel is not None
    assert [dot.outs[b] for _, b in dot.kernel.joined] == ["ix_pre", "gx_pre", "ox_pre"]


def test_levels_differ_in_their_loops_only():
    turns = {
        level: {d.kernel.turn for d in kernels(plain_and_tailored("gru", level)[1]) if d.kernel}
        for level in LEVELS
    }
    assert len({frozenset(t) for t in turns.values()}) == len(LEVELS)


@pytest.mark.parametrize("target", ["host", "cortex-m4", "atmega328p"])
@pytest.mark.parametrize(("profile", "entries"), [("accurate", 129), ("fast", 257)])
def test_level_size_stores_half_of_every_table(profile: str, entries: int, target: str):
    plain = lower(integer(cell_model("lstm"), profile=profile), load_target(target))
    small = tailor(plain, "size")
    assert {c.data.size for c in plain.consts if c.kind == "table"} in ({256}, {512})
    assert {(c.type, c.data.size) for c in small.consts if c.kind == "table"} == {("i16", entries)}
    assert (small.model_id, small.level) == (plain.model_id, "size")
    verify_ranges(small)


def test_a_table_that_another_look_up_reads_stays_as_it_is():
    plain = lower(integer(cell_model("lstm")), load_target("host"))
    (*_, stage) = [op for op in plain.step if isinstance(op, Stage)]
    table = Table("tanh_table")
    extra = replace(stage, body=(*stage.body, Call("more", "exp2_down", (table, 1))))
    step = tuple(extra if op is stage else op for op in plain.step)
    small = tailor(replace(plain, step=step), "size").const
    assert small["tanh_table"] is plain.const["tanh_table"]
    assert small["sigmoid_table"].data.size == 129


@pytest.mark.parametrize("kind", CELLS)
def test_formats_have_kernels_of_their_own(kind: str):
    for options in ({}, {"activations": "int16"}, *({"weights": w} for w in list(OF_FORMAT)[2:])):
        _, tailored = plain_and_tailored(kind, "balanced", **options)
        wanted = OF_FORMAT[next(iter(options.values()), "int8")]
        families = {d.kernel.family for d in kernels(tailored) if d.kernel}
        assert wanted in families
        assert families <= {wanted, "pairs8"}


def test_a_copy_has_a_name_of_its_own():
    """An input called like the copy of another one."""
    rng = np.random.default_rng(3)
    inputs = (Input("x", 9), Input("x_wide", 11))
    layers = (linear("a", "x", 9, 8, rng), linear("b", "x_wide", 11, 8, rng))
    of = Model("net", inputs, layers, (Output("p", "a"), Output("q", "b")))
    plain = lower(integer(of), load_target("cortex-m4"))
    tailored = tailor(plain, "balanced")
    assert len(kernels(tailored)) == 2
    x = {i.name: np.arange(3 * 4 * i.size).reshape(3, 4, i.size) % 251 - 125 for i in inputs}
    wanted, got = run_integer(plain, x), run_integer(tailored, x)
    assert all(np.array_equal(wanted[name], got[name]) for name in wanted)


def test_a_copy_made_now_and_then_is_made_again_where_it_is_always_needed():
    rng = np.random.default_rng(3)
    of = model(
        (linear("a", "x", 9, 8, rng), linear("b", "x", 9, 8, rng)), (("p", "a"), ("q", "b")), 9
    )
    plain = lower(integer(of), load_target("cortex-m4"))
    first = next(k for k, op in enumerate(plain.step) if isinstance(op, Stage) and op.body)
    counter = replace(plain.buffers[0], name="count", role="state", size=1)
    clock = Clock("count", 0, 2)
    often = replace(
        plain,
        buffers=(*plain.buffers, counter),
        step=(*plain.step[:first], When(clock, (plain.step[first],)), *plain.step[first:]),
    )
    step = tailor(often, "balanced").step
    (when,) = [op for op in step if isinstance(op, When)]
    titles = [[op.title for op in ops if isinstance(op, Stage)] for ops in (when.body, step)]
    assert [t.count("x in 16 bits") for t in titles] == [1, 1]


def test_a_kernel_of_many_columns_has_loops_at_level_speed():
    turns = {}
    for units in (100, 300):
        plain = lower(integer(cell_model("rnn", units=units)), CORES["cortex-m4"])
        turns[units] = {d.kernel.turn for d in kernels(tailor(plain, "speed")) if d.kernel}
    assert turns[100] == {0}
    assert turns[300] == {64}
