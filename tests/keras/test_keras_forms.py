"""What surrounds the cells: functional graphs, states, wrappers, names, older files, a build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras_models import (
    FEATURES,
    FORMATS,
    UNITS,
    Case,
    assert_same,
    compare,
    keras,
    layers,
    network,
    randomised,
    saved,
    sequential,
)

import rnn2c
from rnn2c.frontend import load
from rnn2c.ir import graph
from rnn2c.pipeline import prepare

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["sequential", "functional"])
def test_files_of_keras_2(name, kind):
    """Written by Keras 2.15 with TensorFlow; see fixtures/make_fixtures.py."""
    imported = load(FIXTURES / f"{name}.{kind}")
    with np.load(FIXTURES / f"{name}.npz") as data:
        feeds = [data[f"in{k}"] for k in range(len(imported.inputs))]
        compare(imported, feeds, [data[f"out{k}"] for k in range(len(imported.outputs))])


@pytest.mark.parametrize("kind", FORMATS)
def test_states_as_inputs_and_outputs(kind, tmp_path):
    x = keras.Input((None, FEATURES), name="samples")
    h, c, g = (keras.Input((UNITS,), name=n) for n in ("h0", "c0", "g0"))
    y, h_n, c_n = layers.LSTM(UNITS, return_sequences=True, return_state=True, name="first")(
        x, initial_state=[h, c]
    )
    z, z_n = layers.GRU(UNITS, return_state=True, name="second")(y, initial_state=g)
    model = randomised(keras.Model([x, h, c, g], [y, z, h_n, c_n, z_n]))
    imported = assert_same(saved(model, tmp_path, kind), model)
    assert [i.name for i in imported.inputs] == ["samples", "h0", "c0", "g0"]
    assert [o.name for o in imported.outputs] == [
        "first", "second", "first_h", "first_c", "second_h",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_branches_and_a_shared_layer(kind, tmp_path):
    x = keras.Input((None, FEATURES), name="samples")
    shared = layers.Dense(2, name="shared")
    y = layers.LSTM(UNITS, return_sequences=True)(x)
    y = layers.Dropout(0.1)(y)
    steps = layers.TimeDistributed(layers.Dense(3, activation="sigmoid"), name="steps")(y)
    last = layers.SimpleRNN(UNITS)(y)
    model = randomised(keras.Model(x, [shared(y), steps, shared(last)]))
    imported = assert_same(saved(model, tmp_path, kind), model)
    assert [o.name for o in imported.outputs] == ["shared", "steps", "shared_1"]


def test_outputs_by_name(tmp_path):
    x = keras.Input((None, FEATURES), name="samples")
    y = layers.GRU(UNITS)(x)
    outputs = {"speed": layers.Dense(1)(y), "kind": layers.Dense(2, activation="softmax")(y)}
    model = randomised(keras.Model(x, outputs))
    imported = assert_same(saved(model, tmp_path, "keras"), model)
    assert {o.name for o in imported.outputs} == {"speed", "kind"}


@pytest.mark.parametrize("wrapped", ["dense", "softmax", "normalise"])
def test_time_distributed(wrapped, tmp_path):
    inner = {
        "dense": lambda: layers.Dense(3, activation="tanh", use_bias=False),
        "softmax": lambda: layers.Softmax(),
        "normalise": lambda: layers.BatchNormalization(),
    }[wrapped]()
    tail = [layers.Dense(2)] if wrapped == "normalise" else []
    stack = [layers.LSTM(UNITS, return_sequences=True), layers.TimeDistributed(inner), *tail]
    model = network(stack)
    for kind in FORMATS:
        assert_same(saved(model, tmp_path, kind), model)


@pytest.mark.parametrize("behind", ["lstm", "gru", "gru_before", "rnn", "dense", "itself"])
def test_normalisation_before_weights_is_folded(behind, tmp_path):
    stack = {
        "lstm": [layers.LSTM(UNITS)],
        "gru": [layers.GRU(UNITS)],
        "gru_before": [layers.GRU(UNITS, reset_after=False, use_bias=False)],
        "rnn": [layers.SimpleRNN(UNITS)],
        "dense": [layers.Dense(2, activation="tanh"), layers.SimpleRNN(UNITS)],
        "itself": [layers.BatchNormalization(center=False), layers.Dropout(0.1), layers.GRU(UNITS)],
    }[behind]
    model = network([layers.BatchNormalization(), *stack])
    ready = prepare(assert_same(saved(model, tmp_path, "keras"), model))
    left = [x for x in ready.layers if isinstance(x, graph.Affine)]
    assert len(left) <= (behind == "itself")  # two in a row may scale the features too unlike


def test_normalisation_behind_dense_costs_nothing(tmp_path):
    stack = [layers.GRU(UNITS), layers.Dense(2, name="fc"), layers.BatchNormalization()]
    model = network(stack)
    ready = prepare(assert_same(saved(model, tmp_path, "keras"), model))
    assert [x.name for x in ready.layers[-1:]] == ["fc"]


def test_normalisation_without_weights_beside_it_is_a_layer(tmp_path):
    for behind in ([], [layers.ReLU(), layers.Dense(1)]):
        model = network([layers.SimpleRNN(2), layers.BatchNormalization(name="norm"), *behind])
        for kind in FORMATS:
            ready = prepare(assert_same(saved(model, tmp_path, kind), model))
            assert [x.name for x in ready.layers if isinstance(x, graph.Affine)] == ["norm"]


def test_settings_that_change_nothing(tmp_path):
    x = keras.Input((12, FEATURES), batch_size=1, name="samples")
    y = layers.LSTM(
        UNITS, stateful=True, unroll=True, dropout=0.3, recurrent_dropout=0.2, seed=4,
        unit_forget_bias=False, kernel_regularizer="l2",
    )(x)  # fmt: skip
    model = randomised(keras.Model(x, layers.Dense(2, kernel_constraint="non_neg")(y)))
    model.compile("adam", "mse")
    for kind in FORMATS:
        assert_same(saved(model, tmp_path, kind), model)


def test_model_that_was_trained(tmp_path):
    """An optimizer's own weights in the file are nobody's."""
    model = network([layers.GRU(UNITS), layers.Dense(1)])
    model.compile("adam", "mse")
    random = np.random.default_rng(0)
    model.fit(random.normal(size=(8, 5, FEATURES)), random.normal(size=(8, 1)), verbose=0)
    for kind in FORMATS:
        assert_same(saved(model, tmp_path, kind), model)


def test_names_come_from_the_file(tmp_path):
    stack = [layers.GRU(UNITS, name="memory"), layers.Dense(2, name="answer", activation="softmax")]
    imported = load(saved(network(stack), tmp_path, "keras"))
    assert imported.name == "net"
    assert [i.name for i in imported.inputs] == ["samples"]
    assert [o.name for o in imported.outputs] == ["answer"]
    assert [x.name for x in imported.layers] == ["memory", "memory.last", "answer", "answer.1"]
    assert load(tmp_path / "net.keras", name="other").name == "other"


def test_suffix_in_capitals_and_hdf5(tmp_path):
    path = saved(sequential(Case("gru", 1, False, "dense")), tmp_path, "h5")
    names = [x.name for x in load(path).layers]
    for name in ("net.H5", "net.hdf5"):
        (tmp_path / name).write_bytes(path.read_bytes())
        assert [x.name for x in load(tmp_path / name).layers] == names


@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_before", "rnn"])
def test_builds_and_runs_bit_exact(cell, tmp_path):
    path = saved(sequential(Case(cell, 1, False, "softmax")), tmp_path, "keras")
    model = load(path)
    samples = np.random.default_rng(2).normal(size=(4, 12, FEATURES))
    integer = rnn2c.quantize(model, {"samples": samples})
    program = rnn2c.compile(integer)
    report = rnn2c.verify(program, [{"samples": samples[0]}])
    assert report.bit_exact
    (expected,) = model.run({"samples": samples[0]}).values()
    (found,) = program.run({"samples": samples[0]}).values()
    np.testing.assert_allclose(found, expected, atol=0.1)
