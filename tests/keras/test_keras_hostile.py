"""Files made or damaged to do harm: one line, quickly, and nothing outside the file is touched."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_models import FORMATS, Case, layers, network, refusal, rewritten, saved, sequential

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load

KERNEL = "layers/gru/cell/vars/0"


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> dict[str, bytes]:
    """A GRU with a Dense head, by format."""
    folder = tmp_path_factory.mktemp("good")
    model = sequential(Case("gru", 1, False, "dense"))
    return {kind: saved(model, folder, kind).read_bytes() for kind in FORMATS}


def written(folder: Path, kind: str, data: bytes) -> Path:
    path = folder / f"net.{kind}"
    path.write_bytes(data)
    return path


def with_json(folder: Path, good: dict[str, bytes], text: bytes) -> Path:
    return rewritten(written(folder, "keras", good["keras"]), {"config.json": text})


def with_weights(folder: Path, good: dict[str, bytes], edit: Callable[[Any], object]) -> Path:
    """The .keras file with its weights changed by h5py."""
    path = written(folder, "keras", good["keras"])
    with zipfile.ZipFile(path) as archive:
        buffer = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(buffer, "r+") as file:
        edit(file)
    return rewritten(path, {"model.weights.h5": buffer.getvalue()})


def test_the_files_are_good_before_they_are_damaged(good, tmp_path):
    for kind in FORMATS:
        assert load(written(tmp_path, kind, good[kind])).layers
    assert load(with_weights(tmp_path, good, lambda file: None)).layers


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("data", [b"", b"PK", b"\x89HDF\r\n\x1a\n", b"\0" * 5000, b"nonsense"])
def test_no_model_at_all(kind, data, tmp_path):
    assert "save the model again" in refusal(written(tmp_path, kind, data))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated(kind, part, good, tmp_path):
    data = good[kind]
    refusal(written(tmp_path, kind, data[: int(part * len(data))]))


@pytest.mark.parametrize("kind", FORMATS)
def test_no_regular_file(kind, tmp_path):
    assert "no such file" in refusal(tmp_path / f"missing.{kind}")
    (tmp_path / f"folder.{kind}").mkdir()
    assert "not a regular file" in refusal(tmp_path / f"folder.{kind}")
    os.mkfifo(tmp_path / f"fifo.{kind}")
    assert "not a regular file" in refusal(tmp_path / f"fifo.{kind}")


def test_zip_bomb(good, tmp_path):
    zeros = b"0" * (50 * 2**20)
    path = with_json(tmp_path, good, zeros)
    assert path.stat().st_size < 2**20
    assert "member 'config.json' unpacks to 52428800 bytes; at most" in refusal(path)


def test_zip_that_lies_about_a_size(good, tmp_path):
    path = with_json(tmp_path, good, b"0" * (50 * 2**20))
    data = path.read_bytes().replace(
        (50 * 2**20).to_bytes(4, "little"), (100).to_bytes(4, "little")
    )
    assert "member 'config.json' is damaged" in refusal(written(tmp_path, "keras", data))


def test_zip_members(good, tmp_path):
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../config.json", "{}")
    assert "the zip holds 0 members 'config.json', expected one" in refusal(path)
    written(tmp_path, "keras", good["keras"])
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model.weights.h5", b"")
    assert "the zip holds 2 members 'model.weights.h5', expected one" in refusal(path)
    assert [p.name for p in tmp_path.parent.iterdir() if p.name == "config.json"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "nested deeper than 40"),
        (b'{"a": 1, "a": 2}', "a key is repeated"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "damaged"),
        (b"{", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[]", "is no object"),
        (b"{}", "the model is a 'None'"),
        (b'{"class_name": "Sequential"}', "settings are missing"),
        (b'{"class_name": "Functional", "config": {}}', "a list is missing"),
        (b'{"class_name": "Functional", "config": {"layers": [{}]}}', "settings are missing"),
    ],
)
def test_json(text, expected, good, tmp_path):
    assert expected in refusal(with_json(tmp_path, good, text))


def dense(name: str, *nodes: list[Any]) -> dict[str, Any]:
    return {"class_name": "Dropout", "config": {"name": name}, "inbound_nodes": list(nodes)}


def graph_json(*specs: dict[str, Any], outputs: list[Any]) -> bytes:
    source = {
        "class_name": "InputLayer",
        "config": {"name": "x", "batch_shape": [None, None, 3]},
        "inbound_nodes": [],
    }
    config = {"layers": [source, *specs], "input_layers": ["x", 0, 0], "output_layers": outputs}
    return json.dumps({"class_name": "Functional", "config": config}).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (graph_json(dense("a", [["a", 0, 0]]), outputs=["a", 0, 0]), "reads result 0 of call 0 of"),
        (
            graph_json(dense("a", [["b", 0, 0]]), dense("b", [["a", 0, 0]]), outputs=["a", 0, 0]),
            "of layer 'b', which is not there",
        ),
        (graph_json(dense("a", [["x", 0, 7]]), outputs=["a", 0, 0]), "result 7 of call 0"),
        (graph_json(dense("a", [["x", 0, -1]]), outputs=["a", 0, 0]), "no layer's result"),
        (graph_json(dense("a", [["x", 0, 0]]), outputs=["b", 0, 0]), "layer 'b' does not make it"),
        (graph_json(dense("a", [["x", 0, 0]]), outputs=[]), "no output"),
        (graph_json(dense("a", []), outputs=["a", 0, 0]), "reads 0 tensors, expected 1"),
        (graph_json(dense("a", [["x", 0, 0]] * 2), outputs=["a", 0, 0]), "reads 2 tensors"),
        (graph_json(dense("a", *[[["x", 0, 0]]] * 2001), outputs=["a", 0, 0]), "2000 calls"),
        (graph_json(dense("a", [["x", 0, 0, {"f": 1}]]), outputs=["a", 0, 0]), "argument 'f'"),
        (
            graph_json(dense("a", [["x", 0, 0, {"mask": [["x", 0, 0]]}]]), outputs=["a", 0, 0]),
            "layer 'a' (Dropout): its mask is not made by a Masking layer",
        ),
        (graph_json(dense("x", []), outputs=["x", 0, 0]), "two layers are called 'x'"),
    ],
)
def test_graphs(text, expected, good, tmp_path):
    assert expected in refusal(with_json(tmp_path, good, text))


def replaced(make: Callable[[Any, str], object], path: str = KERNEL) -> Callable[[Any], object]:
    """Another object in the place of a weight."""

    def edit(file: Any) -> None:
        del file[path]
        make(file, path)

    return edit


def virtual(file: Any, path: str) -> None:
    source = h5py.VirtualSource("/etc/passwd", "x", shape=(3, 12))
    layout = h5py.VirtualLayout(shape=(3, 12), dtype="f4")
    layout[:] = source
    file.create_virtual_dataset(path, layout)


def link(made: Any) -> Callable[[Any], object]:
    return replaced(lambda file, path: file.__setitem__(path, made))


def stored(**options: Any) -> Callable[[Any], object]:
    return replaced(lambda file, path: file.create_dataset(path, **options))


def change(path: str, value: Any) -> Callable[[Any], object]:
    return lambda file: file[path].__setitem__((0,) * file[path].ndim, value)


def loop(file: Any) -> None:
    file["layers/again"] = file["layers"]


ZEROS = np.zeros((3, 12), np.float32)
WEIGHTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "external link": (link(h5py.ExternalLink("/etc/passwd", "/x")), "soft or external link"),
    "soft link": (link(h5py.SoftLink("/layers/gru/cell/vars/1")), "soft or external link"),
    "external data": (
        stored(shape=(3, 12), dtype="f4", external=[("/etc/passwd", 0, 144)]),
        "stored compressed or outside the file",
    ),
    "virtual data": (replaced(virtual), "stored compressed or outside the file"),
    "compressed": (stored(data=ZEROS, compression="gzip"), "stored compressed or outside"),
    "never written": (
        stored(shape=(3, 12), dtype="f4"),
        "needs 144 bytes, the file has 0",
    ),
    "huge and never written": (stored(shape=(2**30, 2**10), dtype="f4"), "more weights than a"),
    "objects": (
        stored(data=np.array(["a"], object), dtype=h5py.string_dtype()),
        "holds objects; only float32 weights are read",
    ),
    "integers": (stored(data=ZEROS.astype(np.int32)), "kernel has type 'int32'; train in float32"),
    "half": (stored(data=ZEROS.astype(np.float16)), "kernel has type 'float16'"),
    "shape": (stored(data=ZEROS.T), "(GRU): kernel has shape [12, 3], expected [3, 12]"),
    "rank": (stored(data=ZEROS[0]), "(GRU): kernel has shape [12], expected [3, 12]"),
    "named type": (replaced(lambda f, p: f.__setitem__(p, np.dtype("f4"))), "neither a group nor"),
    "group": (replaced(lambda f, p: f.create_group(p)), "the file has no kernel for it"),
    "missing": (replaced(lambda f, p: None), "the file has no kernel for it"),
    "additional": (
        lambda f: f.create_dataset("layers/gru/cell/vars/3", data=ZEROS),
        "(GRU): has a weight 'layers/gru/cell/vars/3' that its settings do not explain",
    ),
    "nan": (change(KERNEL, np.nan), "(GRU): kernel[0, 0] is nan; weights must be finite"),
    "infinite": (change("layers/dense/vars/1", -np.inf), "(Dense): bias[0] is -inf"),
    "large": (change("layers/dense/vars/0", 1e38), "kernel[0, 0] is 9.99"),
    "loop": (loop, "nested deeper than 24 levels"),
    "many": (
        lambda f: [f.create_group(f"layers/g{k}") for k in range(5_001)],
        "more than 5000 objects",
    ),
    "no text": (lambda f: f["layers"].attrs.__setitem__("name", [1.5]), "'name' is no text"),
    "other layer": (
        lambda f: f["layers/gru/vars"].attrs.__setitem__("name", "another"),
        "its place in the file, 'layers/gru', holds \"['another']\"",
    ),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights(case, good, tmp_path):
    edit, expected = WEIGHTS[case]
    text = refusal(with_weights(tmp_path, good, edit))
    assert expected.replace('"', "'") in text.replace('"', "'")


def test_weights_without_a_model(tmp_path):
    model = network([layers.GRU(2)])
    model.save_weights(tmp_path / "net.weights.h5")
    assert "holds weights without a model" in refusal(tmp_path / "net.weights.h5")


@pytest.mark.parametrize("kind", FORMATS)
def test_flipped_bytes(kind, good, tmp_path):
    """Any damage is refused in one line or does not matter; nothing else escapes."""
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(8):
        data = bytearray(good[kind])
        for at in random.integers(0, len(data), 40):
            data[at] = random.integers(256)
        path = written(tmp_path, kind, bytes(data))
        if not loads(path):
            refused += 1
            refusal(path)
    assert refused > 0


def loads(path: Path) -> bool:
    """Whether the file is a model; any exception but a refusal fails the test."""
    try:
        load(path)
    except Rnn2cError:
        return False
    return True
