"""Hostile calibration files and options: one line, exit code 2, nothing written."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest


class Evil:
    """Unpickling one of these would leave a file behind."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("CANARY",)


def header(shape: str, kind: str = "<f4") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


MEMBERS: dict[str, tuple[dict[str, bytes], tuple[str, ...]]] = {
    "claims 8 GB": ({"X.npy": header("(2000000000,)")}, ("'X'", "size of 8000000000 bytes")),
    "negative": ({"X.npy": header("(-1, 4, 2)")}, ("'X'", "[-1, 4, 2]")),
    "overflow": ({"X.npy": header(f"({2**62}, 8, 2)")}, ("'X'", "size")),
    "empty shape bomb": ({"X.npy": header(f"(0, {2**62})")}, ("calib.npz",)),
    "slip": ({"../../evil.npy": header("(0,)")}, ("'../../evil'", "no array 'X'")),
    "no array": ({"X.txt": b"hello"}, ("'X.txt' is no array",)),
    "bad header": ({"X.npy": b"\x93NUMPY\x01\x00\xff\xff{"}, ("not an .npz file",)),
    "code in header": ({"X.npy": header("__import__('os').mkdir('CANARY')")}, ("not an .npz",)),
    "endless header": ({"X.npy": header("(" * 60000)}, ("not an .npz file",)),
    "objects": ({"X.npy": header("(1,)", "|O")}, ("'X'", "Python objects")),
    "bomb": ({"X.npy": header("(1, 4, 2)") + bytes(600 << 20)}, ("size of", "are read")),
    "strings": ({"X.npy": header("(1, 1, 2)", "<U1") + bytes(8)}, ("'X'", "expected numbers")),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_hostile_archive(case: str, limited, good: Path) -> None:
    members, words = MEMBERS[case]
    path = archive(limited.case / "calib.npz", members)
    line = limited.refused("build", good, "--calib", path, "--no-crosscheck")
    for word in words:
        assert word in line


def test_pickled_array_is_refused_and_never_run(limited, good: Path) -> None:
    path = limited.case / "calib.npy"
    np.save(path, np.array([Evil()], dtype=object), allow_pickle=True)
    assert "it holds Python objects" in limited.refused("build", good, "--calib", path)


def test_data_from_pipe_folder_and_nowhere(limited, good: Path) -> None:
    os.mkfifo(limited.case / "pipe.npz")
    (limited.case / "folder.npz").mkdir()
    for name, words in (
        ("pipe.npz", "not a regular file"),
        ("folder.npz", "not a regular file"),
        ("none.npz", "no such file"),
    ):
        line = limited.refused("build", good, "--calib", limited.case / name, "--no-crosscheck")
        assert f"{name}: {words}" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "pdp11"), ("no target 'pdp11'", "cortex-m4")),
        (("--target", "../../targets/host"), ("../../targets/host",)),
        (("--name", "\n\x1b[;"), ("--name", "ASCII letters")),
        (("--bits", "-8"), ("--bits", "rnn2c build --help")),
        (("--weights", "int5"), ("--weights", "'int5'")),
        (("--weights",), ("--weights",)),
        (("--input-scale", "1e999"), ("--input-scale",)),
        (("--input-scale", "1", "--input-offset", "99999999999999999999"), ("--input-offset",)),
        (("--observer", "percentile", "--percentile", "nan"), ("percentile",)),
        (("another.onnx",), ("another.onnx",)),
    ],
)
def test_hostile_option(
    arguments: tuple[str, ...], words: tuple[str, ...], limited, good: Path
) -> None:
    data = limited.case / "calib.npz"
    np.savez(data, X=np.ones((2, 4, 2), np.float32))
    line = limited.refused("build", good, "--calib", data, "--no-crosscheck", *arguments)
    for word in words:
        assert word in line


def test_command_and_option_that_do_not_exist(limited) -> None:
    assert "'explode'" in limited.refused("explode")
    assert "--wibble" in limited.refused("--wibble")


def test_output_folder_that_is_a_link_is_refused(limited, good: Path) -> None:
    data = limited.case / "calib.npz"
    np.savez(data, X=np.ones((2, 4, 2), np.float32))
    (limited.case / "elsewhere").mkdir()
    (limited.case / "link").symlink_to("elsewhere")
    out = limited.case / "link"
    line = limited.refused("build", good, "--calib", data, "--no-crosscheck", "-o", out)
    assert "symbolic link to elsewhere" in line
    assert not list((limited.case / "elsewhere").iterdir())


def test_path_like_name_stays_in_the_output_folder(limited, good: Path) -> None:
    data = limited.case / "calib.npz"
    np.savez(data, X=np.ones((2, 4, 2), np.float32))
    options = ("--calib", data, "--no-crosscheck", "--name", "../../x", "-o", "out")
    done = limited.run("build", good, *options)
    assert done.code == 0
    assert done.files == ["out", "out/x.c", "out/x.h", "out/x_float.h", "out/x_selftest.c"]


@pytest.mark.parametrize(
    "config", ['{"bits": -8}', "[" * 100_000, '!!python/object/apply:os.x ["y"]']
)
def test_other_files_are_no_models(config: str, limited) -> None:
    path = limited.model(config.encode(), "config.json")
    assert "config.json'" in limited.refused("build", path)
