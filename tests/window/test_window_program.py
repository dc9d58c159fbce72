"""Programs that wait for the whole sequence: the reference against the Model, and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_models import CELLS, changed, data, linear
from window_models import program_of, reverse, stacked

from rnn2c.calibration import SequenceSet
from rnn2c.errors import RangeError, Rnn2cError, TooLargeError, UnsupportedError
from rnn2c.interp import Interpreter
from rnn2c.ir import graph, window
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.ir.program import Elem, Stage, Store
from rnn2c.ir.program_text import program_text
from rnn2c.lower import lower, step_bytes
from rnn2c.pipeline import compile_model, prepare
from rnn2c.proof import verify_ranges
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import load_target

RNG = np.random.default_rng(5)
X = RNG.normal(size=(7, 3))
LIMIT = {"float32": 2e-6, "accurate": 0.03, "fast": 0.03, "compact": 0.04}


@pytest.mark.parametrize("profile", LIMIT)
@pytest.mark.parametrize("kind", [k for k in CELLS if k != "rnn_relu"])
def test_programs_agree_with_the_model(kind: str, profile: str):
    for m in (reverse(kind), stacked(kind), stacked(kind, mask=True)):
        wanted, got = m.run({"x": X}), program_of(m, profile, 7).run({"x": X})
        assert wanted.keys() == got.keys()
        for name, array in wanted.items():
            assert got[name].shape == array.shape
            assert np.abs(got[name] - array).max() < LIMIT[profile], name


def test_layers_of_masks_and_order_agree_with_the_model():
    layers = (
        window.StepMask(name="before", inputs=("x",), steps=3),
        window.ValueMask(name="other", inputs=("x",), value=-1.0),
        window.Masked(name="cut", inputs=("x", "other")),
        window.Flip(name="flip", inputs=("cut",)),
        window.Flip(name="flip2", inputs=("flip",)),
        window.StepMask(name="late", inputs=("flip",), steps=2),
        window.FirstStep(name="first", inputs=("cut",)),
        graph.LastStep(name="last", inputs=("flip",)),
        graph.LastStep(name="kept_last", inputs=("cut",)),
    )
    m = Model("m", (Input("x", 2),), layers, tuple(Output(p.name, p.name) for p in layers))
    x = np.array([[1.0, 2.0], [-1.0, -1.0], [-1.0, 3.0], [0.5, -1.0], [-1.0, -1.0]])
    wanted = m.run({"x": x})
    for profile in LIMIT:
        got = program_of(m, profile, 5, SequenceSet(({"x": x},))).run({"x": x})
        assert all(np.abs(got[n] - wanted[n]).max() < 0.05 for n in wanted)


@pytest.mark.parametrize("profile", LIMIT)
def test_initial_states_of_a_reverse_layer_are_kept_for_every_finish(profile: str):
    m = reverse("lstm")
    cell = changed(m.layers[0], inputs=("x", "h0", "c0"))
    inputs = (Input("x", 3), Input("h0", 5, "sequence"), Input("c0", 5, "sequence"))
    m = Model("net", inputs, (cell, *m.layers[1:]), m.outputs)
    feeds = {"x": X, "h0": RNG.uniform(-0.9, 0.9, 5), "c0": RNG.uniform(-0.9, 0.9, 5)}
    wanted, got = m.run(feeds), program_of(m, profile, 7).run(feeds)
    assert all(np.abs(got[n] - wanted[n]).max() < 0.05 for n in wanted)
    without = program_of(m, profile, 7).run({"x": X})
    assert np.abs(without["y"] - m.run({"x": X})["y"]).max() < 0.05


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before"])
def test_reverse_equals_flipped_input_bit_by_bit(kind: str):
    m = reverse(kind)
    forward = changed(m.layers[0], direction="forward")
    plain = Model("net", m.inputs, (forward,), (Output("y", "rnn"),))
    same = data(m)
    back, ahead = (program_of(p, "accurate", n, same) for p, n in ((m, 7), (plain, None)))
    q = RNG.integers(-100, 100, (7, 3))
    assert np.array_equal(
        back.run_integer({"x": q})["y"], ahead.run_integer({"x": q[::-1]})["y"][::-1]
    )


def test_finish_may_be_called_at_any_time_and_again():
    program = program_of(stacked("gru", mask=True), "accurate", 6)
    q = RNG.integers(-100, 100, (6, 1, 3))
    often, once = Interpreter(program), Interpreter(program)
    for machine in (often, once):
        machine.init({})
    empty = often.finish()
    assert empty["y"].shape == (1, 0, 2)
    for row in q:
        once.step({"x": row})
        often.step({"x": row})
        first, second = often.finish(), often.finish()
        assert all(np.array_equal(first[n], second[n]) for n in first)
    final = once.finish()
    assert all(np.array_equal(first[n], final[n]) for n in final)
    state = once.state()
    assert all(np.array_equal(often.state()[n], state[n]) for n in state)


def test_a_step_too_many_is_refused_and_changes_nothing():
    program = program_of(reverse("gru"), "accurate", 2)
    machine = Interpreter(program)
    machine.init({})
    for _ in range(2):
        machine.step({"x": np.ones((1, 3))})
    before = machine.finish()
    with pytest.raises(Rnn2cError, match="more than 2 steps, for which the program was built"):
        machine.step({"x": np.zeros((1, 3))})
    after = machine.finish()
    assert all(np.array_equal(before[n], after[n]) for n in before)


# -- what a window needs --------------------------------------------------------------------------


def test_without_max_steps_the_refusal_says_what_waits_and_what_it_costs():
    m = prepare(stacked("gru"))
    with pytest.raises(UnsupportedError) as error:
        lower(m, load_target("host"))
    assert str(error.value) == (
        "layer 'low.b' runs in reverse and needs the whole sequence: give --max-steps N, the most"
        " steps a sequence has (80 bytes of RAM for each)"
    )


def test_max_steps_of_a_model_that_streams_is_refused():
    m = prepare(Model("m", (Input("x", 3),), (linear("y", "x", 3, 2, RNG),), (Output("y", "y"),)))
    with pytest.raises(Rnn2cError, match="--max-steps 9: this model runs step by step"):
        lower(m, load_target("host"), max_steps=9)


@pytest.mark.parametrize("number", [0, -1, 65536])
def test_max_steps_out_of_range_is_refused(number: int):
    with pytest.raises(Rnn2cError, match=f"--max-steps {number}: give a number from 1 to 65535"):
        lower(prepare(reverse("gru")), load_target("host"), max_steps=number)


def test_a_window_beyond_the_memory_says_how_many_steps_fit():
    m = reverse("lstm")
    target, options = load_target("atmega328p"), QuantizeOptions(profile="compact")
    with pytest.raises(TooLargeError, match=r"--max-steps \d+ would fit \(\d+ bytes a step\)") as e:
        compile_model(m, data(m), target, options, None, 900)
    steps = int(str(e.value).split("--max-steps ")[1].split()[0])
    assert compile_model(m, data(m), target, options, None, steps).program.max_steps == steps
    with pytest.raises(TooLargeError):
        compile_model(m, data(m), target, options, None, steps + 1)


def test_what_a_step_costs_is_what_the_program_keeps_of_it():
    for m in (reverse("lstm"), stacked("gru"), stacked("lstm", mask=True)):
        for profile in ("float32", "accurate"):
            program = program_of(m, profile, 5)
            rows = sum(b.size * {"f32": 4, "i16": 2}.get(b.type, 1)
                       for b in program.having("state", "scratch") if b.rows)  # fmt: skip
            ready = prepare(m)
            if profile == "float32":
                assert step_bytes(ready) == rows
            assert program.max_steps == 5


def test_only_what_has_to_wait_runs_in_finish():
    program = program_of(stacked("gru"), "accurate", 4)
    assert [op.title.partition(":")[0] for op in program.step if "GRU" in op.title] == ["low.f"]
    assert program.macs == 3 * 4 * (3 + 4)
    assert program.loop_macs == 3 * 4 * (3 + 4) + 2 * 3 * 3 * (8 + 3) + 6 * 2


def test_the_text_of_a_loop_says_its_order():
    text = program_text(program_of(reverse("rnn"), "accurate", 4))
    assert "every step, from the last to the first: for all steps in reverse" in text
    assert "x_steps: i16[3] per step, at most 4, state" in text
    assert "  before: rnn_h = 0: 5 units" in text


def test_the_proof_refuses_rows_without_a_step_and_stores_into_the_state():
    program = program_of(reverse("rnn"), "accurate", 4)
    (loop, *rest) = program.finish
    bad = Stage("bad", 3, (), (Store(Elem("x_steps"), "v"),))
    with pytest.raises(RangeError, match="no row of x_steps is at hand"):
        verify_ranges(replace(program, finish=(loop, bad, *rest)))
    inside = replace(loop, body=(*loop.body, bad))
    with pytest.raises(RangeError, match="finish stores x_steps, a part of the state"):
        verify_ranges(replace(program, finish=(inside, *rest)))
