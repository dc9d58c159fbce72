"""A family: what the kernels of one kind of core take, and how the weights are stored for them.

A kernel computes the sums of a block of units; a Layout says which rows a block has and in which
order its sums come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rnn2c.ir.graph import IntArray
from rnn2c.packing.blocks import Segments


class Layout(Protocol):
    """units: of a block; places: [unit][result], where a sum goes; raised: [unit][result], the
    power of two that the kernel has the sum multiplied by before it is requantized or taken apart.
    """

    @property
    def units(self) -> int: ...
    @property
    def places(self) -> tuple[tuple[int, ...], ...]: ...
    @property
    def raised(self) -> tuple[tuple[int, ...], ...]: ...


@dataclass(frozen=True)
class Family:
    """weights, width: packing and width of a dot product that its kernels compute, "" any;
    vector, lanes: type of the elements they read, and how many at once; an empty type and 1:
    vectors of 8 or 16 bits as they lie; pointer: C type of a vector, or void, empty for kernels
    in C; requantizes: whether they multiply by high_round; element: type of what a stream
    consists of; advances: whether they return where the next block begins; shifts: whether they
    do shift_sat16.

    layout(results, segments, types of the vectors): None where rows do not come out even.
    fits(layout, content): whether the weights can be stored.
    pack(layout, content): the stream of 32-bit words.
    joins(layout, result, earlier): whether they can add a requantized result to another one.
    scaled(layout, shifts, vectors, content): the layout for sums that are requantized with these
    shifts (0: they are not) over vectors of these ranges, None where they do not fit.
    code(results, segments, sizes, turn): a bound on the bytes of code of a kernel beyond what the
    estimate of a target has for it; usual(the same): what the estimate has, where it has room for
    one kernel; stack: bytes of stack beyond that of the estimate.
    immediate: whether the weights are in the instructions of the kernel, and no stream is stored;
    written(layout, content): a bound on the bytes of code of such a kernel.
    cost(layout, content): about the instructions of all columns, where families are
    there for the same sums.
    """

    weights: str
    width: str
    vector: str
    lanes: int
    pointer: str
    requantizes: bool
    layout: Callable[[int, Segments, tuple[str, ...]], Layout | None]
    fits: Callable[..., bool]
    pack: Callable[..., IntArray]
    cost: Callable[..., int] | None = None
    scaled: Callable[..., Layout | None] | None = None
    element: str = "u32"
    advances: bool = True
    shifts: bool = False
    immediate: bool = False
    stack: int = 0
    code: Callable[[int, Segments, tuple[int, ...], int], int] = lambda *_: 0
    written: Callable[..., int] = lambda *_: 0
    usual: Callable[[int, Segments, tuple[int, ...], int], int] = lambda *_: 0
    joins: Callable[..., bool] = lambda *_: False
