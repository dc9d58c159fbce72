"""A small ONNX model and its calibration data, and the command line as a function."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_onnx import Run, gru


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
def cli(tmp_path: Path) -> Run:
    """Run `rnn2c` in a folder of its own."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rnn2c", *map(str, arguments)]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )

    return run
