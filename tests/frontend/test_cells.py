"""Every variation of the cells that a source can ask for, compared with the source's runtime."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from onnx_models import STEPS, UNITS, build, save
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph
from rnn2c.ir.graph import CellFunction, Lstm
from rnn2c.pipeline import compile_float32
from rnn2c.target import load_target

RANDOM = np.random.default_rng(11)
X = RANDOM.standard_normal((STEPS, 1, 2)).astype(np.float32)
PARAMETERS = {"Affine": (0.5, 0.25), "ScaledTanh": (1.2, 0.7), "ThresholdedRelu": (0.2, 0.0)}
FUNCTIONS = (
    *("Sigmoid", "Tanh", "Relu", "HardSigmoid", "LeakyRelu", "Elu", "Softsign", "Softplus"),
    *PARAMETERS,
)
TAKEN = {"Affine": (1, 1), "ScaledTanh": (1, 1), "ThresholdedRelu": (1, 0)}


def arrays(**given: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {n: RANDOM.standard_normal(s).astype(np.float32) for n, s in given.items()}


def agrees(folder, cell: str, **options):
    """The Model of a file; float64 and float32 both compute what onnxruntime does."""
    proto = build(cell, **options)
    model = load(save(proto, folder), cross_check=False)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    wanted = session.run(None, {"X": X})
    single = compile_float32(model, load_target("host")).program
    for run in (model.run, single.run):
        got = run({"X": X[:, 0]})
        for output, array in zip(session.get_outputs(), wanted, strict=True):
            scale = max(1.0, float(np.abs(array).max()))
            assert np.abs(got[output.name].ravel() - array.ravel()).max() < 1e-5 * scale
    return model


def chosen(functions: list[str]) -> dict[str, object]:
    """The attributes for these activations, with the parameters that have no default."""
    alpha = [PARAMETERS[f][0] for f in functions if TAKEN.get(f, (0, 0))[0]]
    beta = [PARAMETERS[f][1] for f in functions if TAKEN.get(f, (0, 0))[1]]
    found: dict[str, object] = {"activations": functions}
    found |= {"activation_alpha": alpha} if alpha else {}
    return found | ({"activation_beta": beta} if beta else {})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_in_every_role(function: str, tmp_path) -> None:
    small = {n: a * 0.5 for n, a in arrays(W=(1, 12, 2), R=(1, 12, 3)).items()}
    agrees(tmp_path, "RNN", **chosen([function]), arrays={n: a[:, :3] for n, a in small.items()})
    for role in range(2):
        functions = ["Sigmoid", "Tanh"]
        functions[role] = function
        agrees(tmp_path, "GRU", **chosen(functions), arrays={n: a[:, :9] for n, a in small.items()})
    for role in range(3):
        functions = ["Sigmoid", "Tanh", "Tanh"]
        functions[role] = function
        agrees(tmp_path, "LSTM", **chosen(functions), arrays=small)


def test_parameters_go_to_the_functions_that_have_them(tmp_path) -> None:
    """In order: a function without a parameter takes none, what is left keeps its default."""
    model = agrees(
        tmp_path, "LSTM", activations=["Tanh", "HARDSIGMOID", "leakyrelu"],
        activation_alpha=[0.3], activation_beta=[0.4],
    )  # fmt: skip
    functions = model.layers[0].activations
    assert functions == (
        CellFunction("tanh"), CellFunction("hard_sigmoid", pytest.approx(0.3), pytest.approx(0.4)),
        CellFunction("leaky_relu", 0.01),
    )  # fmt: skip


PEEPHOLES = ("X", "W", "R", "B", "", "", "", "P")
P = arrays(P=(1, 3 * UNITS))


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "GRU before", "RNN"])
def test_clip_limits_the_gates_alone(cell: str, tmp_path) -> None:
    """The cell state of the LSTM goes beyond the limit."""
    kind, _, before = cell.partition(" ")
    more: dict[str, object] = {"linear_before_reset": int(not before)} if kind == "GRU" else {}
    if kind == "LSTM":
        more = {"activations": ["Sigmoid", "Relu", "Tanh"], "outputs": ("Y", "Y_h", "Y_c")}
    assert agrees(tmp_path, kind, clip=0.4, **more).layers[0].clip == pytest.approx(0.4)


@pytest.mark.parametrize("coupled", [0, 1])
@pytest.mark.parametrize("clip", [{}, {"clip": 0.5}])
def test_peepholes_and_coupled_gates(coupled: int, clip: dict[str, float], tmp_path) -> None:
    layer = agrees(
        tmp_path, "LSTM", inputs=PEEPHOLES, arrays=P, input_forget=coupled, **clip
    ).layers[0]
    assert isinstance(layer, Lstm)
    assert layer.coupled == bool(coupled)
    assert np.array_equal(layer.peepholes, P["P"][0][[0, 1, 2, 6, 7, 8, 3, 4, 5]])


STARTS = arrays(h0=(1, 1, UNITS), c0=(1, 1, UNITS))


@pytest.mark.parametrize("states", [("h0", "c0"), ("h0", ""), ("", "c0")])
@pytest.mark.parametrize("outputs", [("Y",), ("", "Y_h"), ("", "", "Y_c"), ("Y", "Y_h", "Y_c")])
def test_constant_states_and_any_outputs(states, outputs, tmp_path) -> None:
    given = {n: STARTS[n] for n in states if n}
    layer = agrees(
        tmp_path, "LSTM", inputs=("X", "W", "R", "B", "", *states), outputs=outputs, arrays=given
    ).layers[0]
    assert (layer.constant_h is None) == (states[0] == "")
    assert layer.states == ("", "")


@pytest.mark.parametrize("cell", ["GRU", "RNN"])
def test_a_constant_state_of_the_other_cells(cell: str, tmp_path) -> None:
    inputs = ("X", "W", "R", "B", "", "h0")
    agrees(tmp_path, cell, inputs=inputs, arrays={"h0": STARTS["h0"]})


REFUSED = {
    "function": ({"activations": ["Sigmoid", "Swish", "Tanh"]}, "activation 'Swish' is not"),
    "count": ({"activations": ["Sigmoid", "Tanh"]}, "2 activations .*forward LSTM has 3"),
    "no default": (
        {"activations": ["Sigmoid", "Affine", "Tanh"]},
        "'Affine' has no default for alpha that all runtimes share",
    ),
    "runtimes differ": (
        {"activations": ["Sigmoid", "ThresholdedRelu", "Tanh"]},
        "write activation_alpha into the file",
    ),
    "left over": ({"activation_alpha": [0.1]}, "activation_alpha has 1 numbers more than sigmoid"),
    "clip": ({"clip": 0.0}, "clip=0; it must be above 0"),
    "input_forget": ({"input_forget": 2}, "input_forget=2; 0 and 1 are supported"),
    "peepholes": (
        {"inputs": PEEPHOLES, "arrays": {"P": np.zeros((1, 3), np.float32)}},
        r"P 'P' has shape \[1, 3\], expected \[1, 9\]",
    ),
    "state": (
        {"inputs": ("X", "W", "R", "B", "", "h0"), "arrays": {"h0": np.ones((1, 2, 3), "f4")}},
        r"the initial state has shape \[1, 2, 3\], expected \[1, 1, 3\]",
    ),
    "state nan": (
        {"inputs": ("X", "W", "R", "B", "", "h"), "arrays": {"h": np.full(3, np.inf, "f4")}},
        r"initializer 'h': element \[0\] is inf",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_means_nothing_is_refused(case: str, tmp_path) -> None:
    options, message = REFUSED[case]
    with pytest.raises(Rnn2cError, match=message) as caught:
        load(save(build("LSTM", **options), tmp_path))
    assert "\n" not in str(caught.value)


class Stack(nn.Module):
    """Two layers with a projection, every output used, the states of the caller or a buffer's."""

    def __init__(self, bias: bool, start: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 5, num_layers=2, proj_size=2, bias=bias, batch_first=True)
        self.start = start
        self.register_buffer("h0", torch.linspace(-1, 1, 4).reshape(2, 1, 2))
        self.register_buffer("c0", torch.linspace(-2, 2, 10).reshape(2, 1, 5))

    def forward(self, x):
        y, (h, c) = self.lstm(x, (self.h0, self.c0)) if self.start else self.lstm(x)
        return {"y": y, "h": h, "c": c}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("start", [True, False])
def test_projection_and_buffers_as_states_in_pytorch(bias: bool, start: bool) -> None:
    torch.manual_seed(0)
    model = load(Stack(bias, start), torch.randn(1, 7, 3))
    assert model.cross_check.startswith("agrees with torch")
    layer = model.layers[0]
    assert isinstance(layer, graph.Lstm)
    assert (layer.units, layer.size) == (5, 2)
    assert (layer.constant_c is not None) == start
