"""Every setting in the JSON of a Keras file is read, known to be harmless, or refused by name."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from keras_models import Case, layers, network, refusal, rewritten, saved, sequential

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import keras_file, load

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


CELL = (
    "activation dtype go_backwards name return_sequences return_state units use_bias"
    " zero_output_for_mask"
)
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
        layers.LSTM(2, **steps),
        layers.TimeDistributed(layers.Dense(2)),
        layers.GRU(2, **steps),
        layers.SimpleRNN(2),
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
