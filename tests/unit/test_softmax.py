"""Softmax and argmax in integers, against the real functions of the dequantized logits."""

from __future__ import annotations

import numpy as np
import pytest
from core_models import data, model, program

from rnn2c.calibration import SequenceSet
from rnn2c.interp import Interpreter
from rnn2c.ir import graph
from rnn2c.ir.program import Program
from rnn2c.lower import lower
from rnn2c.pipeline import prepare, quantize
from rnn2c.proof import verify_ranges
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import load_target

UNIT = 1 / 32768


def head(classes: int, reach: float, profile: str = "accurate") -> Program:
    """Softmax of an input whose values reach `reach`, and argmax of the same."""
    layers = (
        graph.Softmax(name="soft", inputs=("x",)),
        graph.ArgMax(name="best", inputs=("x",)),
    )
    m = model(layers, (("p", "soft"), ("k", "best")), classes)
    x = np.full((2, classes), reach)
    x[1] = -reach
    options = QuantizeOptions(profile=profile)  # type: ignore[arg-type]
    made = quantize(prepare(m), SequenceSet(({"x": x},)), options)
    p = lower(made, load_target("host"))
    verify_ranges(p)
    return p


def real_softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
@pytest.mark.parametrize("classes", [1, 2, 3, 6, 10, 100])
@pytest.mark.parametrize("reach", [0.5, 4.0, 20.0, 300.0])
def test_within_5_units_of_q15_of_the_real_softmax(classes: int, reach: float, profile: str):
    p = head(classes, reach, profile)
    x = p.inputs[0].format
    q = np.random.default_rng(classes).integers(x.lo, x.hi, (400, classes), endpoint=True)
    q[0], q[1], q[2] = x.lo, x.hi, 0
    got = p.run_integer({"x": q})["p"]
    wanted = real_softmax(x.dequantize(q))
    assert np.abs(got * UNIT - wanted).max() <= (4 if classes <= 6 else 5) * UNIT
    assert np.abs(got.sum(axis=1) * UNIT - 1).max() <= UNIT * max(classes, 4)


def test_neighbours_keep_their_order():
    p = head(6, 8.0)
    q = np.random.default_rng(1).integers(-128, 128, (300, 6))
    got = p.run_integer({"x": q})["p"]
    rising = np.take_along_axis(got, np.argsort(q, axis=1, kind="stable"), axis=1)
    assert np.all(np.diff(rising, axis=1) >= 0)


def test_argmax_takes_the_first_of_equals():
    p = head(4, 8.0)
    rows = [[1, 1, 1, 1], [0, 5, 5, 2], [-128, -128, -128, -127], [127, -128, 127, 127]]
    assert p.run_integer({"x": np.array(rows)})["k"].ravel().tolist() == [0, 1, 3, 0]


def test_labels_are_plain_numbers():
    p = head(4, 8.0)
    label = next(s for s in p.outputs if s.name == "k")
    assert label.kind == "label"
    got = p.run({"x": np.array([[0.0, 1.0, 7.0, 2.0]])})["k"]
    assert got.tolist() == [[2.0]]


def test_softmax_leaves_the_state_alone():
    """Work in finish uses memory of its own: a second call answers the same."""
    from core_models import classifier

    m = classifier("gru")
    p = program(m)
    machine = Interpreter(p)
    machine.init({})
    x = p.inputs[0].format.quantize(data(m).sequences[0]["x"])
    for row in x[:5]:
        machine.step({p.inputs[0].buffer: row[None]})
    before = machine.state()
    first, second = machine.finish(), machine.finish()
    assert all(np.array_equal(first[n], second[n]) for n in first)
    assert all(np.array_equal(before[n], a) for n, a in machine.state().items())
