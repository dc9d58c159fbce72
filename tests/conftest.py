"""Settings of the whole test suite: property tests give the same examples on every run."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the files of tests/golden instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden")
