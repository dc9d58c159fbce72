"""Each operator between a model input and a model output of 16 bits: its own error, saturation.

The bound covers the rounding of input and output, 2 * 2^-16 of a reach each because calibration
leaves a factor of 2 of headroom, and the interpolation of the tables.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import compiled, errors

from rnn2c.calibration import SequenceSet
from rnn2c.ir import functions, graph
from rnn2c.ir.graph import Input, Layer, Model, Output
from rnn2c.pipeline import QuantizeOptions, compile_model
from rnn2c.target import load_target

PARAMETERS = {
    "clip": (-0.5, 1.5),
    "leaky_relu": (0.01, 0.0),
    "hard_sigmoid": (0.2, 0.5),
    "linear": (0.5, 0.25),
    "thresholded_relu": (0.05, 0.0),
    "scaled_tanh": (1.5, 0.7),
    "elu": (1.0, 0.0),
    "softplus": (1.0, 0.0),
}
REACHES = (0.1, 1.0, 20.0)
EXACT, TABLE = 2e-4, 6e-3
SIZE = 5


def model(layer: Layer, inputs: int = 1) -> Model:
    names = "ab"[:inputs]
    return Model("alone", tuple(Input(n, SIZE) for n in names), (layer,), (Output("y", "f"),))


def function(name: str, reach: float) -> Model:
    """f(reach * x): the factor is an Affine of its own, so it widens the input of the function."""
    alpha, beta = PARAMETERS.get(name, (0.0, 0.0))
    wide = graph.Affine(name="w", inputs=("a",), scale=np.full(SIZE, reach), offset=np.zeros(SIZE))
    f = graph.Activation(name="f", inputs=("w",), function=name, alpha=alpha, beta=beta)
    made = model(f)
    return made.with_layers((wide, f))


@pytest.mark.parametrize("reach", REACHES)
@pytest.mark.parametrize("name", [*functions.PIECEWISE, *functions.TABULATED])
@pytest.mark.parametrize("profile", ["accurate", "compact"])
def test_function(name: str, reach: float, profile: str) -> None:
    made = function(name, reach)
    (off,) = errors(made, compiled(made, profile=profile)).values()
    steep = reach if name in ("softsign", "hard_sigmoid", "clip") else 1.0
    bound = EXACT if name in functions.PIECEWISE else TABLE
    assert off <= bound * max(steep, 1.0)


LAYERS: dict[str, tuple[Layer, int]] = {
    "affine": (
        graph.Affine(
            name="f", inputs=("a",), scale=np.array([1e-3, 1.0, -7.0, 100.0, 0.0]),
            offset=np.array([0.0, -3.0, 5.0, 1.0, 2.0]),
        ),
        1,
    ),
    "sum": (graph.Sum(name="f", inputs=("a", "b")), 2),
    "difference": (graph.Sum(name="f", inputs=("a", "b"), subtract=True), 2),
    "product": (graph.Product(name="f", inputs=("a", "b")), 2),
    "concat": (graph.Concat(name="f", inputs=("a", "b")), 2),
    "pick": (graph.Pick(name="f", inputs=("a",), indices=(4, 2, 0, 1, 2, 3, 3)), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("profile", ["accurate", "compact"])
def test_layer(name: str, profile: str) -> None:
    layer, inputs = LAYERS[name]
    made = model(layer, inputs)
    (off,) = errors(made, compiled(made, profile=profile)).values()
    assert off <= EXACT


@pytest.mark.parametrize("name", ["sum", "product", "affine"])
def test_beyond_calibration_it_saturates_and_does_not_wrap(name: str) -> None:
    layer, inputs = LAYERS[name]
    made = model(layer, inputs)
    program = compiled(made)
    lowest = {n: np.full((1, SIZE), -1e6) for n in "ab"[:inputs]}
    highest = {n: np.full((1, SIZE), 1e6) for n in "ab"[:inputs]}
    down, up = program.run(lowest)["y"][0], program.run(highest)["y"][0]
    signs = np.sign(layer.scale) if isinstance(layer, graph.Affine) else np.ones(SIZE)
    assert np.all(up * signs >= 0)
    assert np.all(down * signs <= 0 if name != "product" else down >= 0)


def test_a_range_that_makes_one_step_huge_keeps_its_meaning() -> None:
    """a - b where both are near 1000 and the difference is tiny: no scale finer than sensible."""
    made = model(LAYERS["difference"][0], 2)
    rng = np.random.default_rng(0)
    a = 1000 + rng.normal(size=(20, SIZE)) * 1e-4
    data = SequenceSet(({"a": a, "b": np.full((20, SIZE), 1000.0)},))
    program = compile_model(made, data, load_target("host"), QuantizeOptions()).program
    step = program.inputs[0].format.scale
    assert program.outputs[0].format.scale >= step / 256
    assert np.abs(program.run(data.sequences[0])["y"]).max() <= step
