"""Settings of the whole test suite: property tests give the same examples on every run."""

from __future__ import annotations

import os
import sys
from functools import cache

import pytest
from hypothesis import settings

# Tests run side by side: threads of one only take the cores from another.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the files of tests/golden instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden")


def pytest_collection_finish() -> None:
    """PyTorch's newer exporter reads the source of each of its operators at every export: here it
    does so once, which is more than half of the time of a test that exports.
    """
    if "torch" in sys.modules:
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))
