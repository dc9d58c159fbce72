"""The record of `rnn2c bench --json`, read back from a file; the rule: it is checked before use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rnn2c.errors import Rnn2cError, quoted

FILE = "bench.json"
LARGEST = 1 << 22

Record = dict[str, Any]
NUMBERS = (
    *("flash_bytes.code", "flash_bytes.weights", "flash_bytes.tables", "flash_bytes.total"),
    *("ram_bytes.total", "stack_bytes", "step.macs", "step.instructions"),
)
OPTIONAL = ("step.cycles", "step.milliseconds", "step.microjoules", "finish.instructions")


def read_record(path: Path) -> Record:
    """The record in a file, or in FILE of a folder.  Raises Rnn2cError naming the file."""
    file = path / FILE if path.is_dir() else path
    try:
        if file.stat().st_size > LARGEST:
            raise Rnn2cError(f"{file}: no result of rnn2c bench: it has more than {LARGEST} bytes")
        record = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Rnn2cError(
            f"cannot read {file}: {error.strerror}; make it with `rnn2c bench ... -o {path}`"
        ) from None
    except (ValueError, RecursionError):
        raise Rnn2cError(f"{file}: no result of rnn2c bench: it is no JSON") from None
    _check(record, file)
    return dict(record)


def value(record: Record, name: str) -> Any:
    """The value at `a.b`; None where any part of the way is missing or None."""
    found: Any = record
    for key in name.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _check(record: object, file: Path) -> None:
    if not isinstance(record, dict):
        raise Rnn2cError(f"{file}: no result of rnn2c bench: it is no JSON object")
    for name in ("model", "target"):
        if not isinstance(record.get(name), str):
            raise Rnn2cError(f"{file}: no result of rnn2c bench: {name!r} is no text")
    for name in NUMBERS + OPTIONAL:
        found = value(record, name)
        if not (_is_number(found) or (found is None and name in OPTIONAL)):
            raise Rnn2cError(f"{file}: no result of rnn2c bench: {name!r} is {quoted(str(found))}")
    stages = record.get("stages")
    if not isinstance(stages, list) or not all(_is_stage(stage) for stage in stages):
        raise Rnn2cError(f"{file}: no result of rnn2c bench: 'stages' is no list of stages")


def _is_stage(stage: object) -> bool:
    return (
        isinstance(stage, dict)
        and isinstance(stage.get("name"), str)
        and _is_number(stage.get("instructions"))
        and (stage.get("cycles") is None or _is_number(stage["cycles"]))
        and _is_number(stage.get("share"))
    )


def _is_number(found: object) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool) and 0 <= found < 1e15
