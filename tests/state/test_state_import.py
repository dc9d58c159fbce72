"""Outputs that feed inputs become state: what the Model computes and what its inputs are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stateful import CASES, CELLS, FEATURES, UNITS, Layers
from torch import nn

import rnn2c
from rnn2c.errors import Rnn2cError
from rnn2c.ir.graph import Model

X = np.random.default_rng(8).normal(size=(7, FEATURES)).astype(np.float32)


def check(case: str, model: Model) -> None:
    """One input, one output, and the values of the source called step by step."""
    assert [(i.name, i.rate) for i in model.inputs] == [("x", "step")]
    (output,) = model.outputs
    assert model.rates()[output.value] == "step"
    wanted = CASES[case].stepped(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(model.run({"x": X})[output.name], wanted, atol=1e-5)
    assert model.cross_check.startswith("agrees with")


@pytest.mark.parametrize("exporter", ["older", "newer"])
@pytest.mark.parametrize("case", CASES)
def test_single_steps_in_onnx(case: str, exporter: str, tmp_path: Path) -> None:
    stateful = CASES[case]
    path = stateful.export(tmp_path, dynamo=exporter == "newer")
    check(case, rnn2c.load(path, state=stateful.state))


@pytest.mark.parametrize("case", CASES)
def test_modules(case: str) -> None:
    stateful = CASES[case]
    module = stateful.module()
    names = [f"state_{k}" for k in range(len(stateful.states))]
    if case == "echo":
        names = ["h"]
    state = {before: f"y{k + 1}" for k, before in enumerate(names)}
    check(case, rnn2c.load(module, stateful.arguments(), state=state))


@pytest.mark.parametrize("exporter", ["older", "newer"])
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_alone_shows_its_state(kind: str, exporter: str, tmp_path: Path) -> None:
    """All of its outputs are states, so they stay outputs."""
    torch.manual_seed(4)
    cell = CELLS[kind](FEATURES, UNITS).eval()
    given = (
        (torch.zeros(1, UNITS), torch.zeros(1, UNITS)) if kind == "lstm" else torch.zeros(1, UNITS)
    )
    names = ["h", "c"][: 1 + (kind == "lstm")]
    path = tmp_path / "cell.onnx"
    torch.onnx.export(
        cell, (torch.zeros(1, FEATURES), given), path, dynamo=exporter == "newer",
        input_names=["x", *names], output_names=[f"{n}n" for n in names], external_data=False,
    )  # fmt: skip
    model = rnn2c.load(path, state={n: f"{n}n" for n in names})
    state = given
    for row, h in zip(X, model.run({"x": X})["hn"], strict=True):
        with torch.no_grad():
            state = cell(torch.from_numpy(row)[None], state)
        new = state[0] if kind == "lstm" else state
        np.testing.assert_allclose(h, new.numpy().reshape(-1), atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_whole_sequences_that_go_on(layers: int, tmp_path: Path) -> None:
    """h0 and hn of a model with a free number of steps: no argument of init any more."""
    torch.manual_seed(5)
    module = Layers("lstm", layers).eval()
    states = [torch.zeros(layers, 1, UNITS)] * 2
    path = tmp_path / "net.onnx"
    torch.onnx.export(
        module, (torch.zeros(1, 5, FEATURES), *states), path, dynamo=False,
        input_names=["x", "h0", "c0"], output_names=["y", "hn", "cn"],
        dynamic_axes={"x": {1: "T"}, "y": {1: "T"}},
    )  # fmt: skip
    model = rnn2c.load(path, state={"h0": "hn", "c0": "cn"})
    assert [i.name for i in model.inputs] == ["x"]
    assert [o.name for o in model.outputs] == ["y"]
    assert not model.delays
    with torch.no_grad():
        first = module(torch.from_numpy(X[None, :3]), *states)
        second = module(torch.from_numpy(X[None, 3:]), *first[1:])
    wanted = torch.cat([first[0], second[0]], dim=1)[0].numpy()
    np.testing.assert_allclose(model.run({"x": X})["y"], wanted, atol=1e-5)
    shown = rnn2c.load(path, to=["y", "hn"], state={"h0": "hn", "c0": "cn"})
    assert len(shown.outputs) == 1 + layers


def refusal(path: Path, state: dict[str, str], **part: object) -> str:
    with pytest.raises(Rnn2cError) as caught:
        rnn2c.load(path, state=state, **part)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_state_is_refused(tmp_path: Path) -> None:
    path = CASES["lstm of 1"].export(tmp_path, dynamo=False)
    both = {"s0": "n0", "s1": "n1"}
    assert "layer 'rnn': starts from input 's1' at every call" in refusal(path, {"s0": "n0"})
    crossed = {"s0": "n1", "s1": "n0"}
    assert "is not its final state 'rnn'" in refusal(path, crossed)
    assert "--state 'so': no tensor is called so; near: 's1', 's0'" in refusal(
        path, both | {"so": "n0x"}
    )
    assert "the shapes [1, 1, 4] and [1, 1, 2] differ" in refusal(path, both | {"s0": "y"})
    assert "'s0' is given twice" not in refusal(path, {"s0": "n0", "s1": "n0"})
    constant = {"s0": "n0", "s1": "n1", "onnx::LSTM_nothing": "y"}
    assert "no tensor is called so" in refusal(path, constant)


def test_a_layer_without_a_state_argument_is_refused(tmp_path: Path) -> None:
    """Its source forgets everything between two calls."""

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.GRU(FEATURES, UNITS, batch_first=True)
            self.b = nn.GRU(UNITS, UNITS, batch_first=True)

        def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y, new = self.a(x, h)
            return self.b(y)[0], new

    example = (torch.zeros(1, 1, FEATURES), torch.zeros(1, 1, UNITS))
    with pytest.raises(Rnn2cError, match=r"layer 'b': starts from the same state at every call"):
        rnn2c.load(Half().eval(), example, state={"h": "y1"})


def test_a_sequence_feeds_back_final_states_only() -> None:
    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(FEATURES, UNITS, batch_first=True)

        def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y, new = self.rnn(x, h)
            return y, new + 1

    example = (torch.zeros(1, 5, FEATURES), torch.zeros(1, 1, UNITS))
    with pytest.raises(Rnn2cError, match="is not its final state 'rnn'"):
        rnn2c.load(Summed().eval(), example, state={"h": "y1"})


def test_modules_name_near_names() -> None:
    stateful = CASES["echo"]
    with pytest.raises(Rnn2cError, match="no output is called 'z1'; near: 'y1'"):
        rnn2c.load(stateful.module(), stateful.arguments(), state={"h": "z1"})
