"""A small ONNX model and its calibration data, and the command line as a function."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from small_onnx import Done, Run, gru

from rnn2c.cli import main

# What Python shows nobody who gives no -W.
HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """GRU 3 -> 5, last hidden state as output `h`."""
    path = tmp_path / "small.onnx"
    path.write_bytes(gru(3, 5).SerializeToString())
    return path


@pytest.fixture
def calib(tmp_path: Path) -> Path:
    """Eight sequences of ten steps."""
    path = tmp_path / "calib.npz"
    np.savez(path, x=np.random.default_rng(1).normal(size=(8, 10, 3)).astype(np.float32))
    return path


@pytest.fixture
def process(tmp_path: Path) -> Run:
    """Run `python -m rnn2c` in a folder of its own, as a process: for what only a process shows."""
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)

    def run(*arguments: object, **environment: str) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "rnn2c", *map(str, arguments)],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in a folder of its own, in this process: what it and the programs that
    it starts print, and the code that it would exit with.  It has to leave things as they were;
    variables of the environment that an imported library sets are taken back.
    """
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)

    def run(*arguments: object) -> Done:
        words = [str(word) for word in arguments]
        capfd.readouterr()
        with monkeypatch.context() as patch, warnings.catch_warnings(), mock.patch.dict(os.environ):
            patch.chdir(folder)
            warnings.resetwarnings()
            for hidden in HIDDEN:
                warnings.simplefilter("ignore", hidden)
            warnings.showwarning = _show
            before = _surroundings()
            with pytest.raises(SystemExit) as ended:
                main(words, prog_name="rnn2c")
            assert _surroundings() == before
        code = ended.value.code or 0
        assert isinstance(code, int)
        return subprocess.CompletedProcess(words, code, *capfd.readouterr())

    return run


def _show(message: Warning | str, category: type[Warning], *where: Any) -> None:
    """A warning reaches stderr, as in a process of its own."""
    sys.stderr.write(warnings.formatwarning(message, category, *where[:2]))


def _surroundings() -> tuple[object, ...]:
    """What a command that ran before could leave to the next one."""
    return Path.cwd(), list(sys.path), np.geterr()
