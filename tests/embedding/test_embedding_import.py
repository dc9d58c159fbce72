"""Embeddings through the front ends: the Model computes what the source computes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from embedded import TOKENS, UNITS, example, words
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph
from rnn2c.ir.graph import Model


def agreement(model: Model) -> float:
    """The figure of the cross-check."""
    assert model.cross_check.startswith("agrees with ")
    return float(model.cross_check.rsplit(" ", 1)[1])


@pytest.mark.parametrize("name", ["words", "mixed"])
def test_module(name: str) -> None:
    module, arguments = words(name), example(name)
    model = load(module, arguments)
    assert agreement(model) <= 1e-5
    counts = {"words": [TOKENS], "mixed": [TOKENS, 7, 0]}[name]
    assert [i.tokens for i in model.inputs] == counts
    inputs = {
        i.name: a.numpy()[0] for i, a in zip(model.inputs, arguments, strict=True)
    }  # tokens [T], numbers [T, n]
    wanted = module(*arguments).detach().numpy()[0]
    np.testing.assert_allclose(model.run(inputs)["y"], wanted, atol=1e-5)


@pytest.mark.parametrize("dynamo", [True, False], ids=["new", "old"])
@pytest.mark.parametrize("name", ["words", "mixed"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_onnx(name: str, dynamo: bool, dtype: torch.dtype, tmp_path: Path) -> None:
    arguments = tuple(a if a.is_floating_point() else a.to(dtype) for a in example(name))
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            program = torch.onnx.export(words(name), arguments, dynamo=True, verbose=False)
            onnx.save(program.model_proto, path)
        else:
            torch.onnx.export(words(name), arguments, path, dynamo=False)
    model = load(path)
    assert agreement(model) <= 1e-5
    assert model.inputs[0].tokens == TOKENS


def test_the_smallest_table_says_how_many_tokens_an_input_has() -> None:
    model = load(words("mixed"), example("mixed"), cross_check=False)
    tables = {p.name: p.table.shape[0] for p in model.layers if isinstance(p, graph.Embedding)}
    assert sorted(tables.values()) == [7, 9, TOKENS]
    assert model.inputs[1].tokens == 7


class Look(nn.Module):
    """An embedding with settings of its own, of whatever `before` makes of the input."""

    def __init__(self, before: object = None, **settings: object) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 3, **settings)  # type: ignore[arg-type]
        self.gru = nn.GRU(3, UNITS, batch_first=True)
        self.before = before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gru(self.table(self.before(x) if self.before else x))[0]  # type: ignore[operator]


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "norm": (Look(max_norm=1.0), "max_norm"),
    "a sum of tokens": (Look(lambda x: x + 1), "computes with integers"),
    "numbers": (Look(lambda x: x.long()), "converts the data"),
}


@pytest.mark.parametrize("name", ["a sum of tokens", "norm"])
def test_refused_modules(name: str) -> None:
    module, text = REFUSED[name]
    with pytest.raises(Rnn2cError, match=text):
        load(module, torch.zeros(1, 4, dtype=torch.int64))


def test_numbers_are_no_tokens() -> None:
    with pytest.raises(Rnn2cError, match="converts the data to torch"):
        load(REFUSED["numbers"][0], torch.zeros(1, 4))


def saved(path: Path, nodes: list[onnx.NodeProto], *, table: np.ndarray, kind: int) -> Path:
    """A graph with an input x [1, 6] of a type and one table."""
    x = helper.make_tensor_value_info("x", kind, [1, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(table, "table")])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize(
    ("table", "kind", "axis", "text"),
    [
        (np.ones((4, 3), np.float32), TensorProto.FLOAT, 0, "no input of integers"),
        (np.ones((4, 3), np.float32), TensorProto.INT8, 0, "tokens int64 or int32"),
        (np.ones((4, 3), np.float32), TensorProto.INT64, 1, "is not a constant"),
        (np.ones((4, 3, 2), np.float32), TensorProto.INT64, 0, "the table has shape"),
        (np.ones((4, 3), np.int64), TensorProto.INT64, 0, "export it as float32"),
        (np.ones((1, 3), np.float32), TensorProto.INT64, 0, "one of 2 to 65536 tokens"),
        (np.full((4, 3), np.nan, np.float32), TensorProto.INT64, 0, "must be finite"),
    ],
)
def test_refused_files(table: np.ndarray, kind: int, axis: int, text: str, tmp_path: Path) -> None:
    node = helper.make_node("Gather", ["table", "x"], ["y"], name="look", axis=axis)
    with pytest.raises(Rnn2cError, match=text):
        load(saved(tmp_path / "m.onnx", [node], table=table, kind=kind))


def test_tokens_that_nothing_looks_up_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    path = saved(tmp_path / "m.onnx", [node], table=np.ones((4, 3), np.float32), kind=7)
    with pytest.raises(Rnn2cError, match="that no embedding of an output looks up"):
        load(path)
