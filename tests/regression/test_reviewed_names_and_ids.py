"""Names of layers in comments and tables, and save images that travel between targets."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from core_models import cell_model, classifier, integer

from rnn2c.emit import emit_c
from rnn2c.frontend import load
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.lower import lower
from rnn2c.pipeline import prepare
from rnn2c.target import load_target


def renamed(model: Model, **names: str) -> Model:
    """The model with other names of layers and values."""

    def new(name: str) -> str:
        return names.get(name, name)

    layers = tuple(
        dataclasses.replace(p, name=new(p.name), inputs=tuple(map(new, p.inputs)))
        for p in model.layers
    )
    inputs = tuple(Input(new(i.name), i.size, i.rate) for i in model.inputs)
    outputs = tuple(Output(o.name, new(o.value)) for o in model.outputs)
    return dataclasses.replace(model, layers=layers, inputs=inputs, outputs=outputs)


@pytest.mark.parametrize("name", ["fc*/ int evil; /*", "größe", "a\\", "q??/", "l\nint evil;"])
def test_a_hostile_layer_name_changes_no_code(name: str):
    plain = classifier("gru")
    first = plain.layers[-1].name
    hostile = renamed(plain, **{first: name})
    for text in emit_c(lower(integer(hostile), load_target("host"))).values():
        assert text.isascii()
        assert "int evil" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("name", ["tanh_table", "sigmoid_table", "tanh_q12_table"])
@pytest.mark.parametrize("profile", ["accurate", "compact"])
def test_an_input_called_like_a_table_is_still_the_input(name: str, profile: str):
    model = renamed(cell_model("lstm"), x=name)
    program = lower(integer(model, profile=profile), load_target("host"))
    x = np.random.default_rng(0).normal(size=(6, 3))
    wanted = model.run({name: x})
    got = program.run({name: x})
    for output in wanted:
        assert np.abs(wanted[output] - got[output]).max() < 0.1


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before", "rnn"])
@pytest.mark.parametrize("profile", ["accurate", "compact"])
def test_one_quantized_model_has_one_id_on_all_targets(kind: str, profile: str):
    model = integer(cell_model(kind), profile=profile)
    ids = {lower(model, load_target(t)).model_id for t in ("host", "cortex-m4", "atmega328p")}
    assert len(ids) == 1


@pytest.mark.parametrize("squash", [False, True])
def test_the_last_of_a_linear_layer_on_every_step_runs_once_per_sequence(squash: bool):
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = torch.nn.GRU(3, 5, batch_first=True)
            self.fc = torch.nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.fc(self.rnn(x)[0])
            return (torch.sigmoid(y) if squash else y)[:, -1]

    model = prepare(load(Net().eval(), torch.zeros(1, 7, 3)))
    kinds = [type(p).__name__ for p in model.layers]
    assert kinds == ["Gru", "LastStep", "Linear"]
    assert model.layers[-1].activation == ("sigmoid" if squash else "")
