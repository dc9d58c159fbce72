"""Finds loops over time steps that a source has written out, step after step, and proves them.

The body is taken from the last two steps: what the last step computes from its own rows of per-step
values and from values that the step before computed in the same way, the states.  Then every step
has to match the body: the same layers with the same constants, reading the row of their own step
and the states of the step before.  The first step reads initial states instead; where these were
folded into constants, the constants must be what the body computes of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnn2c.frontend.steps import AtStep, Numbers, alike
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Input, Layer, Model, Output

Layers = Mapping[str, Layer]
MAX_VISITS = 400_000
"""Of all searches in one import."""
CLOSE = 1e-5
MOST_FOLDED = 64
"""Constants in the first step of one loop."""


@dataclass(frozen=True, eq=False)
class Body:
    """What the last step computes, in terms of its own values.

    states: value of the step before -> the value of the last step that comes in its place;
    way: 1 where steps go forward in time, -1 where they go backward; members: the layers in order;
    moving: those of them that depend on more than states.
    """

    states: Mapping[str, str]
    way: int
    count: int
    members: tuple[str, ...]
    moving: frozenset[str]

    def at(self, index: int) -> int:
        """The time step that the `index`-th step of the loop reads."""
        return index if self.way > 0 else self.count - 1 - index


@dataclass(frozen=True, eq=False)
class Unrolled:
    """A proven loop.  steps: per step, value of the body -> the same value of that step;
    initial: per state, what it is before the first step: numbers, or the name of an input or of a
    row of one that is a stack.
    """

    body: Body
    steps: Sequence[Mapping[str, str]]
    initial: Mapping[str, FloatArray | str]


class Finder:
    """Searches with one budget."""

    def __init__(self) -> None:
        self.visits = 0

    def body(self, layers: Layers, old: str, new: str) -> Body | None:
        """The loop whose last step makes `new`, and the one before it `old`."""
        after: dict[str, str] = {}
        states: dict[str, str] = {}
        ways: set[tuple[int, int]] = set()
        todo = [(old, new)]
        while todo:
            before, now = todo.pop()
            self.visits += 1
            if after.get(before) == now:
                continue
            if now in after:
                states[now] = after[now]
                continue
            a, b = layers.get(before), layers.get(now)
            if a is None or b is None or before in after or self.visits > MAX_VISITS:
                return None
            if isinstance(a, AtStep) and isinstance(b, AtStep):
                if (a.inputs, a.count) != (b.inputs, b.count):
                    return None
                ways.add((b.step - a.step, b.count))
                continue
            if not alike(a, b):
                return None
            after[before] = now
            todo += reversed(list(zip(a.inputs, b.inputs, strict=True)))
        if len(ways) != 1:
            return None
        way, count = ways.pop()
        if way not in (1, -1):
            return None
        members = _members(layers, [new, *states.values()], states)
        moving: set[str] = set()
        for name in members:
            if isinstance(layers[name], AtStep) or moving.intersection(layers[name].inputs):
                moving.add(name)
        body = Body(states, way, count, tuple(members), frozenset(moving))
        reads = [layers[m] for m in members if isinstance(layers[m], AtStep)]
        last = body.at(count - 1)
        return body if all(isinstance(r, AtStep) and r.step == last for r in reads) else None

    def unrolled(self, layers: Layers, body: Body, roots: Mapping[str, Sequence[str]]) -> (
        Unrolled | None
    ):  # fmt: skip
        """The proven loop, or None.  roots: values of the body -> all their values, step by step,
        as far as they are known.
        """
        steps: list[Mapping[str, str]] = []
        before = {state: state for state in body.states}
        for index in reversed(range(body.count)):
            wanted = [(new, before.get(state, state)) for state, new in body.states.items()]
            if index == body.count - 1:
                wanted = [(new, new) for new in body.states.values()]
            wanted += [(root, values[index]) for root, values in roots.items()]
            match = _Match(layers, body, index)
            self.visits += len(body.members)
            if self.visits > MAX_VISITS or not match.all(wanted):
                return None
            steps.append({k: v for k, v in match.found.items() if k not in body.states})
            before = {k: v for k, v in match.found.items() if k in body.states}
            if index and set(before) != set(body.states):
                return None
        initial = _initial(layers, body, before, match.folded)
        return None if initial is None else Unrolled(body, steps[::-1], initial)


def _members(layers: Layers, wanted: Sequence[str], states: Mapping[str, str]) -> list[str]:
    """The layers between the states and the values wanted, each after those that it reads."""
    done: dict[str, None] = {}
    todo = list(wanted)
    while todo:
        layer = layers.get(todo[-1])
        if layer is None or layer.name in done or layer.name in states:
            todo.pop()
            continue
        inner = () if isinstance(layer, AtStep) else layer.inputs
        missing = [n for n in inner if n in layers and n not in done and n not in states]
        if missing:
            todo += missing
        else:
            done[layer.name] = None
            todo.pop()
    return list(done)


@dataclass(eq=False)
class _Match:
    """One step against the body.  found: value of the body -> of the step; folded: values of the
    body that are constants in the first step.
    """

    layers: Layers
    body: Body
    index: int
    found: dict[str, str] = field(default_factory=dict)
    folded: list[tuple[str, FloatArray]] = field(default_factory=list)

    def all(self, wanted: Sequence[tuple[str, str]]) -> bool:
        todo = list(wanted)
        while todo:
            ours, theirs = todo.pop()
            if self.found.setdefault(ours, theirs) != theirs:
                return False
            if ours in self.body.states:
                continue
            more = self._inputs(ours, theirs)
            if more is None:
                return False
            todo += [pair for pair in more if self.found.get(pair[0]) != pair[1]]
        return True

    def _inputs(self, ours: str, theirs: str) -> list[tuple[str, str]] | None:
        """What has to match below a pair of values; None where they differ."""
        a, b = self.layers[ours], self.layers.get(theirs)
        if isinstance(a, AtStep):
            at = self.body.at(self.index)
            is_row = isinstance(b, AtStep) and (b.inputs, b.step, b.count) == (
                a.inputs,
                at,
                a.count,
            )
            return [] if is_row else None
        if b is not None and alike(a, b):
            return list(zip(a.inputs, b.inputs, strict=True))
        return self._without_state(a, b) if self.index == 0 and b is not None else None

    def _without_state(self, a: Layer, b: Layer) -> list[tuple[str, str]] | None:
        """A sum or product with what comes of the states, which is a constant in the first step."""
        if isinstance(b, Numbers):
            self.folded.append((a.name, b.numbers))
            return None if a.name in self.body.moving else []
        still = [n for n in a.inputs if n not in self.body.moving]
        if not isinstance(b, graph.Affine) or len(a.inputs) != 2 or len(still) != 1:
            return None
        first = a.inputs[0] == still[0]
        moving = a.inputs[1 if first else 0]
        sign = -1.0 if isinstance(a, graph.Sum) and a.subtract else 1.0
        if isinstance(a, graph.Product) and not np.any(b.offset):
            self.folded.append((still[0], b.scale))
        elif isinstance(a, graph.Sum) and np.all(b.scale == (sign if first else 1.0)):
            self.folded.append((still[0], b.offset if first else sign * b.offset))
        else:
            return None
        return [(moving, b.inputs[0])]


def _initial(
    layers: Layers,
    body: Body,
    before: Mapping[str, str],
    folded: Sequence[tuple[str, FloatArray]],
) -> dict[str, FloatArray | str] | None:
    """What the states are before the first step; None where that does not explain the constants."""
    if len(folded) > MOST_FOLDED:
        return None
    direct = dict(folded)
    initial: dict[str, FloatArray | str] = {}
    for state in body.states:
        given = layers.get(before.get(state, ""))
        if isinstance(given, Numbers):
            initial[state] = given.numbers
        elif state in before:
            if given is not None and not isinstance(given, AtStep):
                return None
            initial[state] = before[state]
        else:
            initial[state] = direct.get(state, np.zeros(size_of(layers, state)))
    numbers = {n: a for n, a in initial.items() if isinstance(a, np.ndarray)}
    for value, constant in folded:
        computed = _computed(layers, body, value, numbers)
        if computed is None or not np.allclose(computed, constant, CLOSE, CLOSE):
            return None
    return initial


def _computed(
    layers: Layers, body: Body, value: str, numbers: Mapping[str, FloatArray]
) -> FloatArray | None:
    """What the body makes of initial states."""
    below = _members(layers, [value], body.states)
    read = {n for m in below for n in layers[m].inputs} | {value}
    sources = [n for n in read if n in body.states]
    if not all(n in numbers for n in sources) or any(isinstance(layers[m], Numbers) for m in below):
        return None
    if value in numbers:
        return numbers[value]
    ordered = tuple(layers[name] for name in below)
    inputs = tuple(Input(n, numbers[n].size) for n in sources)
    model = Model("initial", inputs, ordered, (Output("value", value),))
    computed: FloatArray = model.run({n: numbers[n][None] for n in sources})["value"][0]
    return computed


def size_of(layers: Layers, value: str) -> int:
    """The size of a value that a loop computes; 1 where that cannot be told."""
    seen: set[str] = set()
    todo = [value]
    while todo:
        name = todo.pop()
        layer = layers.get(name)
        if layer is None or name in seen:
            continue
        seen.add(name)
        match layer:
            case graph.Linear():
                return layer.weight.shape[0]
            case graph.Pick():
                return len(layer.indices)
            case graph.Affine():
                return int(layer.scale.size)
            case Numbers():
                return int(layer.numbers.size)
            case graph.Concat():
                return sum(size_of(layers, n) for n in layer.inputs)
            case graph.Sum() | graph.Product() | graph.Activation():
                todo += layer.inputs
    return 1
