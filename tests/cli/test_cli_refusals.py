"""Bad input: one line that says what, where and what instead; exit code 2; nothing written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_onnx import Run, gru


def refused(cli: Run, tmp_path: Path, *arguments: object) -> str:
    """The one line of a refused build."""
    out = tmp_path / "out"
    done = cli("build", *arguments, "-o", out)
    assert done.returncode == 2
    assert done.stdout == ""
    assert not out.exists()
    (line,) = done.stderr.splitlines()
    assert line.startswith("rnn2c: error: ")
    return line


def npz(tmp_path: Path, **arrays: object) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_missing_model(cli: Run, tmp_path: Path) -> None:
    assert "no such file" in refused(cli, tmp_path, "nothing.onnx")


def test_missing_calibration_says_what_to_give(cli: Run, model: Path, tmp_path: Path) -> None:
    line = refused(cli, tmp_path, model)
    assert "--calib is missing" in line
    assert "'x' [N, T, 3]" in line


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"z": np.zeros((2, 4, 3))}, "no array 'x' [N, T, 3]; the file has 'z'"),
        ({"x": np.zeros((2, 4, 5))}, "has shape [2, 4, 5], expected [N, T, 3]"),
        ({"x": np.full((2, 4, 3), np.nan)}, "[0, 0, 0] is nan; calibration needs finite numbers"),
        ({"x": np.zeros((0, 4, 3))}, "holds no sequence"),
        ({"x": np.zeros((2, 0, 3))}, "has sequences of 0 steps"),
        ({"x": np.array([[["a"] * 3]])}, "expected numbers"),
        ({"x": np.zeros((2, 4, 3)), "q": np.zeros(2)}, "array 'q' is no input of the model"),
        ({"x": np.zeros((2, 4, 3)), "y": np.zeros(3, int)}, "labels 'y' have shape [3]"),
        ({"x": np.zeros((9, 3)), "x_lengths": np.array([4, 4])}, "add up to 9 steps"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:24],
)
def test_bad_calibration(
    cli: Run, model: Path, tmp_path: Path, arrays: dict[str, object], words: str
) -> None:
    assert words in refused(cli, tmp_path, model, "--calib", npz(tmp_path, **arrays))


def test_calibration_with_python_objects_is_not_loaded(
    cli: Run, model: Path, tmp_path: Path
) -> None:
    data = npz(tmp_path, x=np.array([object()], dtype=object))
    assert "it holds Python objects" in refused(cli, tmp_path, model, "--calib", data)


def test_unknown_target_lists_the_names(cli: Run, model: Path, calib: Path, tmp_path: Path) -> None:
    line = refused(cli, tmp_path, model, "--calib", calib, "--target", "z80")
    assert "there is no target 'z80'" in line
    assert "atmega328p" in line


def test_model_too_large_for_flash_says_by_how_much(cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    path.write_bytes(gru(8, 128).SerializeToString())
    data = npz(tmp_path, x=np.random.default_rng(0).normal(size=(2, 8, 8)))
    line = refused(
        cli, tmp_path, path, "--calib", data, "--target", "atmega328p", "--no-crosscheck"
    )
    for word in ("bytes of flash", "atmega328p has 32768", "too many", "would fit"):
        assert word in line


def test_far_constants_where_pointers_reach_all_flash(
    cli: Run, model: Path, calib: Path, tmp_path: Path
) -> None:
    more = ("--target", "atmega328p", "--far-constants")
    line = refused(cli, tmp_path, model, "--calib", calib, *more)
    assert "pointers reach all flash of atmega328p: leave out --far-constants" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--input-scale", "1,2"), "--input-scale has 2 numbers, expected 1 or 3"),
        (("--input-scale", "a"), "expected numbers separated by commas"),
        (("--input-scale", "nan"), "every number must be finite"),
        (("--input-scale", "0"), "does not suit this input"),
        (("--observer", "percentile", "--percentile", "3"), "give a number above 50"),
        (("--profile", "compact", "--activations", "int16"), "use profile accurate"),
    ],
)
def test_bad_options(
    cli: Run, model: Path, calib: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    assert words in refused(cli, tmp_path, model, "--calib", calib, *options)


def test_output_folder_that_cannot_be_made(cli: Run, model: Path, calib: Path) -> None:
    done = cli("build", model, "--calib", calib, "--no-crosscheck", "-o", model / "below")
    assert done.returncode == 2
    assert "cannot write to" in done.stderr
