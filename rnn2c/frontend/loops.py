"""Rolls up the loops over time steps that a source has written out, while it is imported.

A time step of a value is an AtStep.  Where steps are stacked to a sequence again, or at the end of
the import, the loop between is found and proven (frontend/unrolled.py) and its body is added once,
per step, with Delays for its states; what its steps made is from then on a step of what the body
makes.  At the end the first and last steps that are left become layers, and others are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rnn2c.errors import UnsupportedError, quoted
from rnn2c.frontend.rolled import Rolled, recovered, stem_of
from rnn2c.frontend.steps import AtStep, Numbers, alike, ordered, renamed
from rnn2c.frontend.unrolled import MAX_VISITS, Finder, Unrolled, size_of
from rnn2c.frontend.values import Axes, Axis, part_name
from rnn2c.ir import graph, window
from rnn2c.ir.graph import Delay, FloatArray, Input, Layer, Model, Output

ADVICE = (
    "supported are the last one (-1), the first (0), and loops that do the same at every step in"
    " order; write such a loop, or export one step with its states as inputs and outputs and give"
    " --state h=h_out"
)
TWO_STEPS = "of a loop over two steps the first may lack the state: export three or more"
MOST_COMPARED = 32
MOST_SOURCES = 64
"""Values whose steps one layer of a loop reads."""
ENDS: tuple[tuple[str, type[Layer]], ...] = (("first", window.FirstStep), ("last", graph.LastStep))


class Loops:
    """layers: all so far, by name; taken: all names; anonymous: those
    without a stem; add, unique, flip: of the Builder; copied: is
    told of every copy of a layer and its original.
    """

    def __init__(
        self,
        axes: Axes,
        layers: dict[str, Layer],
        taken: set[str],
        anonymous: set[str],
        add: Callable[[Layer], None],
        unique: Callable[[str, str], str],
        flip: Callable[[str], str],
        copied: Callable[[str, str], None],
    ) -> None:
        self.axes, self.layers, self.taken = axes, layers, taken
        self.anonymous = anonymous
        self.add, self.unique, self.flip = add, unique, flip
        self.copied = copied
        self.finder = Finder()
        self.places: dict[str, str] = {}
        self.time: dict[str, Axis] = {}
        self.delays: list[Delay] = []
        self.starts: dict[str, FloatArray | str] = {}
        self.bodies: set[str] = set()
        self.ends: set[str] = set()

    def row(self, value: str, index: int, axis: Axis, where: str) -> str:
        """The name of one time step of a value, along a dimension of known size.

        What a dimension of an input means may not be known yet: it may be a stack as well.
        """
        index %= axis.size or 1
        name = f"{value}.at{index}"
        if name not in self.layers:
            self.add(AtStep(name=name, inputs=(value,), step=index, count=axis.size or 0))
            more = f"{TWO_STEPS}; " if axis.size == 2 else ""
            self.places[name] = f"{where}: picks time step {index}; {more}{ADVICE}"
            self.time[value] = axis
        return name

    def part(self, name: str) -> str:
        """The name of a row that turns out to be an element of a stack; others stay as they are."""
        row = self.layers.get(name)
        if not isinstance(row, AtStep):
            return name
        source = row.inputs[0]
        axis = self.time[source]
        if self.axes.kind(axis) == "time":
            return name
        self.axes.bind(axis, "part", self.places[name].partition(": picks")[0])
        return part_name(source, row.step)

    def numbers(self, array: FloatArray, refusal: str) -> str:
        """The name of a constant vector; refusal: what is said if no loop starts from it."""
        name = self.unique("", "numbers")
        self.add(Numbers(name=name, inputs=(), numbers=np.array(array, np.float64).reshape(-1)))
        self.places[name] = refusal
        return name

    def stacked(self, names: Sequence[str]) -> tuple[str, Axis] | None:
        """The per-step value, and its time axis, whose steps these are, all of them in order."""
        if not self.places:
            return None
        for order in (names, names[::-1]):
            value = self._whole(order)
            if value is None and self._roll(order[-2], order[-1], order):
                value = self._whole(order)
            if value is not None:
                return value if order is names else self.flip(value), self.time[value]
        return None

    def _whole(self, names: Sequence[str]) -> str | None:
        """The value whose first, second, ... and last step these are."""
        rows = [self.layers.get(n) for n in names]
        first = rows[0]
        if not isinstance(first, AtStep) or first.count != len(names):
            return None
        for index, row in enumerate(rows):
            if not isinstance(row, AtStep) or (row.step, row.inputs) != (index, first.inputs):
                return None
        return first.inputs[0]

    def _roll(self, old: str, new: str, steps: Sequence[str] = ()) -> bool:
        """Roll up the loop whose last steps make these values; steps: all of them, if known."""
        body = self.finder.body(self.layers, old, new)
        if body is None or (steps and len(steps) != body.count):
            return False
        roots = {new: steps} if steps else {}
        found = self.finder.unrolled(self.layers, body, roots)
        initial = None if found is None else self._initial(found)
        if found is None or initial is None:
            return False
        self._replace(replace(found, initial=initial))
        return True

    def _initial(self, found: Unrolled) -> dict[str, FloatArray | str] | None:
        """What the states begin with; a row there makes its input a stack.  None: a time step."""
        rows = [p for m in found.body.members if isinstance(p := self.layers[m], AtStep)]
        over_time = {row.inputs[0] for row in rows}
        result = dict(found.initial)
        for state, start in result.items():
            row = self.layers.get(start) if isinstance(start, str) else None
            if isinstance(start, str) and isinstance(row, AtStep):
                name = start if row.inputs[0] in over_time else self.part(start)
                if name == start:
                    return None
                result[state] = name
        return result

    def _replace(self, found: Unrolled) -> None:
        """Add the body; what the steps made are steps of what the body makes."""
        body = found.body
        names: dict[str, str] = {}
        for state in body.states:
            names[state] = self.unique("", "state")
            self.taken.add(names[state])
        axis = None
        for value in body.members:
            layer = self.layers[value]
            if isinstance(layer, AtStep):
                source = layer.inputs[0]
                axis = self.time[source]
                names[value] = source if body.way > 0 else self.flip(source)
                continue
            copy = self.unique(stem_of(found.steps[0].get(value, value)), "loop")
            names[value] = copy
            self.add(renamed(layer, {**names, value: copy}))
            self.bodies.add(copy)
            self.copied(value, copy)
        assert axis is not None
        self.axes.bind(axis, "time", "a loop over time steps")
        for state, new in body.states.items():
            self.delays.append(Delay(names[state], names[new], size_of(self.layers, new)))
            initial = found.initial[state]
            if isinstance(initial, str) or np.any(initial):
                self.starts[names[state]] = initial
        for index, values in enumerate(found.steps):
            for ours, theirs in values.items():
                if not isinstance(self.layers[theirs], (AtStep, Numbers)):
                    source = names[ours]
                    self.time[source] = axis
                    row = AtStep(name=theirs, inputs=(source,), step=index, count=body.count)
                    self.layers[theirs] = row
                    where = f"layer {quoted(stem_of(theirs))}"
                    self.places[theirs] = f"{where}: picks time step {index}; {ADVICE}"

    def close(self, wanted: Sequence[str], inputs: Callable[[], Sequence[Input]]) -> Rolled:
        """Roll up what is left and needed by these values; what cannot be is refused.

        inputs: the vectors of the model inputs, which are known only when nothing is left.
        """
        if not self.places:
            names = {i.name: i.name for i in inputs()}
            names |= {v: v for p in self.layers.values() for v in p.outputs}
            return Rolled(tuple(self.layers.values()), (), names)
        while any(_may_be_left(p) for p in self._ordered(wanted)):
            if not self._roll_last(wanted):
                break
        live = self._ordered(wanted)
        names = {}
        for rows in self._undecided(live):
            if self._is_loop(rows, live):
                inner = [p for p in rows if _is_inner(p)]
                raise UnsupportedError(self.places[(inner or rows)[0].name])
            for row in rows:
                names[row.name] = self.part(row.name)
        rest = [p for p in live if p.name not in names]
        wrong = [p for p in rest if _is_inner(p)] or [p for p in rest if isinstance(p, Numbers)]
        if wrong:
            raise UnsupportedError(self.places[wrong[0].name])
        for layer in rest:
            if isinstance(layer, AtStep):
                names[layer.name] = self._end(layer)
        outputs = tuple(Output(n, names.get(n, n)) for n in dict.fromkeys(wanted))
        for row_name in names:
            del self.layers[row_name]
        for name, layer in self.layers.items():
            self.layers[name] = renamed(layer, names)
        layers = self._ordered([o.value for o in outputs])
        read = {n for p in layers for n in p.inputs} | {o.value for o in outputs}
        delays = tuple(d for d in self.delays if d.name in read)
        model = Model("", tuple(inputs()), tuple(layers), outputs, delays=delays)
        return recovered(model, self.starts, self.bodies, self.ends, self.anonymous)

    def _undecided(self, live: Sequence[Layer]) -> list[list[AtStep]]:
        """The rows of each value whose dimension is not known to be time."""
        found: dict[str, list[AtStep]] = {}
        for layer in live:
            if isinstance(layer, AtStep) and self.axes.kind(self.time[layer.inputs[0]]) != "time":
                found.setdefault(layer.inputs[0], []).append(layer)
        return list(found.values())

    def _is_loop(self, rows: Sequence[AtStep], live: Sequence[Layer]) -> bool:
        """Whether some weights are applied to two rows of a value, alone or joined with others."""
        read = {row.name: row.name for row in rows}
        seen: list[tuple[str, Layer]] = []
        for layer in live:
            row = next((read[n] for n in layer.inputs if n in read), "")
            if row and isinstance(layer, graph.Concat):
                read[layer.name] = row
            if row and isinstance(layer, graph.Linear):
                seen.append((row, layer))
        first = seen[:MOST_COMPARED]
        return any(a != b and alike(p, q) for a, p in first for b, q in first)

    def _end(self, row: AtStep) -> str:
        """The name of the first or last step as a layer."""
        end, kind = ENDS[row.step == row.count - 1]
        name = f"{row.inputs[0]}.{end}"
        if name not in self.layers:
            self.layers[name] = kind(name=name, inputs=row.inputs)
            self.ends.add(name)
        return name

    def _roll_last(self, wanted: Sequence[str]) -> bool:
        """Roll up a loop of which only the last step is used: it reads every step of a value."""
        rows: dict[str, dict[str, int]] = {}
        reading: dict[tuple[str, int], list[Layer]] = {}
        counts: dict[str, int] = {}
        live = self._ordered(wanted)
        self.finder.visits += len(live)
        for layer in live:
            if isinstance(layer, AtStep):
                rows[layer.name] = {layer.inputs[0]: 1 << layer.step}
                counts[layer.inputs[0]] = layer.count
                continue
            below: dict[str, int] = {}
            for name in layer.inputs:
                for source, steps in rows.get(name, {}).items():
                    below[source] = below.get(source, 0) | steps
            if len(below) > MOST_SOURCES:
                below = {}
            rows[layer.name] = below
            for source, steps in below.items():
                reading.setdefault((source, steps.bit_count()), []).append(layer)
        for source, most in sorted(counts.items(), key=lambda item: -item[1]):
            for new in reversed(reading.get((source, most), [])):
                for old in reversed(reading.get((source, most - 1), [])):
                    self.finder.visits += 1
                    if self.finder.visits > MAX_VISITS:
                        return False
                    if alike(old, new) and self._roll(old.name, new.name):
                        return True
        return False

    def _ordered(self, wanted: Sequence[str]) -> list[Layer]:
        """The layers that these values need, each after those that it reads."""
        return ordered(self.layers, {d.name: d.value for d in self.delays}, wanted)


def _may_be_left(layer: Layer) -> bool:
    """Whether it is a step that a loop may have read: an inner one, or one of two."""
    return _is_inner(layer) or (isinstance(layer, AtStep) and layer.count == 2)


def _is_inner(layer: Layer) -> bool:
    return isinstance(layer, AtStep) and layer.step not in (0, layer.count - 1)
