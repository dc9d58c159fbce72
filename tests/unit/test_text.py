"""The text of a Model and of a Program: formats, hostile names, every kind of layer."""

from __future__ import annotations

import re

import pytest
from core_models import CELLS, cell_model, changed, classifier, integer, program

from rnn2c.ir import graph
from rnn2c.ir.graph import Format
from rnn2c.ir.model_text import format_text, model_text
from rnn2c.ir.program import Call, Dot, Stage
from rnn2c.ir.program_text import program_text


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Format(2.0**-12, 16), "Q3.12"),
        (Format(2.0**-7, 8), "Q0.7"),
        (Format(2.0**-15, 16, lo=0, hi=32767), "Q0.15 in [0, 32767]"),
        (Format(2.0**-14, 16, lo=-16384, hi=16383), "Q1.14 in [-16384, 16383]"),
        (Format(0.01, 8), "int8 scale 0.01"),
        (Format(0.01, 8, zero_point=-3), "int8 scale 0.01 zero point -3"),
        (Format(0.5, 8, zero_point=1), "int8 scale 0.5 zero point 1"),
        (Format(0.1, 16, lo=-64, hi=63), "int16 scale 0.1 in [-64, 63]"),
    ],
)
def test_formats(form: Format, text: str):
    assert format_text(form) == text


@pytest.mark.parametrize("kind", CELLS)
def test_every_layer_and_value_of_a_model_is_shown(kind: str):
    m = classifier(kind)
    for made in (m, integer(m)):
        text = model_text(made)
        for layer in made.layers:
            assert f"{type(layer).__name__}" in text
            for value in layer.outputs:
                assert f"defines {value} [{made.sizes()[value]}] per {made.rates()[value]}" in text
        assert ("Q0.15" in text) == (made.numerics is not None)


@pytest.mark.parametrize(
    "options", [{}, {"profile": "fast"}, {"profile": "compact"}, {"weights": "int4"}], ids=str
)
def test_a_program_has_one_line_per_instruction_buffer_and_constant(options: dict[str, str]):
    p = program(classifier("gru_before"), **options)
    lines = program_text(p).splitlines()
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    for call in [i for s in stages for i in s.body if isinstance(i, Call)]:
        assert any(re.match(rf" *{call.out} = {call.primitive}\(", line) for line in lines)
    for dot in [i for s in stages for i in s.body if isinstance(i, Dot)]:
        assert f"{' '.join(dot.outs)} = {dot.width} sums of" in "\n".join(lines)
    for thing in (*p.buffers, *p.consts, *p.weights):
        assert any(line.startswith(f"  {thing.name}: ") for line in lines)


def test_equal_models_give_equal_text_and_other_weights_show():
    m = cell_model("gru")
    assert model_text(m) == model_text(cell_model("gru"))
    layer = m.layers[0]
    other = m.with_layers((changed(layer, w_ih=graph.Tensor(layer.w_ih.data * 2)),))
    assert model_text(m) != model_text(other)


def test_hostile_names_are_printed_harmlessly():
    m = cell_model("gru")
    rnn = changed(m.layers[0], name="\x1b[31m\n*/")
    odd = graph.Model("a\u2028b", m.inputs, (rnn,), (graph.Output("\x00", rnn.name),))
    for text in (model_text(odd), program_text(program(odd))):
        assert re.fullmatch(r"[ -~\n]*", text)
        assert "*/" not in text


def test_a_state_that_is_given_is_named_and_an_absent_one_is_zero():
    m = cell_model("lstm")
    rnn = changed(m.layers[0], inputs=("x", "", "c0"))
    inputs = (*m.inputs, graph.Input("c0", 5, "sequence"))
    text = model_text(graph.Model("m", inputs, (rnn,), m.outputs))
    assert "Lstm of x, zero, c0" in text
    assert "input c0 [5] per sequence" in text
