"""An initial state used for anything else crashed, did not compile or got a wrong scale."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drafts import Draft, recurrent
from fixed import draft_of, finished

from rnn2c.errors import UnsupportedError
from rnn2c.ir.graph import Input
from rnn2c.pipeline import QuantizeOptions


def with_state(cell: str = "lstm") -> Draft:
    draft = draft_of(1, 1.0)
    draft.input("x", 3)
    recurrent(draft, "cell", cell, 4, states="h")
    draft.show("y")
    return draft


def refused(draft: Draft, message: str, build) -> None:
    for activations in ("int8", "int16"):
        case = finished(draft, "m", QuantizeOptions(activations=activations), None)
        with pytest.raises(UnsupportedError, match=message):
            build(case)


def test_read_by_a_linear_layer(build):
    draft = with_state()
    draft.value, draft.size = "cell_h0", 4
    draft.linear("fc", 2)
    draft.show("z")
    refused(draft, "'fc' reads 'cell_h0', which is an initial state", build)


def test_shown_as_an_output(build):
    draft = with_state()
    draft.show("z", "cell_h0")
    refused(draft, "'z' reads 'cell_h0', which is an initial state", build)


def test_read_by_nothing(build):
    draft = with_state()
    draft.inputs.append(Input("note", 3, "sequence"))
    refused(draft, "input 'note' is given once per sequence but is no initial state", build)


def test_an_initial_state_given_at_every_step(build):
    draft = with_state()
    draft.layers[0] = replace(draft.layers[0], inputs=("x", "steps"))
    draft.inputs[:] = [Input("x", 3), Input("steps", 4)]
    refused(draft, "'steps' is used as an initial state", build)


def test_the_same_for_h_and_c(build):
    draft = with_state()
    draft.layers[0] = replace(draft.layers[0], inputs=("x", "cell_h0", "cell_h0"))
    refused(draft, "'cell_h0' is the initial value of two states with different formats", build)


def test_the_same_for_layers_with_other_formats(build):
    draft = with_state("gru")
    recurrent(draft, "relu", "relu", 4)
    draft.layers[1] = replace(draft.layers[1], inputs=("cell", "cell_h0"))
    draft.show("z")
    refused(draft, "'cell_h0' is the initial value of two states with different formats", build)
