"""Values that exist during an import only: one time step of a value, and constants among values.

They are what a loop over time steps is made of that a source has written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from rnn2c.ir.graph import FloatArray, Layer, Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class AtStep(Layer):
    """The value of time step `step`, counted from 0, of `count`; of rate `sequence`."""

    step: int
    count: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers(Layer):
    """A constant vector; it has no inputs."""

    numbers: FloatArray


def alike(a: Layer, b: Layer) -> bool:
    """Whether two layers do the same to what they read, and define one value each."""
    if type(a) is not type(b) or len(a.inputs) != len(b.inputs) or len(a.outputs) != 1:
        return False
    own = (f.name for f in fields(a) if f.name not in ("name", "inputs"))
    return all(_same(getattr(a, name), getattr(b, name)) for name in own)


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return bool(a == b)


def renamed(layer: Layer, names: Mapping[str, str]) -> Layer:
    """The layer reading and defining values by other names."""
    inputs = tuple(names.get(n, n) for n in layer.inputs)
    return replace(layer, name=names.get(layer.name, layer.name), inputs=inputs)


def ordered(
    layers: Mapping[str, Layer], fed: Mapping[str, str], wanted: Sequence[str]
) -> list[Layer]:
    """The layers that these values need, each after those that it reads.

    fed: delay -> the value that it gives at the next step, which is needed with it.
    """
    makers = {v: name for name, layer in layers.items() for v in layer.outputs}
    live: set[str] = set()
    todo = list(wanted)
    while todo:
        value = todo.pop()
        name = makers.get(value)
        if value in fed and value not in live:
            live.add(value)
            todo.append(fed[value])
        elif name is not None and name not in live:
            live.add(name)
            todo += layers[name].inputs
    done: dict[str, Layer] = {}
    for name in layers:
        path = [name] if name in live else []
        while path:
            layer = layers[path[-1]]
            made = (makers[n] for n in layer.inputs if n in makers)
            missing = [name for name in made if name not in done]
            if missing:
                path += missing
            else:
                done.setdefault(path.pop(), layer)
    return list(done.values())
