"""JSON out of a file that nobody vouches for: bounded depth, no repeated keys, no NaN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from rnn2c.errors import Rnn2cError, quoted

MAX_JSON_DEPTH = 40

Json = dict[str, Any]


def parse_json(text: str, path: Path) -> Json:
    """The model's JSON, an object of bounded depth without repeated keys, NaN or infinity."""
    try:
        found = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_constant)
    except RecursionError:
        raise Rnn2cError(f"{quoted(path)}: the model's JSON is nested too deep") from None
    except ValueError as error:
        raise Rnn2cError(
            f"{quoted(path)}: the model's JSON is damaged ({str(error)[:80]}); save it again"
        ) from None
    if not isinstance(found, dict):
        raise Rnn2cError(f"{quoted(path)}: the model's JSON is no object; save the model again")
    level: list[Any] = [found]
    for _ in range(MAX_JSON_DEPTH):
        level = [item for each in level for item in _inside(each)]
    if level:
        raise Rnn2cError(f"{quoted(path)}: the model's JSON is nested deeper than {MAX_JSON_DEPTH}")
    return found


def _inside(item: Any) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []


def _unrepeated(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
