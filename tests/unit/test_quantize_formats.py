"""Which format the quantizer chooses for every value, and what the observers report."""

from __future__ import annotations

import numpy as np
import pytest
from core_models import CELLS, cell, cell_model, classifier, data, integer, linear, model

from rnn2c.calibration import SequenceSet
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.graph import Format
from rnn2c.pipeline import prepare, quantize
from rnn2c.quantization import QuantizeOptions
from rnn2c.quantization.observe import observe


def formats(m: graph.Model, **options: str) -> dict[str, Format]:
    numerics = integer(m, **options).numerics
    assert numerics is not None
    return dict(numerics.formats)


def is_power_of_two(x: float) -> bool:
    return float(np.frexp(x)[0]) == 0.5


def test_format_range_and_saturation():
    form = Format(0.5, 8, zero_point=3)
    assert (form.lo, form.hi) == (-128, 127)
    assert form.quantize(np.array([-1e9, -1.5, 0.0, 0.74, 1e9])).tolist() == [-128, 0, 3, 4, 127]
    assert form.dequantize(np.array([3, 5])).tolist() == [0.0, 1.0]
    part = Format(1.0, 16, lo=-10, hi=9)
    assert part.quantize(np.array([-99.0, 99.0])).tolist() == [-10, 9]


def test_a_round_trip_is_off_by_half_a_step_at_most():
    form = Format(0.013, 8, zero_point=-20)
    x = np.random.default_rng(0).uniform(-1.4, 1.9, 1000)
    assert np.abs(form.dequantize(form.quantize(x)) - x).max() <= 0.013 / 2 + 1e-12


def test_minmax_sees_the_extremes_of_every_sequence():
    m = cell_model("gru")
    sequences = tuple({"x": np.full((2, 3), v)} for v in (-3.0, 0.5, 2.0))
    spans = observe(m, SequenceSet(sequences))
    assert (spans["x"].lo, spans["x"].hi, spans["x"].reach) == (-3.0, 2.0, 3.0)
    assert {"x", "rnn", "rnn.n"} <= set(spans)


def test_percentile_ignores_outliers():
    m = cell_model("gru")
    x = np.random.default_rng(0).uniform(-1, 1, (4000, 3))
    x[7] = 100.0
    spans = observe(m, SequenceSet(({"x": x},)), "percentile", 99.0)
    assert 0.9 < spans["x"].hi < 1
    assert -1 < spans["x"].lo < -0.9


@pytest.mark.parametrize("percentile", [50, 0, -1, 100.5, float("nan")])
def test_an_impossible_percentile_is_refused(percentile: float):
    m = cell_model("gru")
    with pytest.raises(Rnn2cError, match=f"percentile {percentile}: give a number above 50"):
        observe(m, data(m), "percentile", percentile)


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before", "rnn"])
def test_the_hidden_state_is_a_fraction_of_one(kind: str):
    assert formats(cell_model(kind))["rnn"] == Format(2.0**-7, 8)
    assert formats(cell_model(kind), activations="int16")["rnn"] == Format(2.0**-15, 16)
    assert formats(cell_model(kind), profile="compact")["rnn"] == Format(2.0**-7, 8)


def test_a_relu_state_has_its_calibrated_range():
    m = cell_model("rnn_relu", gain=0.5)
    reach = max(float(m.run(s)["y"].max()) for s in data(m).sequences)
    form = formats(m)["rnn"]
    assert form.bits == 8
    assert form.scale == pytest.approx(reach / 127)
    compact = formats(m, profile="compact")["rnn"]
    assert is_power_of_two(compact.scale)
    assert form.scale <= compact.scale < 2 * form.scale


@pytest.mark.parametrize(("reach", "bits"), [(1.0, 12), (20.0, 10), (300.0, 6)])
def test_the_cell_state_gets_the_range_it_needs(reach: float, bits: int):
    """A cell that only adds: its state grows to `reach`."""
    rows = 4
    lstm = graph.Lstm(
        name="rnn",
        inputs=("x",),
        w_ih=graph.Tensor(np.zeros((rows, 1))),
        w_hh=graph.Tensor(np.zeros((rows, 1))),
        b_ih=np.array([20.0, 20.0, 20.0, 0.0]),
        b_hh=np.zeros(rows),
    )
    m = model((lstm,), (("y", "rnn"),), 1)
    steps = SequenceSet(({"x": np.ones((int(reach), 1))},))
    made = quantize(prepare(m), steps, QuantizeOptions())
    assert made.numerics is not None
    assert made.numerics.formats["rnn.c"] == Format(2.0**-bits, 16)


@pytest.mark.parametrize("kind", CELLS)
def test_the_input_of_a_joint_sum_balances_both_halves(kind: str):
    m = cell_model(kind, seed=3)
    form = formats(m)["x"]
    layer = m.layers[0]
    rows = 10 if kind.startswith("gru") else layer.w_ih.shape[0]
    x = np.abs(layer.w_ih.data[:rows]).max(axis=1) * form.scale
    h = np.abs(layer.w_hh.data[:rows]).max(axis=1) * formats(m)["rnn"].scale
    reach = max(np.abs(s["x"]).max() for s in data(m).sequences)
    if form.bits == 16 and reach / 32767 < form.scale < reach / 127:
        assert float(np.median(h / x)) == pytest.approx(1.0)
    assert form.zero_point == 0
    assert form.hi * form.scale >= 1.99 * reach or form.bits == 8


def test_inputs_of_a_joint_sum_keep_headroom_above_calibration():
    m = cell_model("lstm")
    reach = max(np.abs(s["x"]).max() for s in data(m).sequences)
    form = formats(m)["x"]
    assert (form.bits, form.zero_point) == (16, 0)
    assert 2 * reach <= (form.hi + 1) * form.scale <= 4 * reach
    assert form.hi + 1 == -form.lo == 2 ** (form.hi.bit_length())


def test_the_input_of_split_sums_is_int8_with_a_zero_point():
    m = cell_model("lstm")
    given = tuple({"x": s["x"] + 2.5} for s in data(m).sequences)
    made = quantize(prepare(m), SequenceSet(given), QuantizeOptions(accumulate="split"))
    assert made.numerics is not None
    form = made.numerics.formats["x"]
    x = np.concatenate([s["x"] for s in given])
    assert form.bits == 8
    assert form.zero_point != 0
    assert form.quantize(np.array([x.min(), 0.0, x.max()])).tolist() == [-128, form.zero_point, 127]
    assert form.dequantize(np.array([form.zero_point])).tolist() == [0.0]


def test_logits_have_16_bits_and_double_range():
    m = classifier("gru")
    form = formats(m)["fc"]
    assert form.bits == 16
    logits = graph.Model("l", m.inputs, m.layers[:3], (graph.Output("fc", "fc"),))
    reach = max(np.abs(logits.run(s)["fc"]).max() for s in data(m).sequences)
    assert form.hi * form.scale == pytest.approx(2 * reach)


def test_values_between_layers_have_the_bits_of_activations():
    rng = np.random.default_rng(0)
    layers = (linear("a", "x", 3, 4, rng), linear("b", "a", 4, 2, rng))
    m = model(layers, (("y", "b"),), 3)
    assert [formats(m, activations=a)["a"].bits for a in ("int8", "int16")] == [8, 16]
    assert formats(m)["b"].bits == 16


@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
def test_initial_states_have_the_format_of_the_state(profile: str):
    layer = cell("lstm", 3, 5, np.random.default_rng(0))
    layer = graph.Lstm(**{**vars(layer), "inputs": ("x", "h0", "c0")})
    inputs = (
        graph.Input("x", 3), graph.Input("h0", 5, "sequence"), graph.Input("c0", 5, "sequence"),
    )  # fmt: skip
    m = graph.Model("m", inputs, (layer,), (graph.Output("y", "rnn"),))
    got = formats(m, profile=profile)
    assert got["h0"] == got["rnn"]
    assert got["c0"] == got["rnn.c"]


def test_a_gru_with_large_pre_activations_gets_fewer_fraction_bits():
    small, large = cell_model("gru"), cell_model("gru", gain=12.0)
    assert integer(small).numerics.pre_bits == {"rnn": 12}
    assert integer(large).numerics.pre_bits["rnn"] < 12
    assert integer(large, profile="compact").numerics.pre_bits == {"rnn": 12}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "int2"}, "weights='int2': choose one of int8, int4, int4-overlapped, ternary"),
        ({"activations": "float"}, "activations='float': choose one of int8, int16"),
        ({"profile": "exact"}, "profile='exact': choose one of accurate, fast, compact"),
        ({"observer": "max"}, "observer='max': choose one of minmax, percentile"),
        ({"profile": "compact", "activations": "int16"}, "for int16 use profile accurate"),
        ({"profile": "compact", "accumulate": "split"}, "for accumulate=split use accurate"),
    ],
)
def test_options_that_do_not_exist_or_go_together_are_refused(options, message: str):
    with pytest.raises(Rnn2cError, match=message):
        QuantizeOptions(**options)


@pytest.mark.parametrize("profile", ["accurate", "compact"])
@pytest.mark.parametrize("kind", CELLS)
def test_inputs_of_8_bits_on_request(kind: str, profile: str):
    real = cell_model(kind, inputs=4)
    assert formats(real, profile=profile, inputs="int8")["x"].bits == 8
