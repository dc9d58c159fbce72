"""docs/profiles.md says why the tables of profile fast have their sizes: measured again."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from core_models import cell_model, program

import rnn2c
from rnn2c import lut
from rnn2c.lower.tables import TABLES, direct_tables

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "firmware_examples" / "activity"
sys.path.insert(0, str(EXAMPLE))

import dataset  # noqa: E402 - a script's folder, not a package

CELLS = ("lstm", "gru", "gru_before", "rnn")
SEEDS, UNITS, STEPS = range(4), 24, 60
NAME = re.compile(r"(\d+) \+-(\d), (\d+) \+-(\d)")


def rows() -> dict[str, list[str]]:
    """The table of the page: name of a row -> its other columns."""
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    table = page[page.index("| sigmoid, tanh | bytes |") :].split("\n\n")[0]
    cells = [[c.strip(" *`") for c in line.strip("|").split("|")] for line in table.splitlines()]
    return {c[0]: c[1:] for c in cells[2:]}


ROWS = rows()


def profile_of(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The profile of a row; tables get the sizes that its name says."""
    found = NAME.fullmatch(name)
    if not found:
        return name
    numbers = [int(n) for n in found.groups()]
    for function, entries, reach in (("sigmoid", *numbers[:2]), ("tanh", *numbers[2:])):
        direct = replace(
            lut.DIRECT[function],
            bits=entries.bit_length() - 1,
            fraction=(entries // (2 * reach)).bit_length() - 1,
        )
        monkeypatch.setitem(lut.DIRECT, function, direct)
    for table, made in direct_tables().items():
        monkeypatch.setitem(TABLES, table, made)
    return "fast"


def error(kind: str, profile: str) -> float:
    """Root mean square error of h, in thousandths, over random cells."""
    found = []
    for seed in SEEDS:
        m = cell_model(kind, inputs=2 + seed, units=UNITS, seed=seed)
        rng = np.random.default_rng(100 + seed)
        x = rng.normal(size=(6, STEPS, 2 + seed)).clip(-2.5, 2.5)
        difference = program(m, profile=profile).run({"x": x})["y"] - m.run({"x": x})["y"]
        found.append(np.sqrt(np.mean(difference**2)))
    return 1000 * float(np.mean(found))


@pytest.mark.full
@pytest.mark.parametrize("name", [n for n in ROWS if ROWS[n][3]])
def test_errors_on_random_cells_are_those_of_the_page(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = profile_of(name, monkeypatch)
    assert [f"{error(kind, profile):.1f}" for kind in CELLS] == ROWS[name][3:]


@pytest.mark.full
@pytest.mark.parametrize("name", ROWS)
def test_accuracy_on_the_activity_data_is_that_of_the_page(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels, _ = dataset.held_out(dataset.DEFAULT_DATA)
    model = rnn2c.load(EXAMPLE / "activity.onnx", cross_check=False)
    profile = profile_of(name, monkeypatch)
    integer = rnn2c.quantize(model, EXAMPLE / "calibration.npz", profile=profile)
    classes = rnn2c.compile(integer).run({"x": x})["logits"].argmax(-1)
    real = model.run({"x": x})["logits"].argmax(-1)
    shares = 100 * np.mean(classes == labels), 100 * np.mean(classes == real)
    assert [f"{s:.1f} %" for s in shares] == ROWS[name][1:3]


def test_the_sizes_in_use_are_those_in_bold() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    (name,) = re.findall(r"^\| \*\*(.*?)\*\* \|", page, re.MULTILINE)
    entries = [
        (1 << d.bits, d.zero >> d.fraction) for d in (lut.DIRECT["sigmoid"], lut.DIRECT["tanh"])
    ]
    assert name == ", ".join(f"{n} +-{reach}" for n, reach in entries)
    tables = [c for c in program(cell_model("lstm"), profile="fast").consts if c.kind == "table"]
    assert sum(2 * c.data.size for c in tables) == int(ROWS[name][0])
