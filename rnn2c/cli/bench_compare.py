"""Two records of `rnn2c bench` side by side: what changed, and by how much."""

from __future__ import annotations

from collections import Counter

from rnn2c.cli.bench_record import Record, value
from rnn2c.cli.bench_text import number

ROWS = {
    "flash_bytes.code": "flash: code",
    "flash_bytes.weights": "flash: weights",
    "flash_bytes.tables": "flash: tables",
    "flash_bytes.total": "flash",
    "ram_bytes.total": "RAM",
    "stack_bytes": "stack",
    "step.macs": "multiply-accumulates",
    "step.instructions": "step: instructions",
    "step.cycles": "step: cycles",
    "step.milliseconds": "step: milliseconds",
    "step.microjoules": "step: microjoules",
    "finish.instructions": "finish: instructions",
}


def compare(first: Record, second: Record) -> Record:
    """Every figure that one of them has: {"name", "first", "second", "difference", "ratio"}.

    difference = second - first and ratio = second / first are None where one of them is missing.
    """
    rows = [_row(name, value(first, name), value(second, name)) for name in ROWS]
    stages = (_stages(first), _stages(second))
    names = [*stages[0], *(name for name in stages[1] if name not in stages[0])]
    return {
        "first": {"model": first["model"], "target": first["target"]},
        "second": {"model": second["model"], "target": second["target"]},
        "figures": [row for row in rows if row["first"] is not None or row["second"] is not None],
        "stages": [_row(name, *(s.get(name) for s in stages)) for name in names],
    }


def comparison(first: Record, second: Record) -> str:
    """The same as a table."""
    made = compare(first, second)
    heads = [f"{made[side]['model']}, {made[side]['target']}" for side in ("first", "second")]
    rows = [("", *heads, "change", "")]
    rows += [_texts(ROWS[row["name"]], row) for row in made["figures"]]
    if made["stages"]:
        rows.append(("instructions of the stages", "", "", "", ""))
        rows += [_texts(f"  {row['name']}", row) for row in made["stages"]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(t.rjust(w) for t, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _stages(record: Record) -> dict[str, float]:
    """Instructions by the name of the stage; a name that comes again gets a number."""
    seen: Counter[str] = Counter()
    found = {}
    for stage in record["stages"]:
        name = stage["name"]
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = stage["instructions"]
    return found


def _row(name: str, first: float | None, second: float | None) -> Record:
    both = first is not None and second is not None
    return {
        "name": name,
        "first": first,
        "second": second,
        "difference": second - first if both else None,  # type: ignore[operator]
        "ratio": second / first if both and first else None,  # type: ignore[operator]
    }


def _texts(label: str, row: Record) -> tuple[str, str, str, str, str]:
    sides = ["-" if row[side] is None else number(row[side]) for side in ("first", "second")]
    change = row["difference"]
    if not change:
        return label, sides[0], sides[1], "" if change is None else "0", ""
    sign = "+" if change > 0 else ""
    percent = "" if row["ratio"] is None else f"{100 * (row['ratio'] - 1):+.1f} %"
    return label, sides[0], sides[1], f"{sign}{number(change)}", percent
