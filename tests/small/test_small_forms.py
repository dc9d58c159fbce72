"""What people write between layers: it imports, and it means what the source means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from forms import FEATURES, FUNCTIONS, MODULE_ONLY, MOVES, STEPS, UNITS, Net, Use, exported
from torch import nn
from torch.nn.utils import parametrizations, prune

from rnn2c.calibration import SequenceSet
from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph
from rnn2c.ir.graph import Model
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, emit
from rnn2c.target import load_target
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

GROUPS = {"functions": FUNCTIONS, "moves": MOVES}
SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))
ERROR = 0.06
"""Relative to the largest output; the int8 state of the GRU alone accounts for 1/128."""


def agreement(model: Model) -> float:
    assert model.cross_check.startswith("agrees with ")
    return float(model.cross_check.rsplit(" ", 1)[1])


def imported(uses: dict[str, Use]) -> Model:
    return load(Net(*uses.values()).eval(), torch.randn(1, STEPS, FEATURES))


@pytest.mark.parametrize("group", [*GROUPS, "module only"])
def test_module(group: str) -> None:
    model = imported({**GROUPS, "module only": MODULE_ONLY}[group])
    assert agreement(model) <= 1e-5


@pytest.mark.parametrize("dynamo", [True, False], ids=["new", "old"])
@pytest.mark.parametrize("group", GROUPS)
def test_onnx(group: str, dynamo: bool, tmp_path: Path) -> None:
    model = load(exported(GROUPS[group], tmp_path / "m.onnx", dynamo=dynamo))
    assert agreement(model) <= 1e-5
    assert len(model.outputs) == len(GROUPS[group])


@pytest.mark.parametrize("group", GROUPS)
def test_integers_and_float32(group: str, tmp_path: Path) -> None:
    uses = GROUPS[group]
    model = imported(uses)
    rng = np.random.default_rng(1)
    data = SequenceSet(tuple({"x": rng.normal(size=(40, FEATURES))} for _ in range(3)))
    integer = compile_model(model, data, load_target("host"), QuantizeOptions()).program
    real = compile_float32(model, load_target("host")).program
    (inputs, *_) = data.sequences
    exact, got, single = (run(inputs) for run in (model.run, integer.run, real.run))
    for use, name in zip(uses, exact, strict=True):
        reach = max(1.0, float(np.abs(exact[name]).max()))
        assert np.abs(single[name] - exact[name]).max() <= 1e-5 * reach, use
        reach = max(0.3, float(np.abs(exact[name]).max()))
        assert np.abs(got[name] - exact[name]).max() <= ERROR * reach, use
    for program, kind in ((integer, "integer"), (real, "real")):
        emit(program, tmp_path / kind)
        short = {"x": inputs["x"][:6]}
        sequences = [*raw_sequences(program, [short]), *stress_sequences(program, 4)]
        report = verify(program, tmp_path / kind, sequences, build=SANITIZED, checks=False)
        assert report.agrees, report.to_json()


@pytest.mark.parametrize(
    ("name", "kind", "layers"),
    [
        ("normalization by hand", graph.LayerNorm, 2),
        ("root mean square by hand", graph.LayerNorm, 2),
        ("log of a softmax", graph.LogSoftmax, 4),
        ("mish", graph.Activation, 5),
        ("sigmoid by hand", graph.Activation, 2),
        ("softplus", graph.Activation, 4),
    ],
)
def test_what_an_exporter_takes_apart_becomes_one_layer(
    name: str, kind: type[graph.Layer], layers: int, tmp_path: Path
) -> None:
    path = exported({name: FUNCTIONS[name]}, tmp_path / "m.onnx", dynamo=False)
    model = load(path, cross_check=False)
    assert type(model.layers[-1]) is kind
    assert len(model.layers) == layers


def parametrized(kind: str) -> nn.Module:
    """A network whose weights are computed of other parameters."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(FEATURES, UNITS), nn.Tanh(), nn.Linear(UNITS, 3))
    cell = nn.GRU(3, 5, batch_first=True)
    match kind:
        case "weight norm":
            parametrizations.weight_norm(net[0])
            parametrizations.weight_norm(cell, "weight_hh_l0")
        case "old weight norm":
            nn.utils.weight_norm(net[0])
            nn.utils.weight_norm(net[2], dim=None)
        case "spectral norm":
            parametrizations.spectral_norm(net[0])
            parametrizations.spectral_norm(net[2])
        case "old spectral norm":
            nn.utils.spectral_norm(net[0])
        case "orthogonal":
            parametrizations.orthogonal(net[0])
        case "pruned":
            prune.l1_unstructured(net[0], "weight", amount=0.5)
            prune.random_structured(net[2], "weight", amount=0.4, dim=0)
        case "own":

            class Positive(nn.Module):
                def forward(self, x: torch.Tensor) -> torch.Tensor:
                    return nn.functional.softplus(x)

            nn.utils.parametrize.register_parametrization(net[0], "weight", Positive())

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.cell = net, cell

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.cell(self.net(x))[0]

    whole = Whole()
    whole(torch.randn(1, 3, FEATURES))  # spectral norms estimate in training mode
    return whole.eval()


KINDS = (
    "weight norm", "old weight norm", "spectral norm", "old spectral norm", "orthogonal", "pruned",
    "own",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_parametrized_weights_become_plain_ones(kind: str) -> None:
    model = load(parametrized(kind), torch.randn(1, STEPS, FEATURES))
    assert agreement(model) <= 1e-5
    kinds = [type(p) for p in model.layers]
    assert kinds == [graph.Linear, graph.Activation, graph.Linear, graph.Gru]
    zeros = np.mean(np.asarray(model.layers[0].weight.data) == 0)  # type: ignore[attr-defined]
    assert zeros == (0.5 if kind == "pruned" else 0)


class Refused(nn.Module):
    """Something made of h that is not supported."""

    def __init__(self, use: Use) -> None:
        super().__init__()
        self.inner = Net(use)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)[0]


def _part_in_place(n: Net, h: torch.Tensor) -> torch.Tensor:
    y = n.fc(h)
    y[..., :2].mul_(2.0)
    return y


REFUSALS: dict[str, tuple[Use, str]] = {
    "exp": (lambda n, h: torch.exp(h), "exp is supported only as a part of softplus"),
    "sqrt": (lambda n, h: torch.sqrt(h * h + 1), "sqrt is supported only as a part"),
    "log": (lambda n, h: torch.log(h * h + 2), "log is supported only as a part"),
    "other power": (lambda n, h: h.abs() ** 1.5, "raises to 1.5; powers 1 to 4"),
    "computed condition": (lambda n, h: torch.where(h > 0, h, n.v), "not supported"),
    "a part in place": (_part_in_place, "changes a part or a view of a tensor in place"),
    "an early step": (lambda n, h: h.unbind(1)[2] + 1, "picks time step 2; supported are"),
    "two groups": (
        lambda n, h: f_group(h[:, -1]),
        "only one group of .batch, features. is supported",
    ),
    "einsum of two": (lambda n, h: torch.einsum("btf,bsf->bts", h, h), "a constant matrix"),
    "einsum that is more": (
        lambda n, h: torch.einsum("btf,tf->bt", h, torch.ones(STEPS, UNITS)),
        "is no plain matrix product",
    ),
    "threshold": (
        lambda n, h: nn.functional.threshold(h, 0.1, 7.0),
        "threshold 0.1 with value 7; value may be it or 0",
    ),
}


def f_group(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.group_norm(x, 2)


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name: str) -> None:
    use, text = REFUSALS[name]
    with pytest.raises(Rnn2cError, match=text):
        load(Refused(use).eval(), torch.randn(1, STEPS, FEATURES))
