"""Every cell, depth, layout, head and initial state, by every way in, equals torch."""

from __future__ import annotations

from itertools import product

import pytest
from torch_models import Case, assert_same, export, network

from rnn2c.frontend import load

CELLS = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")
HEADS = ("none", "sequence", "last", "softmax", "argmax", "hn")
MATRIX = [
    Case(*values) for values in product(CELLS, (1, 2, 3), (True, False), HEADS, (True, False))
]
WAYS = ("module", "onnx", "onnx-dynamic", "dynamo")


def check(case: Case, way: str, folder) -> None:
    module, arguments = network(case)
    if way == "module":
        model = load(module, arguments, cross_check=False)
    else:
        path = export(
            module, arguments, folder / "m.onnx", dynamo=way == "dynamo", dynamic="dynamic" in way
        )
        model = load(path, cross_check=False)
    assert_same(model, module, arguments)


@pytest.mark.full
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_matrix(case, way, tmp_path):
    check(case, way, tmp_path)


@pytest.mark.parametrize("cell", ["RNN_TANH", "RNN_RELU"])
def test_layers_that_an_exporter_writes_out_begin_with_states_of_one_stack(cell, tmp_path):
    check(Case(cell, 2, False, "hn", True), "dynamo", tmp_path)


def test_names_follow_the_module(tmp_path):
    case = Case("GRU", 2, True, "softmax", False)
    module, arguments = network(case)
    for way in WAYS:
        model = (
            load(module, arguments, cross_check=False)
            if way == "module"
            else load(
                export(module, arguments, tmp_path / "m.onnx", dynamo=way == "dynamo"),
                cross_check=False,
            )
        )
        assert [x.name for x in model.layers] == ["rnn", "rnn.1", "rnn.1.last", "fc", "softmax0"]


def test_stacked_states_are_inputs_of_their_own():
    module, arguments = network(Case("LSTM", 2, True, "none", True))
    model = load(module, arguments, cross_check=False)
    assert [(i.name, i.rate) for i in model.inputs] == [
        ("x", "step"),
        ("h0.0", "sequence"),
        ("h0.1", "sequence"),
        ("c0.0", "sequence"),
        ("c0.1", "sequence"),
    ]
    assert [o.name for o in model.outputs] == ["y0", "y1.0", "y1.1", "y2.0", "y2.1"]
    assert model.rates()["rnn.1"] == "step"
    assert model.rates()[model.outputs[1].value] == "sequence"


def test_module_is_left_in_its_mode():
    module, arguments = network(Case("GRU", 1, True, "last", False))
    module.train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    load(module, arguments, cross_check=False)
    assert module.training
    assert module.rnn.training
    assert all((v == before[k]).all() for k, v in module.state_dict().items())
