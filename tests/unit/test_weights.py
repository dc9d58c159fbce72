"""Integer weights: how far rounding may be off, levels of rows, biases, rows of zeros."""

from __future__ import annotations

import numpy as np
import pytest
from core_models import CELLS, cell_model, changed, integer, linear, model

from rnn2c.ir import graph
from rnn2c.ir.graph import Tensor
from rnn2c.quantization.weights import BIAS_LIMIT, ROW_RATIO

OPTIONS = (
    {},
    {"weights": "int4"},
    {"activations": "int16"},
    {"accumulate": "split"},
    {"profile": "fast"},
    {"profile": "compact"},
    {"profile": "compact", "weights": "int4"},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_every_weight_is_off_by_half_a_step_at_most(kind: str, options: dict[str, str]):
    real = cell_model(kind)
    made = integer(real, **options).layers[0]
    for name in ("w_ih", "w_hh"):
        tensor = getattr(made, name)
        top = 2 ** (tensor.bits - 1) - 1
        assert tensor.bits == int(options.get("weights", "int8")[3:])
        assert tensor.data.dtype == np.int64
        assert np.abs(tensor.data).max() <= top
        error = np.abs(tensor.real() - getattr(real.layers[0], name).data)
        assert np.all(error <= tensor.scale[:, None] * (0.5 + 1e-9))


def test_biases_stay_real():
    real = cell_model("lstm")
    made = integer(real).layers[0]
    assert np.array_equal(made.b_ih, real.layers[0].b_ih)
    assert np.array_equal(made.b_hh, real.layers[0].b_hh)


def test_a_joint_sum_has_one_accumulator_scale_for_both_matrices():
    made = integer(cell_model("lstm"))
    layer, formats = made.layers[0], made.numerics.formats
    s_ih = layer.w_ih.scale * formats["x"].scale
    assert np.allclose(s_ih, layer.w_hh.scale * formats["rnn"].scale, rtol=1e-12)


def test_split_sums_use_the_whole_range_of_each_matrix():
    layer = integer(cell_model("lstm"), accumulate="split").layers[0]
    for tensor in (layer.w_ih, layer.w_hh):
        assert np.all(np.abs(tensor.data).max(axis=1) == 127)


def test_compact_has_one_power_of_two_for_all_rows():
    made = integer(cell_model("lstm"), profile="compact")
    layer = made.layers[0]
    unit = layer.w_ih.scale * made.numerics.formats["x"].scale
    assert np.ptp(unit) == 0
    assert float(np.frexp(unit[0])[0]) == 0.5


@pytest.mark.parametrize("options", [{}, {"accumulate": "split"}], ids=str)
def test_no_row_of_a_gate_is_much_finer_than_its_coarsest(options: dict[str, str]):
    real = cell_model("lstm")
    layer = real.layers[0]
    w = layer.w_ih.data.copy()
    u = layer.w_hh.data.copy()
    w[1] *= 1e-7
    u[1] *= 1e-7
    small = changed(layer, w_ih=Tensor(w), w_hh=Tensor(u), b_ih=layer.b_ih * 0, b_hh=layer.b_hh * 0)
    made = integer(real.with_layers((small,)), **options).layers[0]
    for tensor in (made.w_ih, made.w_hh):
        gates = tensor.scale.reshape(4, 5)
        assert np.all(gates.max(axis=1) / gates.min(axis=1) <= ROW_RATIO * (1 + 1e-9))


def test_rows_of_zeros_are_harmless():
    real = cell_model("gru")
    layer = changed(
        real.layers[0],
        w_ih=Tensor(np.zeros((15, 3))),
        w_hh=Tensor(np.zeros((15, 5))),
        b_ih=np.zeros(15),
        b_hh=np.zeros(15),
    )
    made = integer(real.with_layers((layer,)))
    for tensor in (made.layers[0].w_ih, made.layers[0].w_hh):
        assert not tensor.data.any()
        assert np.all(tensor.scale > 0)
        assert np.all(np.isfinite(tensor.scale))


@pytest.mark.parametrize("profile", ["accurate", "fast", "compact"])
def test_a_large_bias_coarsens_its_row_until_it_fits(profile: str):
    fc = linear("fc", "x", 3, 2, np.random.default_rng(0))
    large = changed(fc, weight=Tensor(fc.weight.data * 1e-3), bias=np.array([1e4, 0.1]))
    made = integer(model((large,), (("y", "fc"),), 3), profile=profile)
    unit = made.layers[0].weight.scale * made.numerics.formats["x"].scale
    assert np.all(np.abs(large.bias / unit) <= BIAS_LIMIT * (1 + 1e-9))


def test_a_linear_layer_has_a_scale_per_row_or_one_in_compact():
    rng = np.random.default_rng(2)
    m = model((linear("fc", "x", 3, 6, rng),), (("y", "fc"),), 3)
    assert np.ptp(integer(m).layers[0].weight.scale) > 0
    assert np.ptp(integer(m, profile="compact").layers[0].weight.scale) == 0


def test_quantizing_changes_nothing_else_of_the_layer():
    real = cell_model("gru_before")
    made = integer(real).layers[0]
    assert isinstance(made, graph.Gru)
    assert (made.name, made.inputs, made.reset_after) == ("rnn", ("x",), False)
    assert real.layers[0].w_ih.scale is None
