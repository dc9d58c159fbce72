"""The many ways people pick the last step, add biases and return results."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch_models import INPUTS, STEPS, UNITS, assert_same, export

from rnn2c.frontend import load

LAST_STEP = {
    "select": lambda y, h: y[:, -1],
    "select_all": lambda y, h: y[:, -1, :],
    "range": lambda y, h: y[:, -1:, :].squeeze(1),
    "static_index": lambda y, h: y[:, STEPS - 1],
    "transposed": lambda y, h: y.transpose(0, 1)[-1],
    "permuted": lambda y, h: y.permute(1, 0, 2)[-1],
    "h_n": lambda y, h: h[-1],
    "h_n_squeezed": lambda y, h: h.squeeze(0),
    "h_n_view": lambda y, h: h.view(1, 1, 1, UNITS)[0, -1],
    "h_n_reshaped": lambda y, h: h.reshape(1, UNITS),
    "converted": lambda y, h: y[:, -1].to(torch.float32).contiguous(),
    "flattened": lambda y, h: y[:, -1:].flatten(1),
}


class Picks(nn.Module):
    def __init__(self, form: str, bias: bool = True) -> None:
        super().__init__()
        self.form = form
        self.gru = nn.GRU(INPUTS, UNITS, batch_first=True, bias=bias)
        self.fc = nn.Linear(UNITS, 2, bias=bias)

    def forward(self, x):
        y, h = self.gru(x)
        return torch.sigmoid(self.fc(torch.relu(LAST_STEP[self.form](y, h))))


@pytest.mark.parametrize("way", ["module", "onnx", "dynamo"])
@pytest.mark.parametrize("form", LAST_STEP)
def test_last_step(form, way, tmp_path):
    module, x = Picks(form, bias=form != "select").eval(), torch.randn(1, STEPS, INPUTS)
    if way == "module":
        model = load(module, x, cross_check=False)
    else:
        path = export(module, (x,), tmp_path / "m.onnx", dynamo=way == "dynamo")
        model = load(path, cross_check=False)
    assert_same(model, module, (x,))
    assert model.rates()[model.outputs[0].value] == "sequence"


class Returns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(INPUTS, UNITS)

    def forward(self, signal):
        y, (h, c) = self.lstm(signal)
        return {"sequence": y, "state": h, "cell": c}


def test_dictionary_keys_name_the_outputs():
    module, x = Returns(), torch.randn(STEPS, 1, INPUTS)
    model = load(module, x, name="net")
    assert model.name == "net"
    assert [i.name for i in model.inputs] == ["signal"]
    assert [o.name for o in model.outputs] == ["sequence", "state", "cell"]
    assert [o.value for o in model.outputs] == ["lstm", "lstm.last", "lstm.c.last"]
    assert model.cross_check.startswith("agrees with torch ")


def test_unbatched_input():
    module, x = nn.LSTM(INPUTS, UNITS).eval(), torch.randn(STEPS, INPUTS)
    model = load(module, x)
    assert [(i.size, i.rate) for i in model.inputs] == [(INPUTS, "step")]


def test_linear_before_the_cell_and_keepdim_argmax():
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Sequential(nn.Linear(INPUTS, 5), nn.Tanh())
            self.rnn = nn.RNN(5, UNITS, batch_first=True)

        def forward(self, x):
            return self.rnn(self.embed(x))[0].argmax(-1, keepdim=True)

    module, x = Deep().eval(), torch.randn(1, STEPS, INPUTS)
    model = load(module, x)
    assert [layer.name for layer in model.layers] == ["embed.0", "embed.1", "rnn", "argmax0"]
    assert_same(model, module, (x,))
