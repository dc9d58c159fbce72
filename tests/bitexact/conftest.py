"""The fixture that emits models into the folder of a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import Build, Built, built
from models import Case

from rnn2c.target import Target


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """build(case, target, folder, level, shared_tables): compile, prove and emit below tmp_path."""

    def made(
        case: Case,
        target: str | Target = "host",
        folder: str = "model",
        level: str = "balanced",
        shared_tables: str | None = None,
    ) -> Built:
        return built(case, tmp_path / folder, target, level, shared_tables)

    return made
