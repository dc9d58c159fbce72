"""The rules of MISRA C:2012 that fire in the emitted C are those that docs/misra.md explains.

The page is the only list: its command is run as it stands, its table is what may fire.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from building import Build, Built
from filters import filtered
from fixed import EXACT_OPTIONS, every_form, single, uneven, zoo_case
from models import Case, random_model
from windows import random_window

from rnn2c.pipeline import RawScale
from rnn2c.validate.toolchain import find_tool

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "misra.md").read_text(encoding="utf-8")
RAW = RawScale((0.001,), (3.0,))
ON_AVR = "every cell, compact, AVR"
SEEDED = "outputs per step"
CASES: dict[str, tuple[str, Callable[[], Case]]] = {
    "every cell, accurate, int16": ("host", lambda: zoo_case("accurate hot")),
    "every cell, compact, int4": ("cortex-m4", lambda: zoo_case("compact hot")),
    "every cell, fast": ("cortex-m3", lambda: zoo_case("fast")),
    ON_AVR: ("atmega328p", lambda: zoo_case("compact")),
    "sensor counts, accurate, int8": (
        "host", lambda: single("one", "gru", EXACT_OPTIONS["int8"], raw=RAW)
    ),
    "every cell, kernels with MVE": ("cortex-m55", lambda: zoo_case("accurate")),
    "every cell, kernels in C": ("rv32imc", lambda: zoo_case("accurate")),
    SEEDED: ("cortex-m4", lambda: random_model(4)),
    "a scale for each channel": ("host", lambda: uneven("accurate")),
    "rings and clocks": ("host", lambda: filtered(1, EXACT_OPTIONS["int8"])),
    "reverse layers and masks": ("cortex-m4", lambda: random_window(6)),
    "every form of the cells": ("host", every_form),
    "tokens and a normalization": ("host", lambda: random_model(45)),
    "a cell with ternary weights": (
        "host", lambda: single("one", "lstm", EXACT_OPTIONS["ternary"], units=5)
    ),
    "tokens with int4 rows": ("cortex-m0plus", lambda: random_model(6)),
    "one unit of odd int4 rows": (
        "host", lambda: single("one", "tanh", EXACT_OPTIONS["int4"], units=1, inputs=3)
    ),
}  # fmt: skip


def listed(*, with_kernels: bool) -> set[str]:
    """The rules of the page's first table, or of both."""
    plain, _, kernels = PAGE.partition("## Kernels")
    return set(re.findall(r"^\| (\d+\.\d+) \|", plain + kernels * with_kernels, re.MULTILINE))


def har(build: Build, name: str) -> Built:
    """A model under the name that the page uses."""
    return build(har_case(name), CASES[name][0])


def har_case(name: str) -> Case:
    made = CASES[name][1]()
    return made._replace(model=replace(made.model, name="har"))


def fired(folder: Path) -> set[str]:
    """Run the page's lines in `folder`: MISRA rules by number, other messages by their name."""
    find_tool("cppcheck", "cppcheck")
    lines = re.search(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert lines is not None
    tables = [path.name for path in folder.glob("*_tables.c")]
    done = subprocess.run(
        ["sh", "-e", "-c", " ".join([lines[1].strip(), *tables])],
        cwd=folder, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    messages = done.stderr.splitlines()
    assert all(re.fullmatch(r"har\w*\.[ch]:\d+: [\w.-]+", m) for m in messages), done.stderr
    return {m.rpartition(": ")[2].removeprefix("misra-c2012-") for m in messages}


def version() -> str:
    """What the page names and what is installed, for the message of a failure."""
    done = subprocess.run(["cppcheck", "--version"], capture_output=True, text=True, check=True)
    return f"the page is about Cppcheck 2.10, this is {done.stdout.strip()}"


def test_shared_tables_need_no_other_rule(build: Build) -> None:
    made = build(har_case("every cell, fast"), shared_tables="har")
    assert (made.folder / "har_tables.c").is_file()
    assert fired(made.folder) <= listed(with_kernels=False), version()


@pytest.mark.parametrize("name", [n for n in CASES if n not in (ON_AVR, SEEDED)])
def test_no_rule_fires_that_the_page_does_not_explain(name: str, build: Build) -> None:
    with_kernels = CASES[name][0].startswith("cortex")
    assert fired(har(build, name).folder) <= listed(with_kernels=with_kernels), version()


def test_the_rule_of_the_kernels_fires(build: Build) -> None:
    found = fired(har(build, SEEDED).folder)
    assert found & listed(with_kernels=True) - listed(with_kernels=False) == {"2.7"}


def test_every_rule_of_the_page_fires_and_no_other(build: Build) -> None:
    assert fired(har(build, ON_AVR).folder) == listed(with_kernels=True), version()


FAULTS = """    if ((s->now = 1u) != 0u) {
        goto done;
    }
done:
    return HAR_OK;"""
CAUGHT = {"15.1", "13.4", "knownConditionTrueFalse"}


def test_seeded_violations_are_caught_and_nothing_else(build: Build) -> None:
    made = har(build, SEEDED)
    source = made.folder / "har.c"
    text = source.read_text(encoding="ascii")
    source.write_text(text.replace("    return HAR_OK;", FAULTS, 1), encoding="ascii")
    assert fired(made.folder) - listed(with_kernels=True) == CAUGHT, version()
