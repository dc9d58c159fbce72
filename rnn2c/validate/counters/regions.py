"""Reads what the counting tools print; the rule: a misused mark is an error, never a number."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rnn2c.errors import Rnn2cError


@dataclass(frozen=True)
class Region:
    """What was executed between a begin and an end mark; the marks are not in it.

    Laps count from the begin of the region.  `cycles`, `stack` (bytes below the stack pointer at
    the begin) and `lap_cycles` are None where the tool does not know them.
    """

    instructions: int
    lap_instructions: tuple[int, ...]
    cycles: int | None = None
    lap_cycles: tuple[int, ...] | None = None
    stack: int | None = None


def read_regions(text: str) -> tuple[Region, ...]:
    """The regions of a COUNTS file, in the order in which they ended.

    Raises Rnn2cError if the tool reported an error or a region is missing.
    """
    records = [json.loads(line) for line in text.splitlines()]
    for number, record in enumerate(records, 1):
        if "error" in record:
            raise Rnn2cError(f"counting failed: {record['error']}")
        if record["region"] != number:
            raise Rnn2cError(f"counting failed: region {number} is missing from the counts")
    return tuple(
        Region(
            instructions=record["instructions"],
            lap_instructions=tuple(record["lap_instructions"]),
            cycles=record.get("cycles"),
            lap_cycles=tuple(record["lap_cycles"]) if "lap_cycles" in record else None,
            stack=record.get("stack"),
        )
        for record in records
    )


def stage_counts(laps: tuple[int, ...]) -> tuple[int, ...]:
    """Differences of successive laps: what each stage cost, the first from the begin mark."""
    return tuple(end - begin for begin, end in zip((0, *laps), laps, strict=False))
