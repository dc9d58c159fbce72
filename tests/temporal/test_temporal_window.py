"""Layers that look at later steps, over the stored sequence: same padding, pooling, reductions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from temporal_models import Maker, sequences
from torch import nn

import rnn2c
from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Model
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, verify
from rnn2c.target import load_target

MOST = 16


def around(kernel: int, dilation: int = 1) -> dict[str, object]:
    """Padding on both sides that keeps the number of steps."""
    span = dilation * (kernel - 1)
    return {"kernel": kernel, "dilation": dilation, "pads": (span // 2, span - span // 2)}


def both_ways(m: Maker, x: str, units: int) -> str:
    """A bidirectional GRU."""
    m.gru("ahead", x, units)
    m.gru("back", x, units)
    m.layers[-1] = replace(m.layers[-1], direction="reverse")
    m.layers.append(graph.Concat(name="both", inputs=("ahead", "back")))
    m.sizes["both"] = 2 * units
    return "both"


def pooled() -> Model:
    """'same' convolution, cells in both directions, every reduction over time."""
    m = Maker(7, 3)
    m.conv("front", "x", 5, **around(3))  # type: ignore[arg-type]
    both_ways(m, "front", 4)
    names = [m.reduce(f, "both", f) for f in ("mean", "sum", "max", "min")]
    m.linear("y", "mean", 2)
    return m.model("y", *names, "both")


def strided() -> Model:
    """A stride in front of a window, filters and pooling behind it."""
    m = Maker(8, 3)
    m.conv("front", "x", 4, 3, stride=2)
    both_ways(m, "front", 3)
    m.conv("depthwise", "both", 6, groups=6, activation="relu", **around(4, 2))  # type: ignore[arg-type]
    m.pool("largest", "depthwise", function="max", **around(3))  # type: ignore[arg-type]
    m.pool("average", "largest", 2, "average", pads=(1, 0))
    m.reduce("mean", "average", "mean")
    m.last("last", "depthwise")
    return m.model("mean", "average", "last")


MODELS = {"pooled": pooled, "strided": strided}
OPTIONS = {"accurate": QuantizeOptions(), "compact": QuantizeOptions(profile="compact")}


@pytest.mark.parametrize("name", MODELS)
def test_float32_equals_the_model_for_every_length(name: str) -> None:
    model = MODELS[name]()
    program = compile_float32(model, load_target("host"), max_steps=MOST).program
    for steps in (3, 4, 5, 9, MOST):
        x = {"x": sequences(model, MOST).sequences[0]["x"][:steps]}
        wanted, got = model.run(x), program.run(x)
        for output in wanted:
            assert got[output].shape == wanted[output].shape
            assert np.allclose(got[output], wanted[output], atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", MODELS)
def test_integers_are_near_the_model(name: str, options: str) -> None:
    model = MODELS[name]()
    data = sequences(model, MOST)
    made = compile_model(model, data, load_target("host"), OPTIONS[options], max_steps=MOST)
    x = data.sequences[0]
    for output, wanted in model.run(x).items():
        error = np.abs(made.program.run(x)[output] - wanted).max()
        assert error < 0.03 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("host", "accurate"),
        ("host", "compact"),
        ("host", "float32"),
        ("cortex-m4", "accurate"),
        ("atmega2560", "compact"),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_the_c_equals_the_reference(name: str, target: str, options: str) -> None:
    model, most = MODELS[name](), 7
    data, chosen = sequences(model, most), load_target(target)
    if options == "float32":
        program = compile_float32(model, chosen, max_steps=most).program
    else:
        program = compile_model(model, data, chosen, OPTIONS[options], max_steps=most).program
    report = verify(program, [data.sequences[0]], stress_steps=most)
    assert report.agrees, report.to_json()


def test_without_a_largest_number_of_steps_padding_after_the_last_is_refused() -> None:
    m = Maker(0, 2)
    m.conv("a", "x", 2, **around(3))  # type: ignore[arg-type]
    text = "layer 'a' pads after the last step and needs the whole sequence: give --max-steps N"
    with pytest.raises(UnsupportedError, match=text):
        compile_float32(m.model("a"), load_target("host"))


def test_windows_at_different_times_are_refused() -> None:
    m = Maker(0, 2)
    m.conv("a", "x", 2, **around(3))  # type: ignore[arg-type]
    m.conv("b", "x", 2, 2, stride=2)
    m.conv("c", "b", 2, **around(3))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="come at different steps: a, b, c, x"):
        compile_float32(m.model("a", "c"), load_target("host"), max_steps=5)


def test_a_sum_too_long_for_32_bits_is_refused() -> None:
    m = Maker(0, 1)
    m.conv("a", "x", 1, **around(3))  # type: ignore[arg-type]
    m.reduce("y", "a", "mean")
    model = m.model("y")
    options = QuantizeOptions(activations="int16")
    with pytest.raises(Rnn2cError, match="does not fit 32 bits; at most --max-steps"):
        compile_model(model, sequences(model), load_target("host"), options, max_steps=60_000)


class BothWays(nn.Module):
    """[N, C, T]: 'same' convolution, GRUs in both directions, mean over time, Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 5, padding="same")
        self.ahead, self.back = nn.GRU(8, 6, batch_first=True), nn.GRU(8, 6, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = torch.relu(self.conv(x)).transpose(1, 2)
        ahead, back = self.ahead(features)[0], self.back(features.flip(1))[0].flip(1)
        y: torch.Tensor = self.head(torch.cat([ahead, back], dim=2).mean(dim=1))
        return y


def test_a_torch_network_of_this_kind_runs_from_end_to_end() -> None:
    torch.manual_seed(5)
    module, x = BothWays().eval(), torch.randn(1, 4, 12)
    model = rnn2c.load(module, x)
    assert model.cross_check.startswith("agrees with torch")
    wanted = module(x).detach().numpy()[0]
    inputs = {model.inputs[0].name: x.numpy()[0].T}
    float_program = rnn2c.compile(model, max_steps=12)
    assert np.abs(float_program.run(inputs)["y"] - wanted).max() < 1e-5
    program = rnn2c.compile(rnn2c.quantize(model, [inputs]), max_steps=12)
    assert np.abs(program.run(inputs)["y"] - wanted).max() < 0.02
    assert rnn2c.verify(program, inputs).bit_exact
