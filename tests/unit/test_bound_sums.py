"""Rows that are held small while a network is trained fit sums of 16 bits."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import rnn2c
from rnn2c.compress import bound_sums

REACH = 3.0


def network(kind: str, gain: float = 4.0, **options: bool | int) -> nn.Module:
    torch.manual_seed(3)
    layer = getattr(nn, kind)(5, 9, batch_first=True, **options)
    with torch.no_grad():
        for p in layer.parameters():
            p.mul_(gain)
    return layer


def largest_sums(layer: nn.RNNBase) -> float:
    """Of any gate for any input within +-REACH and any state within +-1."""
    found = []
    for name in (n.removeprefix("weight_ih_") for n, _ in layer.named_parameters() if "ih_" in n):
        if name.startswith("bias"):
            continue
        w_ih, w_hh = getattr(layer, f"weight_ih_{name}"), getattr(layer, f"weight_hh_{name}")
        of_x = w_ih.abs().sum(1) * (REACH if name.startswith("l0") else 1.0)
        of_h = w_hh.abs().sum(1)
        if layer.bias:
            of_x = of_x + getattr(layer, f"bias_ih_{name}").abs()
            of_h = of_h + getattr(layer, f"bias_hh_{name}").abs()
        joint = len(w_ih) - (layer.hidden_size if layer.mode == "GRU" else 0)
        found += [(of_x + of_h)[:joint], of_x[joint:], of_h[joint:]]
    return float(torch.cat(found).detach().max())


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False}],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_no_sum_exceeds_the_bound(kind: str, options: dict[str, bool | int]) -> None:
    layer = network(kind, **options)
    assert largest_sums(layer) > 8
    assert bound_sums(layer, 8.0, REACH) > 0
    assert largest_sums(layer) <= 8 * (1 + 1e-6)
    assert bound_sums(layer, 8.0 * (1 + 1e-5), REACH) == 0


def test_rows_within_the_bound_stay_as_they_are() -> None:
    layer = network("GRU", gain=0.1)
    before = copy.deepcopy(layer.state_dict())
    assert bound_sums(layer, 50.0, REACH) == 0
    assert all(torch.equal(before[k], v) for k, v in layer.state_dict().items())


def test_a_row_goes_to_the_nearest_one_that_keeps_the_bound() -> None:
    layer = nn.RNN(2, 1, bias=False)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.tensor([[5.0, -2.0]]))
        layer.weight_hh_l0.copy_(torch.tensor([[0.5]]))
    assert bound_sums(layer, 4.0) == 1
    assert torch.allclose(layer.weight_ih_l0, torch.tensor([[3.5, -0.5]]), atol=1e-5)
    assert torch.allclose(layer.weight_hh_l0, torch.tensor([[0.0]]), atol=1e-5)


def test_weights_within_a_bound_get_finer_steps_with_sums_of_16_bits() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = network("LSTM")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.rnn(x)[0]
            return y

    def step() -> float:
        model = rnn2c.load(net, torch.randn(1, 8, 5), name="net", cross_check=False)
        x = np.random.default_rng(0).uniform(-REACH, REACH, (4, 16, 5))
        made = rnn2c.quantize(model, [{model.inputs[0].name: x[k]} for k in range(4)],
                              profile="compact", sum_width="int16")  # fmt: skip
        (layer,) = (la for la in made.layers if hasattr(la, "w_hh"))
        return float(np.max(layer.w_hh.scale))

    net = Net().eval()
    coarse = step()
    bound_sums(net, 8.0, REACH)
    assert step() <= coarse / 2


@pytest.mark.parametrize(("bound", "reach"), [(0.0, 1.0), (-1.0, 1.0), (1.0, float("nan"))])
def test_a_bound_is_positive(bound: float, reach: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        bound_sums(nn.LSTM(2, 2), bound, reach)


def test_states_of_a_projection_have_no_bound() -> None:
    with pytest.raises(ValueError, match="proj_size"):
        bound_sums(nn.LSTM(2, 4, proj_size=2), 4.0)
