"""Profile fast: accurate with direct look-ups, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from cell_variants import VARIANTS, variant_model
from core_models import CELLS, cell, cell_model, changed, data, linear, model, program

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output, Tensor
from rnn2c.ir.program import Call, Program, Stage
from rnn2c.lower import lower
from rnn2c.lut import DIRECT
from rnn2c.pipeline import prepare, quantize
from rnn2c.proof import verify_ranges
from rnn2c.quantization import QuantizeOptions
from rnn2c.quantization.weights import BIAS_LIMIT
from rnn2c.target import load_target

TABULATED = [k for k in CELLS if k != "rnn_relu"]
SUMS = ({}, {"accumulate": "split"}, {"activations": "int16"}, {"weights": "int4"})


def used(p: Program, primitive: str) -> int:
    """How many calls of a primitive a program has."""
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    found = [i for s in stages for i in s.body if isinstance(i, Call)]
    return len([c for c in found if c.primitive == primitive])


@pytest.mark.parametrize("options", SUMS, ids=str)
@pytest.mark.parametrize("kind", TABULATED)
def test_it_differs_from_accurate_in_its_look_ups_alone(kind: str, options: dict[str, str]):
    """Same states, multipliers and weights; the biases hold up to half a step of an index more."""
    fast = program(cell_model(kind), profile="fast", **options)
    accurate = program(cell_model(kind), **options)
    assert fast.buffers == accurate.buffers
    for a, b in zip(fast.weights, accurate.weights, strict=True):
        assert all(map(np.array_equal, a.matrices, b.matrices))
    for const in accurate.consts:
        if const.name.endswith("multiplier"):
            assert np.array_equal(fast.const[const.name].data, const.data)
        if const.name.endswith("bias"):
            assert np.all(fast.const[const.name].data >= const.data)
    assert used(fast, "look") == used(accurate, "lut") > 0
    assert used(fast, "lut") == used(accurate, "look") == 0
    assert fast.model_id != accurate.model_id


@pytest.mark.parametrize("name", VARIANTS)
def test_every_sigmoid_and_tanh_of_a_variant_is_looked_up_directly(name: str):
    """What accurate takes from its two shared tables; other functions have tables of their own."""
    accurate = program(variant_model(name, gain=0.6))
    fast = program(variant_model(name, gain=0.6), profile="fast")
    assert used(fast, "lut") + used(fast, "look") == used(accurate, "lut")
    assert not {c.name for c in fast.consts} & {"sigmoid_table", "tanh_table"}


def test_functions_outside_of_cells_are_interpolated():
    rng = np.random.default_rng(0)
    fc = linear("fc", "rnn", 5, 2, rng, activation="sigmoid")
    p = program(model((cell("rnn", 3, 5, rng), fc), (("y", "fc"),), 3), profile="fast")
    assert used(p, "look") == used(p, "lut") == 1


@pytest.mark.parametrize("kind", TABULATED)
def test_an_input_of_zero_leaves_a_state_of_zero(kind: str):
    """Entry 0 of tanh is 0, and the bias in front of it nothing but half a step."""
    layer = cell_model(kind).layers[0]
    none = np.zeros_like(layer.b_ih)
    m = cell_model(kind).with_layers((changed(layer, b_ih=none, b_hh=none),))
    assert not program(m, profile="fast").run({"x": np.zeros((50, 3))})["y"].any()


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_of_zeros_has_room_for_half_a_step(kind: str):
    layer = cell_model(kind).layers[0]
    weights = {n: Tensor(getattr(layer, n).data * 1e-9) for n in ("w_ih", "w_hh")}
    none = np.zeros_like(layer.b_ih)
    m = cell_model(kind).with_layers((changed(layer, **weights, b_ih=none, b_hh=none),))
    p = program(m, profile="fast")
    biases = [c.data for c in p.consts if c.name.endswith("bias")]
    assert max(int(np.abs(b).max()) for b in biases) <= BIAS_LIMIT
    assert not p.run(data(m).sequences[0])["y"].any()


@pytest.mark.parametrize(("reach", "bits"), [(3.0, 12), (100.0, 8), (400.0, 6), (1500.0, 4)])
def test_a_cell_state_of_any_format_finds_its_tanh(reach: float, bits: int):
    """A cell that keeps the c it is given: 0.5 tanh(c) within half a step of c, tanh and h."""
    units = 41
    layer = graph.Lstm(
        name="rnn",
        inputs=("x", "h0", "c0"),
        w_ih=Tensor(np.zeros((4 * units, 1))),
        w_hh=Tensor(np.zeros((4 * units, units))),
        b_ih=np.repeat([-20.0, 20.0, 0.0, 0.0], units),
        b_hh=np.zeros(4 * units),
    )
    inputs = (Input("x", 1), Input("h0", units, "sequence"), Input("c0", units, "sequence"))
    m = Model("m", inputs, (layer,), (Output("y", "rnn"),))
    given = {"x": np.zeros((1, 1)), "h0": np.zeros(units), "c0": np.linspace(-6, 6, units)}
    seen = SequenceSet(({**given, "c0": np.full(units, reach)},))
    made = quantize(prepare(m), seen, QuantizeOptions(profile="fast"))
    assert made.numerics is not None
    assert made.numerics.formats["rnn.c"].scale == 2.0**-bits
    p = lower(made, load_target("host"))
    verify_ranges(p)
    error = np.abs(p.run(given)["y"] - m.run(given)["y"]).max()
    gates = 6 * 2.0**-11  # f ends a little below 1
    assert error <= 0.5 * (2.0**-bits + DIRECT["tanh"].half + gates) + 2.0**-8
