"""Every operator through every front end: the Model computes what the source computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import AFFINE, FEATURES, STEPS, Network, Use, exported

from rnn2c.frontend import load

NETWORKS: dict[str, Use] = {**AFFINE}


@pytest.mark.parametrize("name", NETWORKS)
def test_module(name: str) -> None:
    module = Network(NETWORKS[name]).eval()
    x = torch.randn(1, STEPS, FEATURES)
    model = load(module, x)
    wanted = module(x).detach().numpy()
    got = model.run({"x": x.numpy()[0]})["y"]
    np.testing.assert_allclose(got.ravel(), wanted.ravel(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dynamo", [True, False], ids=["new", "old"])
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx(name: str, dynamo: bool, tmp_path: Path) -> None:
    model = load(exported(NETWORKS[name], tmp_path / "model.onnx", dynamo=dynamo))
    said = model.cross_check
    assert said.startswith("agrees with onnxruntime ")
    assert float(said.rsplit(" ", 1)[1]) <= 1e-5
