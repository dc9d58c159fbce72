"""Softmax of one class left a function unused; of two, a sum changed its sign on the way."""

from __future__ import annotations

import pytest
from drafts import recurrent
from fixed import draft_of, finished

from rnn2c.ir import graph
from rnn2c.pipeline import QuantizeOptions
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import verify


@pytest.mark.parametrize("classes", [1, 2, 3, 300])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_softmax_of_any_number_of_classes(classes, compiler, build):
    draft = draft_of(1, 1.0)
    draft.input("x", 3)
    recurrent(draft, "gru", "gru", 4)
    draft.linear("logits", classes)
    draft.add(graph.Softmax(name="p", inputs=("logits",)), classes)
    draft.show("p")
    made = build(finished(draft, "sm", QuantizeOptions(), None))
    report = verify(made.program, made.folder, made.sequences(), build=BuildOptions(compiler))
    assert report.bit_exact
