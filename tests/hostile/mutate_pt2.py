"""Seeded mutations of a valid .pt2 file: of its JSON, its tensors, its members and its bytes.

`attempt(seed)` mutates the file, imports it and passes if that works or raises Rnn2cError.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mutate
import numpy as np
from mutate import NAMES, NUMBERS, VALUES, bytes_mutated, check_refusal
from pt2_changes import PROGRAM, WEIGHTS, archived, loop, members, net

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.frontend.pytorch import OPERATORS
from rnn2c.ir.facts import model_facts
from rnn2c.pipeline import prepare

Random = np.random.Generator


@cache
def good() -> list[dict[str, bytes]]:
    return [members(net()), members(loop())]


def one(items: Any, random: Random) -> Any:
    return items[int(random.integers(len(items)))]


def places(found: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value, except in what the import does not read."""
    pairs = found.items() if isinstance(found, dict) else enumerate(found)
    for key, value in list(pairs):
        if key not in ("metadata", "device", "requires_grad", "hint"):
            yield found, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def other(value: Any, random: Random) -> Any:
    """Something to stand in the place of a value: mostly of its own kind."""
    kind = type(value) if random.integers(4) else one((bool, int, float, str, list), random)
    if kind is bool:
        return bool(random.integers(2))
    if kind is int:
        return one(NUMBERS, random)
    if kind is float:
        return one([v for v in VALUES if np.isfinite(v)] + ["Infinity", "NaN"], random)
    if kind is str:
        overloads = ("default", "Tensor", "int", "input", "dim")
        target = f"torch.ops.aten.{one(sorted(OPERATORS), random)}".removesuffix(".input")
        return one([*NAMES, "x", "getitem", "linear", f"{target}.{one(overloads, random)}"], random)
    return one(([], {}, None, [value], {"as_int": 1}, [{"as_int": -1}]), random)


def json_mutated(data: bytes, random: Random) -> bytes:
    """Valid JSON that says something else."""
    found = json.loads(data)
    for _ in range(int(random.integers(1, 4))):
        spots = list(places(found))
        holder, key = one(spots, random)
        match int(random.integers(6)):
            case 0 if isinstance(holder, list):
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, holder[key])
            case 2:
                source, at = one(spots, random)
                holder[key] = json.loads(json.dumps(source[at]))
            case _:
                holder[key] = other(holder[key], random)
    return json.dumps(found).encode()


def mutated(random: Random) -> bytes:
    held = dict(one(good(), random))
    match int(random.integers(10)):
        case 0:
            return bytes_mutated(archived(held), random)
        case 1:
            del held[one(list(held), random)]
        case 2:
            name = one([n for n in held if "weight_" in n or "json" in n], random)
            held[name] = bytes_mutated(held[name], random)
        case 3 | 4:
            held[WEIGHTS] = json_mutated(held[WEIGHTS], random)
        case _:
            held[PROGRAM] = json_mutated(held[PROGRAM], random)
    return archived(held)


def attempt(seed: int, folder: Path) -> bool:
    """Whether the mutated file of this seed was accepted; only Rnn2cError may come out."""
    path = folder / "model.pt2"
    path.write_bytes(mutated(np.random.default_rng(seed)))
    try:
        model_facts(prepare(load(path, cross_check=False)))
    except Rnn2cError as error:
        check_refusal(error)
        return False
    return True


def attempts(first: int, count: int) -> tuple[int, list[str]]:
    """The same for archives."""
    return mutate.attempts(first, count, attempt)
