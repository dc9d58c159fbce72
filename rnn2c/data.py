"""Where the templates and the target files are: inside an installed wheel, else in the checkout."""

from __future__ import annotations

from pathlib import Path

from rnn2c.errors import Rnn2cError

PACKAGE = Path(__file__).resolve().parent


def templates_dir() -> Path:
    """The folder with one folder of templates per variant."""
    return _folder("templates")


def targets_dir() -> Path:
    """The folder with one TOML file per target."""
    return _folder("targets")


def _folder(name: str) -> Path:
    for folder in (PACKAGE / "_data" / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise Rnn2cError(f"the {name} folder of rnn2c is missing beside {PACKAGE}: install it again")
