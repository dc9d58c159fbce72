"""A model or a port may be called like something in the verification program."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import cell_model

import rnn2c
from rnn2c.ir.graph import Input, Output


@pytest.mark.parametrize(
    ("model", "port"), [("fetch", "begin"), ("blob", "step"), ("next", "put"), ("io", "sequence")]
)
def test_names_of_the_verification_program_are_free(model: str, port: str):
    plain = cell_model("gru")
    layers = tuple(dataclasses.replace(p, inputs=(port, *p.inputs[1:])) for p in plain.layers)
    size = plain.inputs[0].size
    named = dataclasses.replace(
        plain,
        name=model,
        inputs=(Input(port, size),),
        layers=layers,
        outputs=(Output("finish", plain.outputs[0].value),),
    )
    x = np.random.default_rng(0).normal(size=(2, 5, size))
    integer = rnn2c.quantize(named, {port: x})
    for target in ("host", "cortex-m4"):
        assert rnn2c.verify(rnn2c.compile(integer, target), [{port: x[0]}]).bit_exact
