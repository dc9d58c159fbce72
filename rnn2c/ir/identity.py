"""The model id: a checksum over everything that decides the bits a Program computes.

Names that come from the user's model do not count: renaming a layer changes no object code.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping

from rnn2c.ir.program import Buffer, Program, Segment

PROSE = frozenset({"title", "doc", "signal", "width", "kernel"})
SAME_VALUE = {"shift16": "shift_sat16"}
"""Primitives that compute the same on a sum of another width.  Widths belong to the target: they
change no value, and a save image is the same on all of them."""

OPTIONAL = frozenset({"mirror"})
"""Fields that count only where they are in use."""

NAMED = frozenset(
    (
        "buffer vector weight bias const source target multiplier offset shift table index"
        " newest view beyond"
    ).split()
)
"""Fields that hold the name of a buffer, a weight or a constant."""


def model_id(program: Program) -> int:
    """CRC-32 over buffers, operations, formats, weights and constants."""
    names = [x.name for x in program.buffers]
    names += [x.name for x in program.weights] + [x.name for x in program.consts]
    numbers = {name: f"#{n}" for n, name in enumerate(names)}
    plain = [
        program.profile,
        [_plain_buffer(b) for b in program.buffers],
        [_plain(op, numbers) for op in (*program.init, *program.step, *program.finish)],
        [
            (s.rate, dataclasses.astuple(s.format), *s.channels)
            for s in (*program.inputs, *program.outputs)
        ],
        _plain(program.raw_input, numbers),
    ]
    checksum = zlib.crc32(repr(plain).encode())
    for array in [m for w in program.weights for m in w.matrices] + [
        c.data for c in program.consts
    ]:
        little_endian = "<f4" if array.dtype.kind == "f" else "<i8"
        checksum = zlib.crc32(array.astype(little_endian).tobytes(), checksum)
    return checksum


def _plain_buffer(b: Buffer) -> tuple[object, ...]:
    """How it is stored (lanes, saved_as) changes no value."""
    *fields, rows, _, _ = dataclasses.astuple(dataclasses.replace(b, name="", doc=""))
    return (*fields, rows) if b.rows else tuple(fields)


def _optional(node: object) -> frozenset[str]:
    return OPTIONAL | {"offset", "stride"} if isinstance(node, Segment) else OPTIONAL


def _plain(node: object, numbers: Mapping[str, str]) -> object:
    """The node as nested lists, user names replaced by numbers, prose left out."""
    if isinstance(node, tuple):
        return [_plain(item, numbers) for item in node]
    if not dataclasses.is_dataclass(node):
        return SAME_VALUE.get(node, node) if isinstance(node, str) else node
    plain: list[object] = [type(node).__name__]
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if field.name in NAMED and isinstance(value, str):
            plain.append(numbers[value])
        elif field.name not in PROSE and (value or field.name not in _optional(node)):
            plain.append(_plain(value, numbers))
    return plain
