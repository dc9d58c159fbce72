"""What a Program keeps: buffers, weights and constants, and the signals it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rnn2c.ir.graph import Format, IntArray, NumberArray, Rate

Role = Literal["input", "output", "state", "scratch", "local", "view"]
CTYPES = {
    "i8": "int8_t",
    "u8": "uint8_t",
    "i16": "int16_t",
    "u16": "uint16_t",
    "i24": "RNN2C_I24",
    "i32": "int32_t",
    "u32": "uint32_t",
    "i64": "int64_t",
    "f32": "float",
}


@dataclass(frozen=True)
class Buffer:
    """A vector of integers.  Its values stay in [lo, hi]: an invariant that is proven.

    Reals (type f32) have no range: lo and hi are 0.

    Roles: `input` and `output` are the caller's arrays; `state` lives in the state struct and is
    saved; `scratch` lives there too but holds nothing between calls; `local` lives on the stack
    of finish.  A buffer with `twice` has two copies, the current one and the one being computed;
    step (for scratch: a Loop of finish) swaps them when it is done.  A buffer with `rows` holds
    `size` elements for each time step, at most that many.

    lanes: a kernel reads that many elements at once, so there is room for a multiple of them, and
    they begin at a word.  saved_as: the type in a save image, if it is another one.
    """

    name: str
    type: str
    size: int
    role: Role
    doc: str
    lo: int
    hi: int
    twice: bool = False
    rate: Rate = "step"
    rows: int = 0
    lanes: int = 1
    saved_as: str = ""

    @property
    def room(self) -> int:
        """Elements of the C array of one row, in one copy."""
        return -(-self.size // self.lanes) * self.lanes

    @property
    def image_type(self) -> str:
        """Type of its elements in a save image."""
        return self.saved_as or self.type

    @property
    def elements(self) -> int:
        """How many there are of all rows, in one copy."""
        return self.size * max(self.rows, 1)


@dataclass(frozen=True, eq=False)
class Weight:
    """The fused matrices of one Dot: one [units, results, columns] array per segment; or a table.

    `packing` names how they are stored (packing/); it never changes a value.  stream: what a kernel
    reads, 32-bit words with the first values of the sums in it; empty where its code has them.
    """

    name: str
    matrices: tuple[NumberArray, ...]
    bits: int
    packing: str
    doc: str
    stream: IntArray | None = None

    @property
    def is_in_code(self) -> bool:
        """Whether there is no array of it."""
        return self.stream is not None and not self.stream.size


@dataclass(frozen=True, eq=False)
class Const:
    """A constant array: a bias, multipliers, a table.  What is `packed` is in a weight's stream."""

    name: str
    type: str
    data: NumberArray
    doc: str
    kind: Literal["weight", "table", "packed"] = "weight"


@dataclass(frozen=True)
class Signal:
    """A model input or output: its own name, its buffer (the C argument), rate and format.

    kinds `label` and `token` are an index and have no scale.  channels: an input is divided by
    these before it is stored in its format, if any.
    """

    name: str
    buffer: str
    rate: Rate
    format: Format
    kind: Literal["value", "label", "token"] = "value"
    channels: tuple[float, ...] = ()

    @property
    def scales(self) -> tuple[float, ...]:
        """What one step of each channel stands for; empty if all have that of the format."""
        return tuple(self.format.scale * c for c in self.channels)


@dataclass(frozen=True)
class RawInput:
    """How sensor counts become an input: q = sat((raw * multiplier + offset) >> shift).

    A program in float32 has no shift: x = (raw - offset) * multiplier.

    signal: the model's name of the input, buffer: its C name; multiplier, offset, shift: constants,
    one number per channel.
    """

    signal: str
    buffer: str
    multiplier: str
    offset: str
    shift: str | None
    scale: tuple[float, ...]
    zero: tuple[float, ...]
