"""Quantized modules of torch.ao and exported graphs with quantization: integers are kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from core_models import data, integer, program
from given_models import stored
from torch.ao.quantization.fx import _decomposed  # noqa: F401 - registers the operators

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.graph import Format, Model

INPUTS, UNITS, OUTPUTS, STEPS = 3, 5, 4, 6
X = torch.zeros(STEPS, 1, INPUTS)
NEW = torch.ops.quantized_decomposed

pytestmark = pytest.mark.filterwarnings("ignore")


class Net(torch.nn.Module):
    """A cell of two layers, then Linear."""

    def __init__(self, cell: type[torch.nn.RNNBase]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn = cell(INPUTS, UNITS, 2)
        self.fc = torch.nn.Linear(UNITS, OUTPUTS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.rnn(x)[0])


def dynamic(module: torch.nn.Module, dtype: torch.dtype = torch.qint8) -> torch.nn.Module:
    kinds = {torch.nn.LSTM, torch.nn.GRU, torch.nn.Linear}
    return torch.ao.quantization.quantize_dynamic(module.eval(), kinds, dtype=dtype)


@pytest.mark.parametrize("cell", [torch.nn.LSTM, torch.nn.GRU])
def test_dynamic_modules_keep_their_integers(cell: type[torch.nn.RNNBase]):
    module = dynamic(Net(cell))
    model = rnn2c.load(module, X)
    assert "it rounds activations to 7 bits while it runs" in model.cross_check
    weights = module.rnn.get_weight()
    names = [f"weight_{part}_l{layer}" for layer in range(2) for part in ("ih", "hh")]
    wanted = [weights[n] for n in names] + [module.fc.weight()]
    held = stored(program(integer(model)))
    assert all(np.array_equal(a, b.int_repr().numpy()) for a, b in zip(held, wanted, strict=True))
    assert model.layers[0].w_ih.scale[0] == weights["weight_ih_l0"].q_scale()


def test_a_dynamic_module_is_compiled_bit_for_bit():
    model = rnn2c.load(dynamic(Net(torch.nn.GRU)), X)
    made = rnn2c.compile(integer(model), "cortex-m4")
    assert rnn2c.verify(made, [{"x": data(model).sequences[0]["x"][:4]}]).bit_exact


class Stateful(torch.nn.Module):
    """States as arguments, the last output alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rnn = torch.nn.LSTM(INPUTS, UNITS, batch_first=True)

    def forward(self, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> Any:
        y, (h, c) = self.rnn(x, state)
        return {"y": y[:, -1], "h": h, "c": c}


def test_a_dynamic_lstm_with_states():
    state = (torch.zeros(1, 1, UNITS), torch.ones(1, 1, UNITS))
    model = rnn2c.load(dynamic(Stateful()), (torch.zeros(1, STEPS, INPUTS), state))
    assert [o.name for o in model.outputs] == ["y", "h", "c"]
    assert len(model.inputs) == 3


def test_the_module_given_is_not_changed():
    module = dynamic(Net(torch.nn.LSTM))
    rnn2c.load(module, X)
    assert type(module.fc).__module__.startswith("torch.ao.nn.quantized.dynamic")


def test_an_import_that_is_wrong_is_not_put_down_to_rounding(monkeypatch):
    module = dynamic(Net(torch.nn.LSTM))
    other = dynamic(Net(torch.nn.LSTM))
    other.fc = dynamic(torch.nn.Sequential(torch.nn.Linear(UNITS, OUTPUTS)))[0]
    copying = SimpleNamespace(deepcopy=lambda given, memo: other)
    monkeypatch.setattr("rnn2c.frontend.pytorch.copy", copying)
    with pytest.raises(Rnn2cError, match="differs from torch"):
        rnn2c.load(module, X)


def test_what_torch_quantizes_otherwise_is_refused():
    with pytest.raises(Rnn2cError, match=r"module 'rnn'.*weights of torch.f.*dtype=torch.qint8"):
        rnn2c.load(dynamic(Net(torch.nn.LSTM), torch.float16), X)
    cells = torch.nn.Sequential(torch.nn.Conv1d(3, 4, 1), torch.nn.LSTMCell(3, 4))
    made = torch.ao.quantization.quantize_dynamic(cells, {torch.nn.LSTMCell}, dtype=torch.qint8)
    with pytest.raises(Rnn2cError, match=r"module '1' .*LSTMCell\): this quantized module is not"):
        rnn2c.load(made, X)


@pytest.mark.parametrize("fuse", [False, True])
def test_static_modules_round_what_they_read_and_write(fuse: bool):
    torch.manual_seed(2)
    stub = torch.ao.quantization
    module = torch.nn.Sequential(
        stub.QuantStub(), torch.nn.Linear(INPUTS, UNITS), torch.nn.ReLU(), stub.DeQuantStub()
    ).eval()
    module = stub.fuse_modules(module, ["1", "2"]) if fuse else module
    module.qconfig = stub.get_default_qconfig("x86")
    ready = stub.prepare(module)
    ready(torch.randn(100, INPUTS))
    made = stub.convert(ready)
    model = rnn2c.load(made, torch.zeros(1, INPUTS))
    (layer,) = (p for p in model.layers if isinstance(p, graph.Linear))
    assert np.array_equal(layer.weight.data, made[1].weight().int_repr().numpy())
    x = torch.randn(50, INPUTS)
    ours = model.run({"input": x.numpy()})["y"]
    step = float(made[1].scale)
    assert np.abs(ours - made(x).numpy()).max() <= step * 1.001
    assert np.mean(np.abs(ours - made(x).numpy()) > step / 2) < 0.02


class Exported(torch.nn.Module):
    """What a pt2e flow writes: quantized weights, rounded input."""

    def __init__(self, channels: bool, kind: torch.dtype = torch.int8) -> None:
        super().__init__()
        torch.manual_seed(3)
        low, high = (0, 256) if kind == torch.uint8 else (-128, 128)
        self.channels, self.kind, self.span = channels, kind, (low, high - 1)
        self.register_buffer("codes", torch.randint(low, high, (OUTPUTS, INPUTS), dtype=kind))
        self.register_buffer("scales", torch.rand(OUTPUTS) * 0.01 + 0.01)
        self.register_buffer("zeros", torch.full((OUTPUTS,), (low + high) // 2))
        self.register_buffer("bias", torch.randn(OUTPUTS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        number = (0.05, 3, -128, 127, torch.int8)
        x = NEW.dequantize_per_tensor(NEW.quantize_per_tensor(x, *number), *number)
        rest = (*self.span, self.kind)
        if self.channels:
            w = NEW.dequantize_per_channel(self.codes, self.scales, self.zeros, 0, *rest)
        else:
            w = NEW.dequantize_per_tensor(self.codes, 0.02, sum(self.span) // 2 + 1, *rest)
        return torch.nn.functional.linear(x, w, self.bias)


def check_exported(model: Model, module: Exported) -> None:
    rounded, layer = model.layers
    assert rounded.form == Format(0.05, 8, zero_point=3)
    middle = 128 if module.kind == torch.uint8 else 0
    assert np.array_equal(layer.weight.data, module.codes.numpy().astype(int) - middle)
    assert "agrees with torch" in model.cross_check


@pytest.mark.parametrize(
    ("channels", "kind"), [(True, torch.int8), (False, torch.int8), (True, torch.uint8)]
)
def test_an_exported_graph_keeps_its_integers(channels: bool, kind: torch.dtype):
    module = Exported(channels, kind)
    check_exported(rnn2c.load(module, torch.zeros(1, INPUTS)), module)


def test_a_saved_program_keeps_its_integers(tmp_path: Path):
    module = Exported(True)
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(1, INPUTS),)), path)
    check_exported(rnn2c.load(path), module)


class Trained(torch.nn.Module):
    """Quantization-aware training leaves fake quantization behind."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.fc = torch.nn.Linear(INPUTS, OUTPUTS)
        self.register_buffer("scales", torch.rand(OUTPUTS) * 0.01 + 0.005)
        self.register_buffer("zeros", torch.zeros(OUTPUTS, dtype=torch.int32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, 0.05, 130, 0, 255)
        w = torch.fake_quantize_per_channel_affine(
            self.fc.weight, self.scales, self.zeros, 0, -8, 7
        )
        return torch.nn.functional.linear(x, w, self.fc.bias)


def test_fake_quantization_gives_integers():
    module = Trained()
    rounded, layer = rnn2c.load(module, torch.zeros(1, INPUTS)).layers
    assert rounded.form == Format(0.05, 8, zero_point=2)
    steps = module.fc.weight.detach() / module.scales[:, None]
    assert np.array_equal(layer.weight.data, torch.clamp(steps.round(), -8, 7).numpy())
    assert layer.weight.bits == 4


class Changed(Exported):
    """Does something to the weights first."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = NEW.dequantize_per_channel(
            self.codes, self.scales, self.zeros, 0, -128, 127, torch.int8
        )
        return torch.nn.functional.linear(x, w * 2, self.bias)


class Raw(torch.nn.Module):
    """Returns the sum of integers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return NEW.quantize_per_tensor(x, 0.1, 0, -128, 127, torch.int8) + 1


class Mixed(torch.nn.Module):
    """Reads with another scale than it wrote with."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        codes = NEW.quantize_per_tensor(x, 0.1, 0, -128, 127, torch.int8)
        return NEW.dequantize_per_tensor(codes, 0.2, 0, -128, 127, torch.int8)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Changed(True), "changes weights that came as integers before a layer uses them"),
        (Raw(), "reads integers; dequantize them first"),
        (Mixed(), "reads with another scale or zero point than was written with"),
    ],
    ids=lambda p: type(p).__name__,
)
def test_other_uses_of_integers_are_refused(module: torch.nn.Module, message: str):
    with pytest.raises(Rnn2cError, match=message):
        rnn2c.load(module, torch.zeros(1, INPUTS))
