"""Where `make test` puts the trained networks of others; they are data, nothing is imported."""

from __future__ import annotations

from pathlib import Path

MODELS = Path(__file__).resolve().parents[2] / ".data" / "models"


def trained(name: str) -> Path:
    """A file of a downloaded package; it is an error, and no reason to skip, if it is missing."""
    path = MODELS / name
    assert path.exists(), (
        f"{path} is missing: run `make {MODELS.relative_to(MODELS.parents[1])}/installed`"
    )
    return path
