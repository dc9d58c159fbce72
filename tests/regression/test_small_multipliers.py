"""Multipliers below 2^15 were stored signed and passed as unsigned without a cast."""

from __future__ import annotations

from fixed import single

from rnn2c.ir.graph import Tensor
from rnn2c.pipeline import QuantizeOptions
from rnn2c.validate.verify import verify


def test_a_matrix_of_zeros_compiles(build):
    case = single("zeros", "tanh", QuantizeOptions(), units=3)
    layer = case.model.layers[0]
    zeros = {n: Tensor(getattr(layer, n).data * 0) for n in ("w_ih", "w_hh")}
    changed = type(layer)(**{**vars(layer), **zeros})
    model = case.model.with_layers((changed, *case.model.layers[1:]))
    made = build(case._replace(model=model))
    assert verify(made.program, made.folder, made.sequences()).bit_exact
