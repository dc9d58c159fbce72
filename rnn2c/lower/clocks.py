"""Clocks: when operations of step run, and the counters in the state that tell it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rnn2c.errors import UnsupportedError
from rnn2c.ir.names import Names, comment
from rnn2c.ir.program import Buffer, Clock, Inner, Op, When
from rnn2c.ir.temporal import ALWAYS, Times


@dataclass
class Clocks:
    """Works on the names, the buffers and the step of a Program in the making."""

    names: Names
    buffers: dict[str, Buffer]
    step: list[Op]
    made: dict[Times, Clock] = field(default_factory=dict)

    def append(self, times: Times, *operations: Inner) -> None:
        """Add operations to step that run at these times."""
        if times == ALWAYS:
            self.step.extend(operations)
            return
        clock, last = self.clock(times), self.step[-1] if self.step else None
        if isinstance(last, When) and last.clock == clock:
            operations = (*last.body, *operations)
            self.step.pop()
        self.step.append(When(clock, operations))

    def clock(self, times: Times) -> Clock:
        """The clock of these steps."""
        if times not in self.made:
            doc = f"counts steps to {times.first}, then by {times.every}"
            name = self.counting("clock", times.first + times.every, doc)
            for use in ("due", "now"):
                self.names.take(f"{use}_{name}")
            self.made[times] = Clock(name, times.first, times.every)
        return self.made[times]

    def counting(self, name: str, most: int, doc: str) -> str:
        """A number in the state, from 0 to `most`; returns its C name."""
        if most >= 2**16:
            raise UnsupportedError(f"{doc}: {most} steps; at most {2**16 - 1} can be counted")
        taken = self.names.take(name)
        type_ = "u8" if most < 2**8 else "u16"
        self.buffers[taken] = Buffer(taken, type_, 1, "state", comment(doc), 0, most)
        return taken
