"""Which Loop of finish computes a value of rate `window`, and what has to be kept of every step.

A recurrent layer goes into the earliest loop of its direction that has its inputs at hand; other
layers follow what they read.  A value that is read in another loop than its own, or that step
computes and a loop reads, is kept for every step: that is the memory a window costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rnn2c.ir import graph, window
from rnn2c.ir.graph import Layer, Model
from rnn2c.ir.temporal import Framed


@dataclass(frozen=True)
class Schedule:
    """loop_of: number of the loop by value; reverse: of each loop; kept: values of every step."""

    loop_of: Mapping[str, int]
    reverse: tuple[bool, ...]
    kept: frozenset[str]


@dataclass
class _Loops:
    """The loops so far: whether each is reverse, None where either way will do."""

    reverse: list[bool | None] = field(default_factory=list)

    def earliest(self, start: int, reverse: bool | None) -> int:
        """A loop from `start` on that runs in this order, a new one if there is none."""
        for k in range(start, len(self.reverse)):
            if reverse is None or self.reverse[k] in (None, reverse):
                break
        else:
            k = len(self.reverse)
            self.reverse.append(None)
        if reverse is not None:
            self.reverse[k] = reverse
        return k


def schedule(model: Model) -> Schedule:
    """For a valid Model; without loops if all of it can run step by step."""
    rates, loops = model.rates(), _Loops()
    loop_of: dict[str, int] = {}
    for layer in model.layers:
        if rates[layer.name] == "window":
            first = max((loop_of.get(n, 0) for n in layer.data_inputs), default=0)
            if isinstance(layer, (window.Flip, Framed)) and layer.inputs[0] in loop_of:
                first += 1
            k = loops.earliest(first, _direction(layer))
            loop_of.update(dict.fromkeys(layer.outputs, k))
    kept: set[str] = set()
    for layer in model.layers:
        kept |= {n for n in layer.data_inputs if _keeps(model, layer, n, loop_of)}
    return Schedule(loop_of, tuple(bool(r) for r in loops.reverse), frozenset(kept))


def _direction(layer: Layer) -> bool | None:
    match layer:
        case graph.Recurrent(direction=direction):
            return direction == "reverse"
        case window.StepMask():
            return False
    return None


def _keeps(model: Model, layer: Layer, value: str, loop_of: Mapping[str, int]) -> bool:
    """Whether `layer` needs `value` of steps that are not at hand where it is computed."""
    match layer:
        case window.FirstStep() | graph.LastStep():
            if value not in loop_of:
                return isinstance(layer, window.FirstStep)
            return not is_final_state(model, layer)
        case window.Flip():
            return True
        case Framed() if layer.name in loop_of:
            return True
    return layer.name in loop_of and loop_of.get(value) != loop_of[layer.name]


def is_final_state(model: Model, layer: Layer) -> bool:
    """Whether a selection picks the step at which a cell in a loop ends."""
    source = model.layer(layer.inputs[0])
    if not isinstance(source, graph.Recurrent):
        return False
    return isinstance(layer, window.FirstStep) == (source.direction == "reverse")
