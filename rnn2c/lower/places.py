"""Where a value is, and a loop of finish in the making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rnn2c.ir.program import Buffer, Elem, Inner, Loop, Stage
from rnn2c.lower.stages import zero_stage


@dataclass(frozen=True)
class Place:
    """Where a value is: a buffer, and whether it is the copy being computed in this step."""

    buffer: str
    new: bool = False

    def elem(self, offset: int = 0) -> Elem:
        return Elem(self.buffer, offset, new=self.new)


@dataclass
class LoopDraft:
    """A loop of finish in the making; `states`: what it carries from one step to the next."""

    reverse: bool
    states: list[str] = field(default_factory=list)
    start: list[Stage] = field(default_factory=list)
    body: list[Inner] = field(default_factory=list)

    def finished(self, buffers: Mapping[str, Buffer]) -> Loop:
        """States that nothing loads start at zero."""
        loaded = {s.element.buffer for stage in self.start for s in stage.stores}
        start = [zero_stage(buffers[name]) for name in self.states if name not in loaded]
        title = f"every step, {'from the last to the first' if self.reverse else 'in order'}"
        return Loop(title, tuple(self.body), self.reverse, (*start, *self.start))
