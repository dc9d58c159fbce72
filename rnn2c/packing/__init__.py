"""Packings: how the integer matrices of a dot product are stored.  They never change a value.

A packing is a module with `pack(matrices) -> bytes as integers` and the lossless `unpack`; its
loop in C is `templates/<variant>/dot/<packing>.c.j2`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnn2c.ir.graph import IntArray
from rnn2c.packing import dense4, dense8

Matrices = tuple[IntArray, ...]


@dataclass(frozen=True)
class Packing:
    """type: C element type as arith.py names it; pack: the stream; unpack: back, given shapes."""

    type: str
    pack: Callable[[Matrices], IntArray]
    unpack: Callable[[IntArray, tuple[tuple[int, ...], ...]], Matrices]


PACKINGS: dict[str, Packing] = {
    "dense8": Packing("i8", dense8.pack, dense8.unpack),
    "dense4": Packing("u8", dense4.pack, dense4.unpack),
}
