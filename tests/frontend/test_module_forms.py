"""The many shapes of forward: keyword and nested arguments, nested results, control flow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load

X = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0))
STATE = torch.zeros(1, 1, 4)


class Pair(NamedTuple):
    sequence: torch.Tensor
    state: torch.Tensor


class Net(nn.Module):
    """`forward` is the test's own function of the network and its arguments."""

    def __init__(self, run: Callable[..., Any]) -> None:
        super().__init__()
        self.run = run
        self.rnn = nn.LSTM(3, 4, batch_first=True)
        self.fc = nn.Linear(4, 2)

    def scores(self, x, state=None):
        return self.fc(self.rnn(x, state)[0])

    def result(self, x):
        y, (h, c) = self.rnn(x)
        return self.fc(y), h, c


class Keywords(Net):
    def forward(self, x, *, state=None, gain=1.0):
        return self.scores(x, None if state is None else (state, state)) * gain


class Nested(Net):
    def forward(self, x, state):
        return self.run(self, x, state)


class Single(Net):
    def forward(self, x):
        return self.run(self, x)


def checked(module: nn.Module, example: Any) -> tuple[list[str], list[str]]:
    """Names of inputs and outputs of a model that agrees with torch."""
    model = load(module, example)
    assert model.cross_check.startswith("agrees with torch ")
    return [i.name for i in model.inputs], [o.name for o in model.outputs]


@pytest.mark.parametrize(
    ("example", "inputs"),
    [
        ({"x": X}, ["x"]),
        ({"x": X, "gain": 3.0}, ["x"]),
        ({"state": STATE, "x": X.numpy()}, ["state", "x"]),
        ((X.double(),), ["x"]),
        (np.zeros((1, 6, 3)), ["x"]),
    ],
)
def test_arguments(example: Any, inputs: list[str]) -> None:
    assert checked(Keywords(print), example) == (inputs, ["y"])


def test_number_given_as_an_argument_becomes_part_of_the_model() -> None:
    module, x = Keywords(print).eval(), X[0].numpy()
    one, three = (load(module, {"x": X, "gain": g}).run({"x": x})["y"] for g in (1.0, 3.0))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-6)


def test_nested_arguments() -> None:
    def run(net: Net, x, state):
        return net.scores(x, (state["h"], state["c"]))

    names, _ = checked(Nested(run), (X, {"h": STATE, "c": STATE}))
    assert names == ["x", "state_h", "state_c"]
    names, _ = checked(Nested(lambda net, x, state: net.scores(x, state)), (X, (STATE, STATE)))
    assert names == ["x", "state_0", "state_1"]
    names, _ = checked(Nested(lambda net, x, state: net.scores(x, state)), (X, None))
    assert names == ["x"]


RESULTS = {
    "tuple": (lambda net, x: net.result(x), ["y0", "y1", "y2"]),
    "nested": (lambda net, x: (net.result(x)[0], list(net.result(x)[1:])), ["y0", "y1", "y2"]),
    "one": (lambda net, x: [net.scores(x)], ["y"]),
    "dictionary": (lambda net, x: dict(zip("abc", net.result(x), strict=True)), ["a", "b", "c"]),
    "nested dictionary": (lambda net, x: {"a": net.result(x)}, ["y0", "y1", "y2"]),
    "ordered": (lambda net, x: OrderedDict(b=net.scores(x), a=x), ["y0", "y1"]),
    "named": (lambda net, x: Pair(*net.result(x)[:2]), ["y0", "y1"]),
    "an argument that is changed": (lambda net, x: x.add_(1), ["y"]),
    "names of nodes": (lambda net, x: {"linear": x, "lstm": net.scores(x)}, ["linear", "lstm"]),
}


@pytest.mark.parametrize("form", RESULTS)
def test_results(form: str) -> None:
    run, outputs = RESULTS[form]
    assert checked(Single(run), X) == (["x"], outputs)


def test_control_flow_on_shapes_is_settled_by_the_example() -> None:
    def run(net: Net, x):
        assert x.shape[-1] == net.rnn.input_size
        if x.dim() == 2:
            x = x[None]
        for _ in range(x.shape[1] // 3):
            x = x * 0.5
        last = net.scores(x)[:, x.size(1) - 1]
        return last if net.training else torch.sigmoid(last)

    module = Single(run).eval()
    model = load(module, X)
    with torch.no_grad():
        wanted = module(X)[0].numpy()
    np.testing.assert_allclose(model.run({"x": X[0].numpy()})["y"], wanted, atol=1e-6)


REFUSED = {
    "control flow on data": (
        lambda net, x: x if x.sum() > 0 else -x,
        r"torch\.export cannot record",
    ),
    "a number as a result": (lambda net, x: (net.scores(x), 3), "output 'y1': not a tensor"),
    "nothing as a result": (lambda net, x: (net.scores(x), None), "output 'y1': not a tensor"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_refused(form: str) -> None:
    run, words = REFUSED[form]
    with pytest.raises(Rnn2cError, match=words):
        load(Single(run), X)


def test_bfloat16_is_refused_by_name() -> None:
    module = Single(lambda net, x: x * net.gain)
    module.register_buffer("gain", torch.ones(3, dtype=torch.bfloat16))
    with pytest.raises(Rnn2cError, match=r"tensor 'b_gain' has type torch\.bfloat16"):
        load(module, X)


@pytest.mark.parametrize("example", ["x", 3, (), {}, [X], {"y": X}])
def test_examples_that_do_not_fit(example: Any) -> None:
    with pytest.raises(Rnn2cError, match=r"torch\.export cannot record this module: \S"):
        load(Keywords(print), example)
