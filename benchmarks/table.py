"""The results as Markdown; the rule: every figure of a table comes from results.json."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from cases import (
    AVR,
    CORTEX_SHAPES,
    DEMO_VARIANTS,
    GATES,
    ONE_TARGET,
    RISCV,
    SHAPES,
    SMALL_SHAPES,
    SMALL_TARGETS,
    TARGETS,
    VARIANTS,
)

from rnn2c.target import load_target

Result = dict[str, Any]
FLOAT_TARGETS = ("cortex-m4", "cortex-m55", "cortex-m0plus", "atmega328p")
README_VARIANT = "int8"


def parts(results: list[Result]) -> dict[str, str]:
    """The tables of the README by the names of their marks."""
    return {
        "demo": demo_table(results),
        "benchmarks": readme_tables(results),
        "float32": float_table(results),
    }


def demo_table(results: list[Result]) -> str:
    """Bytes and a step of the demo's network on every target."""
    lines = ["| target | profile | code | weights | tables | RAM | stack | one step |"]
    lines.append("| --- | --- |" + " ---: |" * 6)
    for r in results:
        if (r["cell"], r["variant"]) == ("demo", "default"):
            record = r["bench"]
            flash = record["flash_bytes"]
            sizes = [*(flash[part] for part in ("code", "weights", "tables"))]
            sizes += [record["ram_bytes"]["total"], record["stack_bytes"]]
            cells = [r["target"], load_target(r["target"]).profile, *map(str, sizes), _step(record)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def float_table(results: list[Result]) -> str:
    """A step of the demo's network in integers and in float32."""
    found = {(r["target"], r["variant"]): r["bench"] for r in results if r["cell"] == "demo"}
    lines = ["| the demo's network, one step | integers | float32 |", "| --- | ---: | ---: |"]
    for target in FLOAT_TARGETS:
        records = (found.get((target, variant)) for variant in DEMO_VARIANTS)
        cells = " | ".join(_step(r) if r else "too large" for r in records)
        lines.append(f"| {target} | {cells} |")
    return "\n".join(lines)


def readme_tables(results: list[Result]) -> str:
    """int8 on all cores, all variants on one core, and the bytes on that core."""
    return "\n\n".join(
        [
            "Instructions of one step, and in brackets estimated cycles where there is a model; "
            f"{_shapes()}; {README_VARIANT}, profile accurate:",
            _grid(results, [(c, t, README_VARIANT) for c in GATES for t in TARGETS], _cost),
            f"The same on {ONE_TARGET} for all formats, the profile `fast`, levels size and speed:",
            _grid(results, [(c, ONE_TARGET, v) for c in GATES for v in VARIANTS], _cost),
            f"Bytes on {ONE_TARGET}: weights + code + tables, RAM, stack:",
            _grid(results, [(c, ONE_TARGET, v) for c in GATES for v in VARIANTS], _bytes),
            *small_tables(results),
        ]
    )


def small_tables(results: list[Result]) -> list[str]:
    """The targets that are no Cortex-M."""
    rows = [(c, t, v) for t in SMALL_TARGETS for c in GATES for v in VARIANTS]
    return [
        f"One step on {AVR}, exact cycles (16 000 are 1 ms at 16 MHz), and on {RISCV}, "
        f"instructions; {_shapes(SMALL_SHAPES)}:",
        _grid(results, rows, _exact, SMALL_SHAPES),
        "Their bytes: weights + code + tables, RAM, stack:",
        _grid(results, rows, _bytes, SMALL_SHAPES),
    ]


def all_tables(results: list[Result]) -> str:
    """Costs and bytes of everything."""
    rows = [(c, t, v) for c in GATES for t in TARGETS for v in VARIANTS]
    return "\n\n".join(
        [
            "# Benchmarks",
            f"Written by `python benchmarks/run.py`; {_shapes()}.",
            "## Instructions of one step (estimated cycles)",
            _grid(results, rows, _cost),
            "## Bytes: weights + code + tables, RAM, stack",
            _grid(results, rows, _bytes),
            "## AVR and RISC-V",
            *small_tables(results),
        ]
    )


def replace_between_marks(path: Path, name: str, text: str) -> None:
    """Put `text` between the two marks called `name` in a file.  Raises ValueError without them."""
    begin, end = _marks(name)
    before, rest = _cut(path.read_text(encoding="utf-8"), begin)
    _, after = _cut(rest, end)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def between_marks(path: Path, name: str) -> str:
    """What is between these marks.  Raises ValueError without them."""
    begin, end = _marks(name)
    _, rest = _cut(path.read_text(encoding="utf-8"), begin)
    return _cut(rest, end)[0].strip("\n")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def _cut(text: str, mark: str) -> tuple[str, str]:
    before, found, after = text.partition(mark)
    if not found:
        raise ValueError(f"there is no {mark}")
    return before, after


def _shapes(shapes: Iterable[str] = CORTEX_SHAPES) -> str:
    sizes = ", ".join("{} {}x{}".format(name, *SHAPES[name]) for name in shapes)
    return f"shapes (input x hidden): {sizes}"


def _grid(
    results: list[Result],
    rows: Iterable[tuple[str, str, str]],
    text: Callable[[Result], str],
    shapes: Collection[str] = tuple(CORTEX_SHAPES),
) -> str:
    """One line for each row (cell, target, variant) that has results, one column for each shape."""
    known = {(r["cell"], r["target"], r["variant"], r["shape"]): r for r in results}
    lines = ["| cell | core | variant |" + "".join(f" {shape} |" for shape in shapes)]
    lines.append("| --- | --- | --- |" + " ---: |" * len(shapes))
    for row in rows:
        found = [known.get((*row, shape)) for shape in shapes]
        if any(found):
            cells = "".join(f" {text(r) if r else ''} |" for r in found)
            cell, target, variant = row
            lines.append(f"| {cell.upper()} | {_core(target)} | {variant} |{cells}")
    return "\n".join(lines)


def _core(target: str) -> str:
    if target not in TARGETS:
        return target
    return "M" + target.removeprefix("cortex-m").replace("plus", "+")


def _cost(result: Result) -> str:
    if result["bench"] is None:
        return "too large"
    step = result["bench"]["step"]
    text = _number(step["instructions"])
    return text if step["cycles"] is None else f"{text} ({_number(step['cycles'])})"


def _exact(result: Result) -> str:
    if result["bench"] is None:
        return "too large"
    step = result["bench"]["step"]
    return _number(step["cycles"] or step["instructions"])


def _step(record: Result) -> str:
    """Exact cycles where there are any, else instructions."""
    step = record["step"]
    if step["cycles_kind"] == "exact":
        return f"{_number(step['cycles'])} cycles"
    return f"{_number(step['instructions'])} instructions"


def _bytes(result: Result) -> str:
    if result["bench"] is None:
        return "too large"
    record = result["bench"]
    flash = record["flash_bytes"]
    parts = " + ".join(str(flash[part]) for part in ("weights", "code", "tables"))
    return f"{parts}, {record['ram_bytes']['total']}, {record['stack_bytes']}"


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")
