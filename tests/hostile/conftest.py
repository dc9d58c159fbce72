"""Fixtures: a server of limited command lines, and one of its users per test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from hostile_onnx import lstm
from limited import Limited
from pt2_changes import members, net


@pytest.fixture(scope="session")
def server() -> Iterator[subprocess.Popen[str]]:
    path = Path(__file__).with_name("server.py")
    with subprocess.Popen(
        [sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        stdin: IO[str] | None = process.stdin
        assert stdin is not None
        stdin.close()


@pytest.fixture
def limited(server: subprocess.Popen[str], tmp_path: Path) -> Limited:
    return Limited(server, tmp_path)


@pytest.fixture
def good(limited: Limited) -> Path:
    """A model that compiles."""
    return limited.model(lstm().SerializeToString(), "good.onnx")


@pytest.fixture(scope="session")
def held() -> dict[str, bytes]:
    """Members of a good .pt2 file: a GRU and a linear layer."""
    return members(net())
