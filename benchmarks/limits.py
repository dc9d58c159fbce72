"""The most instructions that a step may take, kept in limits.toml; the rule: never raised here."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from cases import ALL, GATES, ONE_TARGET, SMALL_TARGETS, shapes, variants

FILE = Path(__file__).resolve().parent / "limits.toml"
HEAD = """\
# The most instructions that a step may take: what the code took when it was fastest and 1 %, by
# target, variant, cell and shape (cases.py).  `python benchmarks/run.py` lowers them; who raises
# one by hand says why.
"""
WHOLE = (ONE_TARGET, *SMALL_TARGETS)  # these have limits for all variants
OTHERS = ("int8",)

Limits = dict[str, dict[str, dict[str, dict[str, int]]]]
"""By target, variant, cell and shape."""


def read_limits() -> Limits:
    """What the file says."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def tightened(limits: Limits, results: list[dict[str, Any]]) -> Limits:
    """The limits of all cases that have one, or should; the lower of old and new."""
    counts = {
        (r["target"], r["variant"], r["cell"], r["shape"]): r["bench"]["step"]["instructions"]
        for r in results
        if r["bench"]
    }
    made: Limits = {}
    for target in ALL:
        for variant in variants(target) if target in WHOLE else OTHERS:
            for cell in GATES:
                for shape in shapes(target):
                    old = limits.get(target, {}).get(variant, {}).get(cell, {}).get(shape)
                    count = counts.get((target, variant, cell, shape))
                    known = [n for n in (old, count and count + count // 100) if n]
                    if known:
                        cells = made.setdefault(target, {}).setdefault(variant, {})
                        cells.setdefault(cell, {})[shape] = min(known)
    return made


def limits_text(limits: Limits) -> str:
    """The file."""
    lines = [HEAD]
    for target, tables in limits.items():
        for variant, cells in tables.items():
            for cell, counts in cells.items():
                lines.append(f'[{target}."{variant}".{cell}]')
                lines += [f"{shape} = {limit:_}" for shape, limit in counts.items()]
                lines.append("")
    return "\n".join(lines)
