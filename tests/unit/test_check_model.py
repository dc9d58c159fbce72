"""check_model names the layer and the attribute of everything that is wrong with a Model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import CELLS, cell_model, changed, classifier

from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Input, Model, Output, Tensor

GOOD = classifier("gru")
RNN, LAST, FC, SOFT, BEST = GOOD.layers


def with_layer(old: graph.Layer, **fields: object) -> Model:
    layers = tuple(changed(p, **fields) if p is old else p for p in GOOD.layers)
    return GOOD.with_layers(layers)


def test_valid_models_pass():
    check_model(GOOD)
    for kind in CELLS:
        check_model(cell_model(kind))


BAD = {
    "two inputs have the same name": dataclasses.replace(GOOD, inputs=(Input("x", 3),) * 2),
    "input 'x': size 0, expected at least 1": dataclasses.replace(GOOD, inputs=(Input("x", 0),)),
    "layer 'fc' reads 'later', which nothing before it defines": with_layer(FC, inputs=("later",)),
    "layer 'rnn' defines 'rnn' a second time": GOOD.with_layers((RNN, RNN)),
    "model 'net' has no output": dataclasses.replace(GOOD, outputs=()),
    "output 'y' shows 'nothing', which nothing defines": dataclasses.replace(
        GOOD, outputs=(Output("y", "nothing"),)
    ),
    r"layer 'rnn': w_ih has shape \[15, 4\], expected \[15, 3\]": with_layer(
        RNN, w_ih=Tensor(np.zeros((15, 4)))
    ),
    r"layer 'rnn': w_hh has shape \[14, 5\], expected \[15, 5\]": with_layer(
        RNN, w_hh=Tensor(np.zeros((14, 5)))
    ),
    r"layer 'rnn': b_ih has shape \[14\], expected \[15\]": with_layer(RNN, b_ih=np.zeros(14)),
    r"layer 'rnn': b_hh has shape \[16\], expected \[15\]": with_layer(RNN, b_hh=np.zeros(16)),
    r"layer 'rnn': initial state 'x' has shape \[3\], expected \[5\]": with_layer(
        RNN, inputs=("x", "x")
    ),
    r"layer 'fc': weight has shape \[4, 6\], expected \[4, 5\]": with_layer(
        FC, weight=Tensor(np.zeros((4, 6)))
    ),
    r"layer 'fc': weight has shape \[0, 5\], expected \[0, 5\]": with_layer(
        FC, weight=Tensor(np.zeros((0, 5))), bias=np.zeros(0)
    ),
    r"layer 'fc': bias has shape \[3\], expected \[4\]": with_layer(FC, bias=np.zeros(3)),
    "layer 'last' needs one vector per step, 'x' has one per sequence": dataclasses.replace(
        GOOD, inputs=(Input("x", 5, "sequence"),), layers=(changed(LAST, inputs=("x",)),),
        outputs=(Output("y", "last"),),
    ),
    r"layer 'fc': bias\[2\] is nan; weights must be finite": with_layer(
        FC, bias=np.array([0.0, 1.0, np.nan, 2.0])
    ),
    r"layer 'rnn': w_hh\[3, 1\] is inf; weights must be finite": with_layer(
        RNN, w_hh=Tensor(np.where(np.arange(75).reshape(15, 5) == 16, np.inf, 0.0))
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_what_is_wrong_is_named(message: str):
    with pytest.raises(Rnn2cError, match=f"^.*{message}.*$") as caught:
        check_model(BAD[message])
    assert "\n" not in str(caught.value)


def test_sizes_and_rates_of_every_value():
    sizes = {"x": 3, "rnn": 5, "last": 5, "fc": 4, "soft": 4, "best": 1}
    assert GOOD.sizes() == sizes
    steps = {"x", "rnn"}
    assert GOOD.rates() == {n: "step" if n in steps else "sequence" for n in sizes}
    assert cell_model("lstm").sizes() == {"x": 3, "rnn": 5, "rnn.c": 5}
