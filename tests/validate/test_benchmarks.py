"""The benchmarks: their tables come from their results, and no case got slower than its limit."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn2c.target import list_targets

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import cases  # noqa: E402 - a script's folder, not a package
import limits  # noqa: E402
import run  # noqa: E402
import table  # noqa: E402

LIMITS = limits.read_limits()
SHORT = ("cortex-m4", "int8")
"""Target and variant whose limits are tested every time; the others in the full tests."""


def limited() -> list[Any]:
    """A parameter for every table of limits."""
    return [
        pytest.param(
            target, variant, cell, id=f"{target} {variant} {cell}",
            marks=() if (target, variant) == SHORT else pytest.mark.full,
        )
        for target, variants in LIMITS.items()
        for variant, cells in variants.items()
        for cell in cells
    ]  # fmt: skip


@pytest.mark.parametrize(("target", "variant", "cell"), limited())
def test_a_step_takes_no_more_instructions_than_its_limit(
    target: str, variant: str, cell: str
) -> None:
    most = LIMITS[target][variant][cell]
    found = {
        shape: cases.measured(cases.Case(cell, target, variant, shape), steps=2) for shape in most
    }
    counts = {shape: bench.measured.step.instructions for shape, bench in found.items()}
    slower = {shape: n for shape, n in counts.items() if n > most[shape]}
    assert not slower, f"more than {most}"
    assert all(bench.measured.is_constant for bench in found.values())


def test_every_case_of_the_short_limits_is_there() -> None:
    target, variant = SHORT
    assert LIMITS[target][variant].keys() == cases.GATES.keys()
    assert all(
        most.keys() == cases.CORTEX_SHAPES.keys() for most in LIMITS[target][variant].values()
    )


def test_limits_are_lowered_and_never_raised() -> None:
    key = {"target": "cortex-m4", "variant": "int8", "cell": "lstm"}
    old = {"cortex-m4": {"int8": {"lstm": {"a": 1000, "b": 1000, "c": 1000}}}}
    counts = {"a": 900, "b": 2000, "d": 500}
    results = [
        {**key, "shape": s, "bench": {"step": {"instructions": n}}} for s, n in counts.items()
    ]
    made = limits.tightened(old, [*results, {**key, "shape": "c", "bench": None}])
    assert made == {"cortex-m4": {"int8": {"lstm": {"a": 909, "b": 1000, "c": 1000, "d": 505}}}}
    assert tomllib.loads(limits.limits_text(made)) == made


def test_the_limits_file_is_what_the_results_allow() -> None:
    results = json.loads(run.RESULTS.read_text())
    assert limits.tightened(LIMITS, results) == LIMITS
    assert limits.FILE.read_text() == limits.limits_text(LIMITS)


def test_every_cortex_m_is_a_case() -> None:
    assert set(cases.TARGETS) == {t.name for t in list_targets() if t.harness == "arm"}


@pytest.mark.parametrize("shape", cases.SHAPES)
@pytest.mark.parametrize("cell", cases.GATES)
def test_the_networks_neither_saturate_nor_rest(cell: str, shape: str) -> None:
    last = [cases.network(cell, shape).run(s)["h"] for s in cases.samples(shape).sequences]
    size = np.abs(np.array(last))
    assert 0.1 < np.mean(size) < 0.7
    assert np.mean(size > 0.99) < 0.02


@pytest.mark.parametrize("cell", cases.GATES)
def test_a_step_on_risc_v_takes_few_instructions_for_each_multiplication(cell: str) -> None:
    found = cases.measured(cases.Case(cell, "rv32imc", "int8", "d"))
    assert found.measured.is_constant
    assert found.measured.step.instructions <= 4.4 * found.macs


def test_the_results_are_those_of_every_case() -> None:
    results = json.loads(run.RESULTS.read_text())
    keys = [cases.Case(r["cell"], r["target"], r["variant"], r["shape"]) for r in results]
    assert keys == list(cases.cases())


def test_the_tables_come_from_the_results() -> None:
    results = json.loads(run.RESULTS.read_text())
    for name, text in table.parts(results).items():
        assert table.between_marks(run.README, name) == text
    assert run.TABLES.read_text() == table.all_tables(results) + "\n"


def test_a_table_shows_what_a_result_says() -> None:
    step = {"instructions": 12345, "cycles": None}
    sizes = {"weights": 1, "code": 2, "tables": 3}
    record = {
        "step": step, "flash_bytes": sizes, "ram_bytes": {"total": 4}, "stack_bytes": 5,
    }  # fmt: skip
    key = {"cell": "gru", "target": "cortex-m0plus", "variant": "int4", "shape": "b"}
    text = table.all_tables([{**key, "bench": record}])
    assert "| GRU | M0+ | int4 |  | 12 345 |  |  |" in text
    assert "| GRU | M0+ | int4 |  | 1 + 2 + 3, 4, 5 |  |  |" in text
    record["step"] = {"instructions": 12345, "cycles": 23456}
    assert "| 12 345 (23 456) |" in table.all_tables([{**key, "bench": record}])
    assert "| too large |" in table.all_tables([{**key, "bench": None}])


def test_the_demo_is_shown_with_cycles_where_they_are_exact() -> None:
    step = {"instructions": 1234, "cycles": 2345, "cycles_kind": "exact"}
    record = {
        "step": step, "flash_bytes": {"weights": 1, "code": 2, "tables": 3},
        "ram_bytes": {"total": 4}, "stack_bytes": 5,
    }  # fmt: skip
    key = {"cell": "demo", "shape": "demo", "bench": record}
    results = [{**key, "target": "atmega328p", "variant": v} for v in cases.DEMO_VARIANTS]
    shown = table.demo_table(results).splitlines()
    assert shown[2:] == ["| atmega328p | compact | 2 | 1 | 3 | 4 | 5 | 2 345 cycles |"]
    assert "| atmega328p | 2 345 cycles | 2 345 cycles |" in table.float_table(results)
    step["cycles_kind"] = "estimated"
    assert "| 5 | 1 234 instructions |" in table.demo_table(results)


def test_tables_are_put_between_their_marks(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("before\n<!-- x: begin -->\nold\n<!-- x: end -->\nafter\n")
    table.replace_between_marks(file, "x", "new")
    assert table.between_marks(file, "x") == "new"
    assert file.read_text().startswith("before\n")
    assert file.read_text().endswith("\nafter\n")
    with pytest.raises(ValueError, match="there is no <!-- y: begin"):
        table.replace_between_marks(file, "y", "new")


def test_what_does_not_fit_is_a_result() -> None:
    case = cases.Case("lstm", "cortex-m0plus", "int8", "b")
    assert run.count(case) == {**vars(case), "bench": None}
