"""What Keras can say and rnn2c cannot compile is refused in one line that names it."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from keras_models import FEATURES, UNITS, Case, keras, layers, network, rewritten, saved, sequential

from rnn2c.errors import MissingToolError, Rnn2cError
from rnn2c.frontend import keras_file, load

LSTM, GRU, RNN = layers.LSTM, layers.GRU, layers.SimpleRNN


def refusal(path: Path) -> str:
    """The one line about the file."""
    with pytest.raises(Rnn2cError) as caught:
        load(path)
    text = str(caught.value)
    assert text == " ".join(text.split())
    assert len(text) < 500
    return text


STACKS: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "bidirectional": (
        lambda: [layers.Bidirectional(GRU(2, name="inside"), name="both")],
        "layer 'both' (Bidirectional): runs backwards in time too",
    ),
    "go_backwards": (
        lambda: [LSTM(2, go_backwards=True, name="back")],
        "layer 'back' (LSTM): go_backwards='True' is not supported; use go_backwards=False",
    ),
    "masking": (
        lambda: [layers.Masking(0.0, name="mask"), LSTM(2)],
        "layer 'mask' (Masking): masked steps are not supported; remove it",
    ),
    "cell activation": (
        lambda: [LSTM(2, activation="relu", name="cell")],
        "layer 'cell' (LSTM): activation 'relu' is not supported; use tanh",
    ),
    "gru activation": (
        lambda: [GRU(2, activation="elu", name="cell")],
        "layer 'cell' (GRU): activation 'elu' is not supported; use tanh",
    ),
    "rnn activation": (
        lambda: [RNN(2, activation="linear", name="cell")],
        "layer 'cell' (SimpleRNN): activation 'linear' is not supported; use tanh or relu",
    ),
    "recurrent activation": (
        lambda: [LSTM(2, recurrent_activation="hard_sigmoid", name="cell")],
        "recurrent_activation 'hard_sigmoid' is not supported; use sigmoid",
    ),
    "dense activation": (
        lambda: [RNN(2), layers.Dense(2, activation="gelu", name="head")],
        "layer 'head' (Dense): activation 'gelu' is not supported; use linear or relu",
    ),
    "activation": (
        lambda: [RNN(2), layers.Activation("swish", name="act")],
        "layer 'act' (Activation): activation 'silu' is not supported",
    ),
    "relu6": (
        lambda: [RNN(2), layers.ReLU(max_value=6, name="six")],
        "layer 'six' (ReLU): max_value='6' is not supported; use a plain ReLU",
    ),
    "leaky relu": (
        lambda: [RNN(2), layers.ReLU(negative_slope=0.1, name="leaky")],
        "negative_slope='0.1' is not supported",
    ),
    "softmax over time": (
        lambda: [RNN(2, return_sequences=True), layers.Softmax(axis=1, name="soft")],
        "layer 'soft' (Softmax): works on axis 1",
    ),
    "other layers": (
        lambda: [layers.Conv1D(4, 3, name="conv"), LSTM(2), layers.LayerNormalization(name="norm")],
        "layer 'conv' (Conv1D), layer 'norm' (LayerNormalization): not supported; supported are "
        "Activation, BatchNormalization, Dense, Dropout, GRU, LSTM, ReLU, SimpleRNN, Softmax",
    ),
    "several at once": (
        lambda: [layers.Masking(name="mask"), layers.Bidirectional(LSTM(2), name="both")],
        "layer 'mask' (Masking): masked steps are not supported; remove it and feed the valid steps"
        " only; layer 'both' (Bidirectional): runs backwards",
    ),
    "wrapped cell": (
        lambda: [layers.RNN(layers.LSTMCell(2), name="wrapped")],
        "layer 'wrapped' (RNN): not supported",
    ),
    "time distributed": (
        lambda: [
            RNN(2, return_sequences=True),
            layers.TimeDistributed(layers.LayerNormalization(), name="each"),
        ],
        "layer 'each' (TimeDistributed): wraps 'LayerNormalization'; it may wrap Dense",
    ),
    "normalisation at the end": (
        lambda: [RNN(2), layers.BatchNormalization(name="norm")],
        "layer 'norm' (BatchNormalization): is supported next to a Dense layer",
    ),
    "normalisation before relu": (
        lambda: [RNN(2), layers.BatchNormalization(name="norm"), layers.ReLU(), layers.Dense(1)],
        "layer 'norm' (BatchNormalization): is supported next to a Dense layer",
    ),
    "normalisation over time": (
        lambda: [RNN(2, return_sequences=True), layers.BatchNormalization(axis=1, name="norm")],
        "layer 'norm' (BatchNormalization): axis='1' is not supported; use axis=-1",
    ),
    "half precision": (
        lambda: [LSTM(2, dtype="mixed_float16", name="half")],
        "layer 'half' (LSTM): dtype 'mixed_float16' is not supported; train in float32",
    ),
    "lambda": (
        lambda: [LSTM(2), layers.Lambda(lambda x: x * 2, name="code")],
        "layer 'code' (Lambda): holds Python code, which is never run",
    ),
}


@pytest.mark.parametrize("kind", ["keras", "h5"])
@pytest.mark.parametrize("case", STACKS)
def test_layers(case, kind, tmp_path):
    make, expected = STACKS[case]
    steps = 5 if "over time" in case else None
    assert expected in refusal(saved(network(make(), (steps, FEATURES)), tmp_path, kind))


class Mine(layers.Dense):
    """A class that only its author has."""


def graph_of(kind: str) -> Any:
    """Functional models that are refused."""
    x = keras.Input((None, FEATURES), name="samples")
    match kind:
        case "computed state":
            y = LSTM(UNITS)(x, initial_state=[layers.Dense(UNITS)(RNN(2)(x))] * 2)
        case "training":
            y = RNN(2)(layers.Dropout(0.5, name="always")(x, training=True))
        case "mask":
            mask = keras.Input((None,), dtype="bool", name="mask")
            return keras.Model([x, mask], LSTM(2, name="masked")(x, mask=mask))
        case "two operands":
            y = layers.Concatenate(name="join")([RNN(2)(x), RNN(2)(x)])
        case "nested":
            y = keras.Sequential([RNN(2)], name="inside")(x)
        case "batch":
            x = keras.Input((None, FEATURES), batch_size=4, name="samples")
            y = RNN(2, name="four")(x)
        case "image":
            x = keras.Input((None, 4, FEATURES), name="samples")
            y = layers.Dense(2)(x)
        case "own class":
            y = Mine(2, name="mine")(RNN(2)(x))
    return keras.Model(x, y)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("computed state", "the initial state is computed by layer"),
        (
            "training",
            "layer 'always' (Dropout): is called with training='True'; leave training out",
        ),
        ("mask", "layer 'mask' (InputLayer): dtype 'bool' is not supported"),
        ("two operands", "layer 'join' (Concatenate): not supported"),
        ("nested", "layer 'inside' (Sequential): not supported"),
        ("batch", "layer 'four' (SimpleRNN): batch size 4; give batch 1"),
        ("image", "layer 'samples' (InputLayer): shape '[None, None, 4, 3]'; inputs are"),
        ("own class", "layer 'mine' (Mine): is a class of your own"),
    ],
)
def test_graphs(kind, expected, tmp_path):
    assert expected in refusal(saved(graph_of(kind), tmp_path, "keras"))


def test_subclassed_model(tmp_path):
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.cell = RNN(2)

        def call(self, x):
            return self.cell(x)

    net = Net()
    net.build((None, None, FEATURES))
    text = refusal(saved(net, tmp_path, "keras"))
    assert "the model is a 'Net'; only Sequential and Functional models are read" in text


Edit = Callable[[dict[str, Any]], object]


def edited(folder: Path, edit: Edit) -> Path:
    """A Sequential GRU and Dense whose JSON was changed; `edit` gets the whole model."""
    path = saved(sequential(Case("gru", 1, False, "dense")), folder, "keras")
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    edit(config)
    return rewritten(path, {"config.json": json.dumps(config).encode()})


def layer(config: dict[str, Any], at: int) -> dict[str, Any]:
    return config["config"]["layers"][at]


def settings(config: dict[str, Any], at: int) -> dict[str, Any]:
    return layer(config, at)["config"]


EDITS: dict[str, tuple[Edit, str]] = {
    "unknown setting": (lambda c: settings(c, 1).update(wibble=3), "setting 'wibble'='3' is not"),
    "unknown key": (lambda c: layer(c, 2).update(wibble=3), "(Dense): 'wibble' is not known"),
    "unknown model key": (lambda c: c["config"].update(wibble=3), "'wibble' is not known"),
    "missing setting": (lambda c: settings(c, 1).pop("units"), "has no setting 'units'"),
    "foreign module": (lambda c: layer(c, 2).update(module="os.path"), "class of your own"),
    "registered": (lambda c: layer(c, 2).update(registered_name="My>Dense"), "'My>Dense'"),
    "units": (
        lambda c: settings(c, 1).update(units=5),
        "(GRU): kernel has shape [3, 12], expected [3, 15]",
    ),
    "units zero": (lambda c: settings(c, 1).update(units=0), "units is '0', expected at least 1"),
    "units text": (lambda c: settings(c, 1).update(units="4"), "units is '4', expected at least"),
    "reset_after": (
        lambda c: settings(c, 1).update(reset_after=False),
        "(GRU): bias has shape [2, 12], expected [12]",
    ),
    "bias denied": (lambda c: settings(c, 2).update(use_bias=False), "do not explain"),
    "bias invented": (lambda c: settings(c, 2).update(use_bias=1), "use_bias is '1', expected"),
    "time major": (lambda c: settings(c, 1).update(time_major=True), "use time_major=False"),
    "own function": (
        lambda c: settings(c, 2).update(activation={"class_name": "function", "config": "f"}),
        "(Dense): activation is a function of your own",
    ),
    "lora": (lambda c: settings(c, 2).update(lora_rank=4), "lora_rank='4' is not supported"),
    "quantized": (
        lambda c: settings(c, 2).update(quantization_config={"a": 1}),
        "save the model before quantizing it",
    ),
    "quantized policy": (
        lambda c: settings(c, 2).update(
            dtype={"class_name": "QuantizedDTypePolicy", "config": {"name": "float32"}}
        ),
        "train in float32",
    ),
    "input size": (
        lambda c: settings(c, 0).update(batch_shape=[None, None, 9]),
        "kernel has shape [3, 12], expected [9, 12]",
    ),
    "sparse input": (lambda c: settings(c, 0).update(sparse=True), "sparse='True' is not"),
    "no shape": (lambda c: settings(c, 0).update(batch_shape="x"), "shape 'x'"),
    "repeated name": (
        lambda c: settings(c, 2).update(name=settings(c, 1)["name"]),
        "two layers are called",
    ),
    "renamed layer": (
        lambda c: settings(c, 2).update(name="other"),
        "layer 'other' (Dense): its place in the file, 'layers/dense', holds",
    ),
    "no name": (lambda c: settings(c, 2).pop("name"), "has no name or no class"),
    "no layers": (lambda c: c["config"].update(layers=[]), "no layers"),
    "layers no list": (lambda c: c["config"].update(layers=7), "a list is missing"),
    "layer no object": (lambda c: c["config"].update(layers=[7]), "settings are missing"),
    "other model": (lambda c: c.update(class_name="Pickle"), "the model is a 'Pickle'"),
    "bad name": (
        lambda c: layer(c, 2).update(class_name="*/\nsystem()"),
        "(*/?system()): not supported",
    ),
    "many layers": (
        lambda c: c["config"].update(layers=[layer(c, 1)] * 501),
        "models up to 500 layers are read",
    ),
}


@pytest.mark.parametrize("case", EDITS)
def test_edited_settings(case, tmp_path):
    edit, expected = EDITS[case]
    assert expected in refusal(edited(tmp_path, edit))


def test_edits_start_from_a_model_that_loads(tmp_path):
    assert load(edited(tmp_path, lambda c: None)).layers


CELL = "activation dtype go_backwards name return_sequences return_state units use_bias"
SENSITIVE = {
    "BatchNormalization": "axis center dtype epsilon name renorm scale",
    "Dense": "activation dtype name quantization_config units use_bias",
    "LSTM": f"{CELL} recurrent_activation",
    "TimeDistributed": "dtype layer name",
    "GRU": f"{CELL} recurrent_activation reset_after",
    "SimpleRNN": CELL,
    "Dropout": "dtype name",
    "Activation": "activation dtype name",
    "ReLU": "dtype max_value name negative_slope threshold",
    "Softmax": "axis dtype name",
}


def test_every_setting_is_read_or_harmless(tmp_path, monkeypatch):
    """A strange value is taken by those settings only that change no result."""
    steps = {"return_sequences": True}
    stack = [
        layers.BatchNormalization(),
        layers.Dense(2),
        LSTM(2, **steps),
        layers.TimeDistributed(layers.Dense(2)),
        GRU(2, **steps),
        RNN(2),
        layers.Dropout(0.1),
        layers.Activation("tanh"),
        layers.ReLU(),
        layers.Softmax(),
    ]
    path = saved(network(stack), tmp_path, "keras")
    whole = keras_file.read_keras(path)
    refused: dict[str, set[str]] = {}
    for at, entry in enumerate(whole.config["config"]["layers"][1:], 1):
        for key in entry["config"]:
            changed = copy.deepcopy(whole.config)
            settings(changed, at)[key] = {"class_name": "Strange", "config": {}}
            file = replace(whole, config=changed)
            monkeypatch.setattr("rnn2c.frontend.keras.read_keras", lambda path, file=file: file)
            try:
                load(path)
            except Rnn2cError:
                refused.setdefault(entry["class_name"], set()).add(key)
    assert refused == {kind: set(keys.split()) for kind, keys in SENSITIVE.items()}


def test_without_h5py(tmp_path, monkeypatch):
    path = saved(sequential(Case("gru", 1, False, "none")), tmp_path, "keras")
    monkeypatch.setattr(keras_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"needs h5py.*pip install 'rnn2c\[keras\]'"):
        load(path)


def test_sleep_stage_network(tmp_path):
    """The layers of the network that sleepecg ships: a mask and two layers in both directions."""
    stack = [
        layers.Masking(-1),
        layers.BatchNormalization(),
        layers.Dense(64),
        layers.ReLU(),
        layers.Bidirectional(GRU(8, return_sequences=True)),
        layers.Bidirectional(GRU(8, return_sequences=True)),
        layers.Dense(4, activation="softmax"),
    ]
    text = refusal(saved(network(stack, (None, 36)), tmp_path, "keras"))
    assert text.count("not supported") == 2
    assert "(Masking): masked steps" in text
    assert "(Bidirectional): runs backwards in time too, not supported yet" in text
