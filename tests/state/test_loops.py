"""Delays: a value of one step before, in the float Model, in integers and in float32 C."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from loops import FEATURES, MODELS, by_hand, elman, output_fed_back

from rnn2c.calibration import SequenceSet, as_sequence_set
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph, window
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Delay, Model
from rnn2c.ir.program import Program
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, emit, prepare
from rnn2c.target import load_target
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))
ERROR = {"accurate": 0.04, "fast": 0.04, "compact": 0.05}


def data(model: Model, count: int = 6, steps: int = 20) -> SequenceSet:
    rng = np.random.default_rng(5)
    sequences = [{"x": rng.normal(size=(steps, FEATURES))} for _ in range(count)]
    return as_sequence_set(sequences, model)


def integers(model: Model, profile: str = "accurate", target: str = "host") -> Program:
    options = QuantizeOptions(profile=profile)
    return compile_model(model, data(model), load_target(target), options).program


@pytest.mark.parametrize("name", MODELS)
def test_the_float_model_is_its_definition(name: str) -> None:
    model = MODELS[name]()
    check_model(model)
    x = np.random.default_rng(6).normal(size=(9, FEATURES))
    (wanted,) = (by_hand(name, model, x),)
    np.testing.assert_allclose(model.run({"x": x})["y"], wanted, atol=1e-12)
    np.testing.assert_allclose(prepare(model).run({"x": x})["y"], wanted, atol=1e-12)
    batch = np.stack([x, 2 * x])
    np.testing.assert_allclose(model.run({"x": batch})["y"][0], wanted, atol=1e-12)


@pytest.mark.parametrize("profile", ERROR)
@pytest.mark.parametrize("name", MODELS)
def test_integers_are_near_and_the_same_in_c(name: str, profile: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    program = integers(model, profile)
    x = data(model, 1).sequences[0]
    wanted, got = model.run(x)["y"], program.run(x)["y"]
    assert np.abs(wanted - got).max() <= ERROR[profile] * max(1.0, np.abs(wanted).max())
    emit(program, tmp_path)
    sequences = [*raw_sequences(program, [x]), *stress_sequences(program, 8)]
    assert verify(program, tmp_path, sequences, build=SANITIZED).bit_exact


@pytest.mark.parametrize("name", MODELS)
def test_float32_agrees(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    program = compile_float32(model, load_target("host")).program
    emit(program, tmp_path)
    x = data(model, 1).sequences[0]
    np.testing.assert_allclose(program.run(x)["y"], model.run(x)["y"], atol=1e-5)
    sequences = [*raw_sequences(program, [x]), *stress_sequences(program, 5)]
    assert verify(program, tmp_path, sequences, build=SANITIZED).agrees


@pytest.mark.parametrize(("target", "profile"), [("cortex-m4", "fast"), ("atmega328p", "compact")])
def test_on_chips(target: str, profile: str, tmp_path: Path) -> None:
    program = integers(output_fed_back(), profile, target)
    emit(program, tmp_path)
    sequences = [*raw_sequences(program, data(output_fed_back(), 1, 5).sequences),
                 *stress_sequences(program, 4)]  # fmt: skip
    assert verify(program, tmp_path, sequences).bit_exact


def test_the_state_is_saved_and_starts_at_zero() -> None:
    program = integers(elman())
    (state,) = program.having("state")
    assert state.name == "h_delayed"
    assert state.lo < 0 < state.hi
    assert [i.name for i in program.inputs] == ["x"]


def refused(model: Model) -> str:
    with pytest.raises(Rnn2cError) as caught:
        check_model(model)
    return str(caught.value)


def test_impossible_delays_are_refused() -> None:
    model = elman()
    (delay,) = model.delays
    wrong = replace(model, delays=(Delay("h", "head", 4),))
    assert refused(wrong) == "'h' [4] delays 'head' [2]"
    assert "which nothing defines" in refused(replace(model, delays=(replace(delay, value="z"),)))
    assert "the same name" in refused(replace(model, delays=(delay, delay)))
    last = graph.LastStep(name="end", inputs=("next",))
    ended = replace(model, layers=(*model.layers, last), delays=(Delay("h", "end", 4),))
    assert "is not known at every step" in refused(ended)


def test_a_class_index_is_not_fed_back() -> None:
    model = elman()
    label = graph.ArgMax(name="label", inputs=("next",))
    fed = replace(
        model, layers=(*model.layers, label), delays=(*model.delays, Delay("l", "label", 1))
    )
    assert "'l' delays 'label', a class index" in refused(fed)


def test_a_layer_that_counts_steps_in_a_loop_is_refused() -> None:
    model = elman()
    mask = window.StepMask(name="mask", inputs=("h",), steps=3)
    masked = window.Masked(name="some", inputs=("next", "mask"))
    looped = replace(model, layers=(*model.layers, mask, masked), delays=(Delay("h", "some", 4),))
    assert "layer 'mask': StepMask in a loop" in refused(looped)


def test_a_reverse_layer_in_a_loop_is_refused() -> None:
    model = output_fed_back()
    layers = tuple(
        replace(p, direction="reverse") if isinstance(p, graph.Gru) else p for p in model.layers
    )
    text = refused(model.with_layers(layers))
    assert "is not known at every step" in text
