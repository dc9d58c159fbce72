"""The interpreter: state, batches, and the alarm for a broken Program."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import CELLS, cell_model, changed, classifier, data, integer, program

from rnn2c.errors import RangeError, Rnn2cError
from rnn2c.interp import Interpreter
from rnn2c.ir import graph
from rnn2c.ir.program import Call, Dot, Program, Stage
from rnn2c.proof import verify_ranges


def with_stage(p: Program, index: int, **fields: object) -> Program:
    step = list(p.step)
    step[index] = dataclasses.replace(step[index], **fields)
    return dataclasses.replace(p, step=tuple(step))


def broken_sum(p: Program) -> Program:
    """The same sums in 16 bits: too few."""
    body = tuple(dataclasses.replace(i, width="i16") if isinstance(i, Dot) else i
                 for i in p.step[-1].body)  # fmt: skip
    return with_stage(p, -1, body=body)


def without_saturation(p: Program) -> Program:
    """i_pre is copied where it had to be saturated."""
    body = tuple(
        dataclasses.replace(i, primitive="times", arguments=(*i.arguments, 3))
        if isinstance(i, Call) and i.out == "i_pre" else i for i in p.step[-1].body
    )  # fmt: skip
    return with_stage(p, -1, body=body)


def narrow_buffer(p: Program) -> Program:
    """The cell state promises less than it holds."""
    buffers = tuple(dataclasses.replace(b, lo=-5, hi=5) if b.name == "rnn_c" else b
                    for b in p.buffers)  # fmt: skip
    return dataclasses.replace(p, buffers=buffers)


BROKEN = {
    "rnn_c": narrow_buffer,
    "i_sum|f_sum|g_sum|o_sum": broken_sum,
    "i_pre": without_saturation,
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_overflow_is_raised_and_named_never_wrapped(what: str):
    p = BROKEN[what](program(cell_model("lstm", gain=8.0)))
    x = p.inputs[0].format.quantize(4 * np.random.default_rng(0).normal(size=(50, 3)))
    with pytest.raises(OverflowError, match=f"^({what}) in .* leaves"):
        p.run_integer({"x": x})


@pytest.mark.parametrize("what", BROKEN)
def test_the_range_proof_refuses_the_same_programs(what: str):
    with pytest.raises(RangeError, match="net, stage 'rnn: LSTM"):
        verify_ranges(BROKEN[what](program(cell_model("lstm", gain=8.0))))


def test_an_input_outside_its_type_is_refused():
    p = program(cell_model("gru"))
    with pytest.raises(Rnn2cError, match=r"input 'x' leaves \[-32768, 32767\] of its C type"):
        p.run_integer({"x": np.full((2, 3), 40_000)})


def test_an_element_outside_its_buffer_is_refused_by_the_proof():
    p = program(cell_model("gru"))
    with pytest.raises(RangeError, match=r"leaves its \d+ elements"):
        verify_ranges(with_stage(p, 0, units=4))


def test_units_of_a_stage_do_not_see_each_other():
    """h of the step before is read by all units, even after some have stored theirs."""
    p = program(cell_model("rnn"))
    machine = Interpreter(p)
    machine.init({})
    x = np.array([[100, -50, 25]])
    first = machine.step({"x": x})["y"]
    assert np.array_equal(machine.state()["rnn_h"], first)
    fresh = Interpreter(p)
    fresh.init({})
    fresh.restore({"rnn_h": first})
    assert np.array_equal(machine.step({"x": x})["y"], fresh.step({"x": x})["y"])


@pytest.mark.parametrize("kind", CELLS)
def test_save_and_restore_between_steps_change_nothing(kind: str):
    p = program(cell_model(kind))
    x = np.random.default_rng(1).integers(-100, 100, (8, 1, 3))
    whole, pieces = Interpreter(p), Interpreter(p)
    whole.init({})
    pieces.init({})
    for t in range(8):
        other = Interpreter(p)
        other.init({})
        other.restore(pieces.state())
        pieces = other
        assert np.array_equal(whole.step({"x": x[t]})["y"], pieces.step({"x": x[t]})["y"])


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
def test_a_batch_equals_its_sequences_one_by_one(kind: str, profile: str):
    p = program(classifier(kind), profile=profile)
    x = np.random.default_rng(2).normal(size=(6, 9, 3))
    batch = p.run({"x": x})
    assert {n: a.shape for n, a in batch.items()} == {"probability": (6, 4), "label": (6, 1)}
    for k in range(6):
        single = p.run({"x": x[k]})
        assert all(np.array_equal(single[n], batch[n][k]) for n in batch)


def test_shapes_of_per_step_outputs():
    p = program(cell_model("gru"))
    assert p.run({"x": np.zeros((7, 3))})["y"].shape == (7, 5)
    assert p.run({"x": np.zeros((2, 7, 3))})["y"].shape == (2, 7, 5)
    assert p.run_integer({"x": np.zeros((7, 3), np.int64)})["y"].dtype == np.int64


def test_an_absent_initial_state_is_zero_and_a_given_one_counts():
    real = cell_model("lstm")
    layer = changed(real.layers[0], inputs=("x", "h0", "c0"))
    inputs = (*real.inputs, graph.Input("h0", 5, "sequence"), graph.Input("c0", 5, "sequence"))
    m = graph.Model("m", inputs, (layer,), real.outputs)
    p = program(integer(m))
    x = data(m).sequences[0]["x"]
    none, zeros = p.run({"x": x}), p.run({"x": x, "h0": np.zeros(5), "c0": np.zeros(5)})
    assert np.array_equal(none["y"], zeros["y"])
    given = {"x": x, "h0": np.full(5, 0.5), "c0": np.full(5, 1.0)}
    assert not np.array_equal(p.run(given)["y"], none["y"])
    assert np.abs(p.run(given)["y"] - m.run(given)["y"]).max() < 0.05
    only_c = {"x": x, "c0": np.full(5, 1.0)}
    assert np.abs(p.run(only_c)["y"] - m.run(only_c)["y"]).max() < 0.05


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is missing"),
        ({"x": np.zeros((4, 2))}, r"input 'x' has shape \[4, 2\], expected \[T, 3\]"),
        ({"x": np.zeros((0, 3))}, "a sequence needs at least one time step"),
        ({"x": np.full((4, 3), np.nan)}, "input 'x' holds NaN or infinity"),
        ({"z": np.zeros((4, 3))}, "input 'z': the program has x"),
    ],
)
def test_wrong_inputs_of_run_are_refused(inputs, message: str):
    with pytest.raises(Rnn2cError, match=message):
        program(cell_model("gru")).run(inputs)


def test_stages_are_what_the_broken_programs_think():
    """The seeds above really change something."""
    p = program(cell_model("lstm", gain=8.0))
    assert isinstance(p.step[-1], Stage)
    for breaks in BROKEN.values():
        assert (breaks(p).step, breaks(p).buffers) != (p.step, p.buffers)
