"""Emitting writes all files or none, and leaves no temporary ones behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from core_models import cell_model, program

from rnn2c import files
from rnn2c.errors import Rnn2cError
from rnn2c.files import write_files
from rnn2c.pipeline import emit

FILES = {"a.h": "one\n", "a.c": "two\n", "a_float.h": "three\n"}
OLD = {"a.h": "old h\n", "a.c": "old c\n"}


def content(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in sorted(folder.iterdir())}


def fail_at(call: int, number: int):
    """os.write-like failure at the given call of os.replace or os.fdopen."""
    calls = iter(range(1000))

    def failing(real):
        def wrapped(*args, **kwargs):
            if next(calls) == call:
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        return wrapped

    return failing


def test_all_files_are_written_into_a_new_folder(tmp_path: Path):
    folder = tmp_path / "deep" / "er"
    assert write_files(folder, FILES) == tuple(folder / n for n in FILES)
    assert content(folder) == FILES
    assert {(folder / n).stat().st_mode & 0o777 for n in FILES} == {0o644}


def test_files_of_before_are_replaced_and_others_kept(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("kept")
    for name, text in OLD.items():
        (tmp_path / name).write_text(text)
    write_files(tmp_path, FILES)
    assert content(tmp_path) == {**FILES, "mine.txt": "kept"}


@pytest.mark.parametrize("call", [0, 1, 2])
def test_a_full_disk_leaves_the_old_files_and_nothing_else(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, text in OLD.items():
        (tmp_path / name).write_text(text)
    failing = fail_at(call, errno.ENOSPC)
    monkeypatch.setattr(files.os, "fdopen", failing(os.fdopen))
    with pytest.raises(Rnn2cError, match=r"cannot write to .*: No space left on device"):
        write_files(tmp_path, FILES)
    assert content(tmp_path) == OLD


@pytest.mark.parametrize("call", range(5))
def test_a_failure_while_files_are_put_in_place_leaves_the_old_ones(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, text in OLD.items():
        (tmp_path / name).write_text(text)
    failing = fail_at(call, errno.EIO)
    monkeypatch.setattr(files.os, "replace", failing(os.replace))
    with pytest.raises(Rnn2cError, match="cannot write to"):
        write_files(tmp_path, FILES)
    assert content(tmp_path) == OLD


def test_a_folder_made_for_a_failed_build_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files.os, "fdopen", fail_at(1, errno.ENOSPC)(os.fdopen))
    with pytest.raises(Rnn2cError):
        write_files(tmp_path / "new" / "deep", FILES)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_inside_write_is_cleaned_up(tmp_path: Path):
    with pytest.raises(UnicodeEncodeError):
        write_files(tmp_path, {"a.h": "fine", "a.c": "\u2028"})
    assert content(tmp_path) == {}


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_a_read_only_folder_is_refused(tmp_path: Path):
    """As another user, since root may write everywhere."""
    folder = tmp_path / "out"
    folder.mkdir(mode=0o555)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.getuid() and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom rnn2c.files import write_files\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "write_files(Path(sys.argv[1]), {'a.c': 'x'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False,
        cwd=Path(files.__file__).parents[1],
    )  # fmt: skip
    assert "Rnn2cError: cannot write to" in done.stderr
    assert "Permission denied" in done.stderr
    assert list(folder.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(Rnn2cError, match=r"cannot write to .*out: File exists"):
        write_files(tmp_path / "out", FILES)
    assert (tmp_path / "out").read_text() == "a file"


def test_emit_writes_the_four_files_of_a_model_the_same_each_time(tmp_path: Path):
    p = program(cell_model("gru"))
    names = ["net.c", "net.h", "net_float.h", "net_selftest.c"]
    assert sorted(path.name for path in emit(p, tmp_path / "a")) == names
    emit(p, tmp_path / "b")
    assert content(tmp_path / "a") == content(tmp_path / "b")
