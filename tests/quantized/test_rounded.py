"""Values that a quantized source rounds: their meaning, and the formats a program takes over."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import cell, data, integer, linear, model, program
from given_models import given

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Format, Model
from rnn2c.ir.model_text import model_text
from rnn2c.ir.program import Program, Stage

INT8 = Format(0.05, 8, zero_point=3)
SYMMETRIC = Format(0.03, 8)
INT16 = Format(0.001, 16, zero_point=-20)
INT4 = Format(0.5, 8, zero_point=1, lo=-8, hi=7)
FORMATS = (INT8, SYMMETRIC, INT16, INT4)


def rounded(name: str, source: str, form: Format) -> graph.Rounded:
    return graph.Rounded(name=name, inputs=(source,), form=form)


def alone(form: Format) -> Model:
    return model((rounded("q", "x", form),), (("y", "q"),), 3)


def around(form: Format, activation: str = "") -> Model:
    """x -> rounded -> Linear -> rounded."""
    fc = linear("fc", "xq", 4, 5, np.random.default_rng(0), activation)
    layers = (rounded("xq", "x", SYMMETRIC), fc, rounded("yq", "fc", form))
    return given(model(layers, (("y", "yq"),), 4))


def stages(made: Program) -> list[Stage]:
    return [op for op in made.operations() if isinstance(op, Stage)]


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_a_value_is_rounded_to_even_and_limited(form: Format):
    x = np.random.default_rng(0).normal(0, 3, (40, 3)).astype(np.float32)
    x[0] = np.float32(form.scale) * np.array([0.5, 1.5, 2.5], np.float32)
    q = np.round((x / np.float32(form.scale)).astype(np.float64)) + form.zero_point
    wanted = (np.clip(q, form.lo, form.hi) - form.zero_point) * form.scale
    assert np.array_equal(alone(form).run({"x": x})["y"], wanted)


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_an_input_takes_the_format_it_is_rounded_to(form: Format):
    made = integer(alone(form))
    assert made.numerics.formats["x"] == form
    x = np.random.default_rng(1).normal(0, 3, (40, 3)).astype(np.float32)
    ours = rnn2c.compile(made).run({"x": x})["y"]
    assert np.abs(ours - alone(form).run({"x": x})["y"]).max() <= form.scale * 1.001


@pytest.mark.parametrize("profile", ["accurate", "compact"])
@pytest.mark.parametrize("activation", ["", "relu"])
@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_a_linear_layer_writes_the_given_format(form: Format, activation: str, profile: str):
    source = around(form, activation)
    made = integer(source, profile=profile)
    assert made.numerics.formats["fc"] == form
    x = data(source).sequences[0]
    ours, wanted = rnn2c.compile(made).run(x)["y"], source.run(x)["y"]
    assert np.abs(ours - wanted).max() <= form.scale * 1.001
    assert np.mean(np.abs(ours - wanted) > form.scale / 2) < 0.05


def test_rounding_that_is_done_already_costs_nothing():
    fc = linear("fc", "xq", 4, 5, np.random.default_rng(0))
    made = program(model((rounded("xq", "x", INT8), fc), (("y", "fc"),), 4))
    assert [s.title for s in stages(made)] == ["fc: linear 4 -> 5"]


@pytest.mark.parametrize("profile", ["accurate", "compact"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_a_cell_reads_and_is_read_rounded(kind: str, profile: str):
    layers = (
        rounded("xq", "x", INT8),
        cell(kind, 3, 5, np.random.default_rng(0), source="xq"),
        rounded("hq", "rnn", Format(0.02, 8, zero_point=-7)),
    )
    source = model(layers, (("y", "hq"),), 3)
    made = integer(source, profile=profile)
    assert "rnn" in made.numerics.split
    x = data(source).sequences[0]
    assert np.abs(rnn2c.compile(made).run(x)["y"] - source.run(x)["y"]).max() < 0.09


def test_a_value_that_others_read_keeps_a_format_of_its_own():
    fc = linear("fc", "x", 4, 4, np.random.default_rng(0))
    both = graph.Sum(name="s", inputs=("fc", "q"))
    source = model((fc, rounded("q", "fc", INT4), both), (("y", "s"),), 4)
    made = integer(source)
    assert made.numerics.formats["fc"] != INT4
    x = data(source).sequences[0]
    difference = np.abs(rnn2c.compile(made).run(x)["y"] - source.run(x)["y"])
    assert difference.max() <= 0.6
    assert np.median(difference) < 0.05


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_float32_rounds_the_same_way(form: Format):
    source = alone(form)
    x = data(source).sequences[0]
    made = rnn2c.compile(source)
    assert np.allclose(made.run(x)["y"], source.run(x)["y"], rtol=1e-6, atol=1e-7)
    assert rnn2c.verify(made, [x]).agrees


@pytest.mark.parametrize("form", [INT8, INT16], ids=str)
def test_the_program_runs_bit_for_bit(form: Format):
    source = around(form, "relu")
    report = rnn2c.verify(rnn2c.compile(integer(source)), data(source).sequences[:1])
    assert report.bit_exact


def test_the_last_step_is_rounded_once_per_sequence():
    last = graph.LastStep(name="last", inputs=("yq",))
    source = around(INT8)
    source = source.with_layers((*source.layers, last))
    source = dataclasses.replace(source, outputs=(graph.Output("y", "last"),))
    made = rnn2c.compile(integer(source))
    assert made.finish
    x = data(source).sequences[0]
    assert np.abs(made.run(x)["y"] - source.run(x)["y"]).max() <= INT8.scale * 1.001


def test_the_text_names_the_format():
    assert "Rounded (to int8 scale 0.05 zero point 3) of x" in model_text(alone(INT8))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (Format(0.0, 8), "a scale of 0 is not positive"),
        (Format(-1.0, 8), "a scale of -1 is not positive"),
        (Format(float("nan"), 8), "a scale of nan is not positive"),
        (Format(1.0, 8, zero_point=200), "zero point 200"),
        (Format(1.0, 8, lo=-200, hi=7), r"range \[-200, 7\] is beyond 8 bits"),
    ],
    ids=str,
)
def test_an_impossible_format_is_refused(form: Format, message: str):
    with pytest.raises(Rnn2cError, match=message):
        check_model(alone(form))
