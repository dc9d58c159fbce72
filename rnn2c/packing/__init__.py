"""Packings: how the matrices of a dot product are stored.  They never change a value.

A packing is a module with `pack(matrices) -> a stream of elements` and the lossless `unpack`; its
loop in C is `templates/<variant>/dot/<packing>.c.j2`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnn2c.ir.graph import NumberArray
from rnn2c.packing import dense4, dense8, overlapped4, ternary

Matrices = tuple[NumberArray, ...]


@dataclass(frozen=True)
class Packing:
    """type: C element type as arith.py names it; pack: the stream; unpack: back, given shapes."""

    type: str
    pack: Callable[[Matrices], NumberArray]
    unpack: Callable[[NumberArray, tuple[tuple[int, ...], ...]], Matrices]


PACKINGS: dict[str, Packing] = {
    "dense8": Packing("i8", dense8.pack, dense8.unpack),
    "dense4": Packing("u8", dense4.pack, dense4.unpack),
    "overlapped4": Packing("u32", overlapped4.pack, overlapped4.unpack),
    "ternary": Packing("u8", ternary.pack, ternary.unpack),
    "dense16": Packing("i16", dense8.pack, dense8.unpack),
    "dense_f32": Packing("f32", dense8.pack, dense8.unpack),
}
"""dense16 (tables only) and dense_f32 have the order of dense8, with wider numbers."""
