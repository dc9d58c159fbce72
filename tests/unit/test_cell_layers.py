"""Forms of the cells as layers of a Model: what is valid, their text, what they warn of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cell_variants import VARIANTS, variant, variant_model
from core_models import cell_model, changed, integer, program

from rnn2c.errors import RangeError, Rnn2cError
from rnn2c.ir.check import check_model
from rnn2c.ir.facts import model_facts
from rnn2c.ir.graph import CellFunction, Input, Model, Tensor
from rnn2c.ir.model_text import model_text
from rnn2c.ir.program import Call, Stage
from rnn2c.pipeline import prepare
from rnn2c.proof import verify_ranges

BAD: dict[str, tuple[str, dict[str, object], str]] = {
    "peepholes": ("lstm peepholes", {"peepholes": np.zeros(5)}, r"peepholes has shape \[5\]"),
    "projection": (
        "lstm projection",
        {"projection": Tensor(np.zeros((3, 4)))},
        r"projection has shape \[3, 4\], expected \[3, 5\]",
    ),
    "w_hh without projection": ("lstm projection", {"projection": None}, "w_hh has shape"),
    "constant": (
        "gru start", {"constant_h": np.zeros(4)}, r"constant initial state has shape \[4\]"
    ),
    "infinite constant": (
        "lstm start", {"constant_c": np.full(5, np.inf)}, r"constant_c\[0\] is inf"
    ),
    "two starts": ("gru start", {"inputs": ("x", "h0")}, "is a constant and the input 'h0'"),
    "count": ("gru hard", {"activations": (CellFunction("tanh"),)}, "the list of activations"),
    "function": ("rnn elu", {"activations": (CellFunction("wave"),)}, "no function 'wave'"),
    "parameter": (
        "rnn elu", {"activations": (CellFunction("elu", np.nan),)}, "elu is not finite"
    ),
    "clip": ("gru clip", {"clip": 0.0}, "clip is 0, it must be above 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named(case: str) -> None:
    name, fields, message = BAD[case]
    model = variant_model(name)
    layer = changed(model.layers[0], **fields)
    made = Model("m", (*model.inputs, Input("h0", 5, "sequence")), (layer,), model.outputs)
    if "h0" not in layer.inputs:
        made = dataclasses.replace(made, inputs=model.inputs)
    with pytest.raises(Rnn2cError, match=f"^layer 'rnn': .*{message}"):
        check_model(made)


def test_the_text_of_a_model_says_what_its_cells_are() -> None:
    text = model_text(variant_model("lstm everything"))
    assert "Lstm (hard_sigmoid 0.2 0.5, softsign, scaled_tanh 1.2 0.8; clip 2; coupled" in text
    assert "projection [4, 5] float" in text
    assert "clip" not in model_text(variant_model("lstm peepholes"))
    assert "f: hard_sigmoid 0.2 0.5 of Q" in model_text(integer(variant_model("gru hard")))


@pytest.mark.parametrize(
    ("name", "cause"),
    [("rnn linear", "linear"), ("lstm relu", "relu"), ("lstm projection", "its form")],
)
def test_states_without_bounds_are_warned_of(name: str, cause: str) -> None:
    (warning,) = model_facts(prepare(variant_model(name))).layers[0].warnings
    assert f"{cause} lets the hidden state grow without bound" in warning


@pytest.mark.parametrize("name", ["gru hard", "lstm peepholes", "rnn softsign"])
def test_states_with_bounds_are_not(name: str) -> None:
    assert not model_facts(prepare(variant_model(name))).layers[0].warnings


def test_compact_says_that_it_computes_a_form_as_accurate_does() -> None:
    notes = integer(variant_model("gru hard"), profile="compact").numerics.notes
    assert any("computed as in profile accurate" in note for note in notes)
    assert not integer(variant_model("gru hard")).numerics.notes


def test_a_clip_that_changes_nothing_keeps_the_common_form() -> None:
    plain = cell_model("lstm")
    clipped = plain.with_layers((changed(plain.layers[0], clip=50.0),))
    assert program(clipped).model_id == program(plain).model_id


def test_every_variant_but_small_starts_has_the_lowering_of_its_own() -> None:
    common = {name for name in VARIANTS if variant(name).plain}
    assert common == {"rnn relu", "rnn start", "lstm start", "gru start"}


def test_a_value_that_is_defined_twice_is_refused() -> None:
    made = program(cell_model("rnn"))
    (stage,) = (op for op in made.step if isinstance(op, Stage) and "RNN" in op.title)
    again = dataclasses.replace(stage, body=(*stage.body, Call("h", "sat16", ("h",))))
    broken = dataclasses.replace(made, step=tuple(again if p is stage else p for p in made.step))
    with pytest.raises(RangeError, match="h is defined twice"):
        verify_ranges(broken)
