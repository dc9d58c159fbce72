"""Regression tests build their models with the helpers of the bit-exactness tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bitexact"))


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Any]:
    """build(case, target="host"): compile, prove and emit."""
    from building import built

    return lambda case, target="host": built(case, tmp_path / "model", target)
