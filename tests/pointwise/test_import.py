"""Every operator through every front end: the Model computes what the source computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import (
    FEATURES,
    GROUPS,
    MODULE_ONLY,
    STEPS,
    TAKEN_APART,
    exported,
    network,
    title,
)

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph


@pytest.mark.parametrize("names", GROUPS, ids=title)
def test_module(names: tuple[str, ...]) -> None:
    module = network(*names)
    x = torch.randn(1, STEPS, FEATURES)
    got = load(module, x).run({"x": x.numpy()[0]})
    for name, wanted, result in zip(names, module(x), got.values(), strict=True):
        exact = wanted.detach().numpy().ravel()
        np.testing.assert_allclose(result.ravel(), exact, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("dynamo", [True, False], ids=["new", "old"])
@pytest.mark.parametrize("names", GROUPS, ids=title)
def test_onnx(names: tuple[str, ...], dynamo: bool, tmp_path: Path) -> None:
    refused = {**MODULE_ONLY, **(TAKEN_APART if dynamo else {})}
    kept = tuple(n for n in names if n not in refused)
    model = load(exported(kept, tmp_path / "model.onnx", dynamo=dynamo))
    said = model.cross_check
    assert said.startswith("agrees with onnxruntime ")
    assert float(said.rsplit(" ", 1)[1]) <= 1e-5
    assert len(model.outputs) == len(kept)


@pytest.mark.parametrize("name", TAKEN_APART)
def test_what_the_new_exporter_takes_apart_is_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(Rnn2cError, match=TAKEN_APART[name]):
        load(exported((name,), tmp_path / "model.onnx", dynamo=True))


@pytest.mark.parametrize(
    ("name", "layer", "function"),
    [
        ("softsign", graph.Activation, "softsign"),
        ("silu", graph.Activation, "silu"),
        ("residual", graph.Sum, ""),
        ("product", graph.Product, ""),
        ("join", graph.Concat, ""),
        ("slice", graph.Pick, ""),
    ],
)
@pytest.mark.parametrize("form", ["module", "new", "old"])
def test_operators_taken_apart_by_an_exporter_become_one_layer(
    name: str, layer: type[graph.Layer], function: str, form: str, tmp_path: Path
) -> None:
    if form == "module":
        model = load(network(name), torch.randn(1, STEPS, FEATURES), cross_check=False)
    else:
        path = exported((name,), tmp_path / "model.onnx", dynamo=form == "new")
        model = load(path, cross_check=False)
    last = model.layers[-1]
    assert type(last) is layer
    assert getattr(last, "function", "") == function


def test_two_inputs_combined_before_anything_else_says_what_their_axes_are() -> None:
    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = torch.nn.GRU(FEATURES, 3, batch_first=True)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.gru(a + 0.5 * b)[0]

    example = torch.randn(1, STEPS, FEATURES), torch.randn(1, STEPS, FEATURES)
    model = load(Both().eval(), example)
    assert [i.rate for i in model.inputs] == ["step", "step"]
