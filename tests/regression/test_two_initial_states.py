"""init declared the state of every layer for every initial state: unused variables."""

from __future__ import annotations

from drafts import recurrent
from fixed import draft_of, finished

from rnn2c.pipeline import QuantizeOptions
from rnn2c.validate.verify import verify


def test_initial_states_of_two_layers(build):
    draft = draft_of(1, 1.0)
    draft.input("x", 3)
    recurrent(draft, "first", "gru", 4, states="h")
    recurrent(draft, "second", "lstm", 3, states="hc")
    draft.show("y")
    made = build(finished(draft, "two", QuantizeOptions(), None))
    sequences = made.sequences()
    without = [{k: v for k, v in sequences[0].items() if not k.startswith("second")}]
    assert verify(made.program, made.folder, [*sequences, *without]).bit_exact
