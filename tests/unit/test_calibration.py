"""The calibration reader: its two forms, and every refusal with its text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core_models import cell_model, data

from rnn2c import npz
from rnn2c.calibration import as_sequence_set, from_arrays, read_sequences
from rnn2c.errors import Rnn2cError
from rnn2c.ir.graph import Input, Model

ONE = cell_model("gru")
STATE = Model("m", (Input("x", 3), Input("h0", 2, "sequence")), (), ())
TWO = Model("m", (Input("x", 3), Input("token", 1)), (), ())
X = np.arange(60.0).reshape(5, 4, 3)


def test_an_archive_gives_its_sequences_and_labels(tmp_path: Path):
    path = tmp_path / "c.npz"
    np.savez(path, x=X, y=np.arange(5))
    read = read_sequences(path, ONE)
    assert len(read) == 5
    assert all(np.array_equal(s["x"], X[k]) for k, s in enumerate(read.sequences))
    assert read.labels is not None
    assert read.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint16, np.int64])
def test_every_number_type_is_read_as_float64(dtype: type):
    read = from_arrays({"x": X.astype(dtype)}, ONE, "data")
    assert read.sequences[4]["x"].dtype == np.float64
    assert np.array_equal(read.sequences[4]["x"], X[4])


def test_the_ragged_form_is_split_at_its_lengths():
    arrays = {"x": X.reshape(20, 3), "x_lengths": np.array([1, 12, 7])}
    read = from_arrays(arrays, ONE, "data")
    assert [s["x"].shape for s in read.sequences] == [(1, 3), (12, 3), (7, 3)]
    assert np.array_equal(np.concatenate([s["x"] for s in read.sequences]), arrays["x"])


def test_initial_states_are_optional_vectors():
    read = from_arrays({"x": X, "h0": np.ones((5, 2))}, STATE, "data")
    assert read.sequences[0]["h0"].tolist() == [1, 1]
    assert set(from_arrays({"x": X}, STATE, "data").sequences[0]) == {"x"}


def test_the_python_forms_agree(tmp_path: Path):
    wanted = data(ONE, count=3)
    np.savez(tmp_path / "c.npz", x=np.stack([s["x"] for s in wanted.sequences]))
    for form in (
        wanted,
        list(wanted.sequences),
        {"x": np.stack([s["x"] for s in wanted.sequences])},
        tmp_path / "c.npz",
        str(tmp_path / "c.npz"),
    ):
        got = as_sequence_set(form, ONE)
        for a, b in zip(got.sequences, wanted.sequences, strict=True):
            assert np.array_equal(a["x"], b["x"])


REFUSED = [
    (ONE, {}, r"no array 'x' \[N, T, 3\]; the file has nothing"),
    (ONE, {"z": X}, r"no array 'x' \[N, T, 3\]; the file has 'z'"),
    (ONE, {"x": X, "z": X}, r"array 'z' is no input of the model \(inputs: 'x'\)"),
    (ONE, {"x": X[0]}, r"array 'x' has shape \[4, 3\], expected \[N, T, 3\]"),
    (ONE, {"x": X[..., :2]}, r"array 'x' has shape \[5, 4, 2\], expected \[N, T, 3\]"),
    (ONE, {"x": X[:, :0]}, "array 'x' has sequences of 0 steps"),
    (ONE, {"x": X[:0]}, "holds no sequence; give at least one"),
    (ONE, {"x": X.astype(complex)}, "array 'x' has type complex128, expected numbers"),
    (ONE, {"x": X.astype(bool)}, "array 'x' has type bool, expected numbers"),
    (ONE, {"x": X.astype(str)}, "array 'x' has type <U32, expected numbers"),
    (ONE, {"x": np.where(X == 17, np.nan, X)}, r"array 'x'\[1, 1, 2\] is nan; calibration needs"),
    (ONE, {"x": np.where(X == 0, -np.inf, X)}, r"array 'x'\[0, 0, 0\] is -inf"),
    (ONE, {"x": X, "x_lengths": np.array([5])}, r"shape \[5, 4, 3\], expected \[sum of T, 3\]"),
    (ONE, {"x": X[0], "x_lengths": np.array([3, 2])}, "'x_lengths' must be positive integers"),
    (ONE, {"x": X[0], "x_lengths": np.array([4, 0])}, "add up to 4 steps"),
    (ONE, {"x": X[0], "x_lengths": np.array([[4]])}, "add up to 4 steps"),
    (ONE, {"x": X[0], "x_lengths": np.array(["4"])}, "'x_lengths' must be"),
    (ONE, {"x": X[0], "x_lengths": np.array([4.5])}, "'x_lengths' must be"),
    (ONE, {"x": X, "y": np.arange(4)}, r"labels 'y' have shape \[4\] and type int64"),
    (ONE, {"x": X, "y": np.zeros(5)}, r"type float64, expected \[5\] integers"),
    (STATE, {"x": X, "h0": np.ones((4, 2))}, "different numbers of sequences: {'x': 5, 'h0': 4}"),
    (STATE, {"x": X, "h0": np.ones((5, 3))}, r"'h0' has shape \[5, 3\], expected \[N, 2\]"),
    (TWO, {"x": X, "token": X[:, :3, :1]}, r"sequence 0: inputs have different lengths \[3, 4\]"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "arrays", "message"), REFUSED, ids=[r[2] for r in REFUSED])
def test_wrong_arrays_are_refused_with_file_and_array(model, arrays, message: str):
    with pytest.raises(Rnn2cError, match=f"^calib.npz: .*{message}") as caught:
        from_arrays(arrays, model, "calib.npz")
    assert "\n" not in str(caught.value)


def write_pickle(path: Path) -> None:
    np.savez(path, x=np.array([{"a": 1}], dtype=object))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.write_bytes(b""), "it is not an .npz file"),
        (lambda p: p.write_bytes(b"PK\x03\x04 broken"), "it is not an .npz file"),
        (lambda p: p.write_text("1, 2, 3"), "it is not an .npz file"),
        (lambda p: p.mkdir(), "not a regular file"),
        (lambda p: np.save(p.open("wb"), X), "it is not an .npz file"),
        (write_pickle, "array 'x': it holds Python objects; write plain arrays of numbers"),
    ],
    ids=["missing", "empty", "broken zip", "text", "folder", "npy", "pickle"],
)
def test_wrong_files_are_refused_by_name(write, message: str, tmp_path: Path):
    path = tmp_path / "calib.npz"
    write(path)
    with pytest.raises(Rnn2cError, match=f"calib.npz: ({message})"):
        read_sequences(path, ONE)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_archive_is_read_or_refused_never_anything_else(save, tmp_path: Path):
    path = tmp_path / "calib.npz"
    save(path, x=np.random.default_rng(0).normal(size=(3, 4, 3)), y=np.arange(3))
    good = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        damaged = bytearray(good)
        for _ in range(3):
            damaged[rng.integers(len(good))] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            read_sequences(path, ONE)
        except Rnn2cError:
            refused += 1
    assert refused > 100


def test_an_archive_that_unpacks_to_gigabytes_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "calib.npz"
    np.savez_compressed(path, x=np.zeros((1, 10_000, 3)))
    monkeypatch.setattr(npz, "LARGEST_BYTES", 200_000)
    with pytest.raises(
        Rnn2cError, match=r"unpacks to a size of 240\d+ bytes; at most 200000 are read"
    ):
        read_sequences(path, ONE)
