"""Interface: what the emitted C shows to its caller; shared by the emitter and by `validate`."""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.ir.graph import Rate

BYTES = {
    "int8_t": 1,
    "uint8_t": 1,
    "int16_t": 2,
    "uint16_t": 2,
    "int32_t": 4,
    "uint32_t": 4,
    "float": 4,
}


FLOAT_TOLERANCE = 1e-5
"""What is computed in float32 may be this far from the reference, times the largest magnitude of
its buffer (at least 1).
"""


@dataclass(frozen=True)
class Port:
    """One typed argument `ctype name[size]` of step (rate `step`), init or finish (`sequence`), or
    `ctype name[rows][size]` of finish (`window`).

    tokens: how many there are if it is a token, else 0.
    """

    name: str
    ctype: str
    size: int
    rate: Rate = "step"
    tokens: int = 0
    rows: int = 0

    @property
    def extents(self) -> str:
        """`[size]` or `[rows][size]`."""
        return f"[{self.rows}][{self.size}]" if self.rows else f"[{self.size}]"

    @property
    def elements(self) -> int:
        return self.size * max(self.rows, 1)

    @property
    def is_float(self) -> bool:
        return self.ctype == "float"

    @property
    def bytes(self) -> int:
        return BYTES[self.ctype] * self.elements


@dataclass(frozen=True)
class Interface:
    """Names and types of one emitted model.

    `saved` are the state buffers in the order of the save image: four bytes of model id, then
    each buffer's elements, all little-endian.  `stages` are the titles of the stages of `step`.
    `max_steps`: how many steps one sequence may have (`keeps_all`; else how many of them step
    keeps); 0 for any number.  `counts_rows`: step has outputs at some steps only, and `run` says
    at how many.  `tables_file`: another source file that it needs, without its ending, if any.
    """

    name: str
    model_id: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    saved: tuple[Port, ...]
    stages: tuple[str, ...]
    max_steps: int = 0
    counts_rows: bool = False
    keeps_all: bool = True
    tables_file: str = ""

    @property
    def final_outputs(self) -> tuple[Port, ...]:
        """What finish writes, in the order of its arguments."""
        return self.at("window", self.outputs) + self.at("sequence", self.outputs)

    def at(self, rate: Rate, ports: tuple[Port, ...]) -> tuple[Port, ...]:
        return tuple(p for p in ports if p.rate == rate)

    @property
    def save_bytes(self) -> int:
        return 4 + sum(p.bytes for p in self.saved)
