"""The families of kernels.  Their code is made in emit/kernels, under the family's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import ModuleType

from rnn2c.ir.graph import IntArray
from rnn2c.packing import (
    blocks8,
    blocks16,
    fours,
    halves4,
    overlapped4,
    pairs8,
    pairs16,
    quads4,
    rows16,
)
from rnn2c.packing.blocks import Segments
from rnn2c.packing.families_avr import OF_AVR
from rnn2c.packing.family import Family, Layout

FRAME_BYTES = 160
"""Of a kernel's code around its columns."""
USUAL_COLUMNS = 10
"""Written out of a segment: the estimate of a target has room for them."""


def _code_of_fours(
    times: int, results: int, segments: Segments, sizes: tuple[int, ...], turn: int
) -> int:
    form = fours.layout(results, segments)
    return fours.code_bytes(form, sizes, times * turn) if form else 0


def _written_out(
    per_weight: int, results: int, segments: Segments, sizes: tuple[int, ...], turn: int
) -> int:
    """Of what is written out of a block of at most so many rows beyond the usual columns."""
    rows = max(pairs8.BLOCKS[n] * n for n in pairs8.BLOCKS)
    columns = [size if not turn or size < 2 * turn else turn + size % turn for size in sizes]
    return per_weight * rows * sum(max(c - USUAL_COLUMNS, 0) for c in columns)


def _usual(per_weight: int, _: int, segments: Segments, sizes: tuple[int, ...], turn: int) -> int:
    """Of what is written out of a block, up to the usual columns."""
    columns = [size if not turn or size < 2 * turn else turn + size % turn for size in sizes]
    return FRAME_BYTES + per_weight * sum(
        pairs8.BLOCKS.get(len(rows), 1) * len(rows) * min(c, USUAL_COLUMNS)
        for rows, c in zip(segments, columns, strict=True)
    )


def _code_of_halves(_: int, segments: Segments, sizes: tuple[int, ...], turn: int) -> int:
    columns = [min(size, 2 * halves4.CHUNKS[0]) if turn else size for size in sizes]
    return halves4.KERNEL_BYTES + sum(
        halves4.SEGMENT_BYTES + halves4.COLUMN_BYTES * max(c - USUAL_COLUMNS, 0) for c in columns
    )


def _of_any(
    layout: Callable[..., Layout | None], **options: object
) -> Callable[..., Layout | None]:
    """A layout that is the same for all types of vectors."""
    return lambda results, segments, types: layout(results, segments, **options)


def _code_of_blocks16(results: int, segments: Segments, sizes: tuple[int, ...], turn: int) -> int:
    return blocks16.code_bytes(len(sizes)) + _written_out(1, results, segments, sizes, turn)


def _blocks8(
    name: str,
    columns: int,
    effort: blocks8.Effort,
    layout: Callable[..., pairs8.Layout | None] = pairs8.layout,
) -> Family:
    """A family with stored blocks of so many columns."""
    apart = name.startswith("apart8")

    def code(results: int, segments: Segments, sizes: tuple[int, ...], turn: int) -> int:
        form = layout(results, segments)
        return blocks8.code_bytes(form, len(sizes), turn, columns, effort) if form else 0

    return replace(
        FAMILIES[name],
        lanes=columns,
        layout=_of_any(layout, apart=apart),
        fits=partial(blocks8.fits, columns=columns),
        pack=partial(blocks8.pack, columns=columns),
        cost=partial(blocks8.cost, columns=columns, effort=effort),
        code=code,
    )


def _halves4(name: str) -> Family:
    """The family with 4-bit weights of one with 8 bits."""
    return replace(
        FAMILIES[name],
        weights="dense4",
        layout=_of_any(halves4.layout),
        fits=halves4.fits,
        pack=halves4.pack,
        cost=None,
        scaled=partial(halves4.scaled, raises=FAMILIES[name].requantizes),
        code=_code_of_halves,
    )


def _fours4(weights: str, packing: ModuleType, pack: Callable[..., IntArray]) -> Family:
    """A family with 4-bit weights, four rows at a time, for cores with SMLAD."""
    return replace(
        FAMILIES["pairs8"],
        weights=weights,
        lanes=fours.COLUMNS,
        layout=_of_any(packing.layout),
        fits=packing.fits,
        pack=pack,
        cost=None,
        scaled=packing.scaled,
        code=partial(_code_of_fours, packing.TURN),
    )


def _narrow(name: str, **options: object) -> Family:
    """A family with blocks of 2 rows."""
    return replace(
        FAMILIES[name],
        layout=_of_any(pairs8.layout, block_units=pairs8.NARROW, **options),
        cost=partial(pairs8.cost_of_narrow, two_words=TWO_WORDS[name], call=CALLS[name]),
    )


TWO_WORDS = {"pairs8": 7, "apart8_v7m": 18, "pairs8_v6m": 26, "apart8_v6m": 30}
CALLS = {"pairs8": 25, "apart8_v7m": 25, "pairs8_v6m": 45}
"""Instructions for two words of weights and for a call, as in the costs of pairs8."""


def _cost_of_pairs(name: str) -> Callable[..., int]:
    return partial(pairs8.cost, two_words=TWO_WORDS[name])


FAMILIES: dict[str, Family] = {
    "pairs8": Family(
        "dense8", "i32", "i16", pairs8.COLUMNS, "int16_t", True,
        _of_any(pairs8.layout), pairs8.fits, pairs8.pack, _cost_of_pairs("pairs8"),
        code=partial(_written_out, 4), usual=partial(_usual, 4),
    ),
    "apart8_v7m": Family(
        "dense8", "i32", "i32", 2, "int32_t", True,
        _of_any(pairs8.layout, columns=2, apart=True), pairs8.fits, pairs8.pack,
        _cost_of_pairs("apart8_v7m"), code=partial(_written_out, 10), usual=partial(_usual, 10),
    ),
    "pairs8_v6m": Family(
        "dense8", "i32", "i32", 2, "int32_t", False,
        _of_any(pairs8.layout, columns=2), pairs8.fits, pairs8.pack,
        _cost_of_pairs("pairs8_v6m"), code=partial(_written_out, 8), usual=partial(_usual, 8),
    ),
    "rows16": Family(
        "dense8", "i32", "", 1, "void", True, rows16.layout, rows16.fits, rows16.pack, rows16.cost,
        code=partial(_written_out, 1), usual=partial(_usual, 1),
    ),
}  # fmt: skip
FAMILIES |= {
    "pairs16": replace(
        FAMILIES["pairs8"],
        lanes=fours.COLUMNS,
        layout=_of_any(pairs16.layout),
        fits=pairs16.fits,
        pack=pairs16.pack,
        cost=None,
        code=partial(_code_of_fours, 1),
        joins=fours.Layout.joins,
    ),
    "quads4": _fours4("dense4", quads4, quads4.pack),
    "overlapped4": _fours4("overlapped4", overlapped4, overlapped4.pack_for_kernel),
    "apart8_v6m": replace(
        FAMILIES["pairs8_v6m"],
        layout=_of_any(pairs8.layout, columns=2, apart=True),
        cost=_cost_of_pairs("apart8_v6m"),
        code=partial(_written_out, 9),
        usual=partial(_usual, 9),
    ),
    "halves4_v7m": _halves4("apart8_v7m"),
    "halves4_v6m": _halves4("pairs8_v6m"),
    "pairs8_two": _narrow("pairs8"),
    "apart8_v7m_two": _narrow("apart8_v7m", columns=2, apart=True),
    "pairs8_v6m_two": _narrow("pairs8_v6m", columns=2),
}
FAMILIES |= {
    "blocks8x4": _blocks8("pairs8", 4, blocks8.DSP),
    "blocks8x2": _blocks8("pairs8", 2, blocks8.DSP),
    "blocks8x2_eight": _blocks8("pairs8", 2, blocks8.DSP, blocks8.layout_of_eight),
    "blocks8x4_v7m": _blocks8("apart8_v7m", 4, blocks8.ARMV7M),
    "blocks8x2_v7m": _blocks8("apart8_v7m", 2, blocks8.ARMV7M),
    "blocks8x2_eight_v7m": _blocks8("apart8_v7m", 2, blocks8.ARMV7M, blocks8.layout_of_eight),
    "blocks8x4_v6m": _blocks8("pairs8_v6m", 4, blocks8.ARMV6M),
    "blocks8x2_v6m": _blocks8("pairs8_v6m", 2, blocks8.ARMV6M),
    "blocks8x4_apart_v6m": _blocks8("apart8_v6m", 4, blocks8.ARMV6M_APART),
    "blocks8x2_apart_v6m": _blocks8("apart8_v6m", 2, blocks8.ARMV6M_APART),
}
FAMILIES |= {
    f"blocks16x{n}": replace(
        FAMILIES["rows16"],
        vector="i8",
        lanes=4,
        layout=blocks16.layout,
        fits=partial(blocks16.fits, columns=n),
        pack=partial(blocks16.pack, columns=n),
        cost=partial(blocks16.cost, columns=n),
        code=_code_of_blocks16,
        stack=blocks16.STACK_BYTES,
    )
    for n in (2, 4)
}
ROWS16 = {
    f"rows16_of_{n}": replace(FAMILIES["rows16"], layout=partial(rows16.layout, block_units={1: n}))
    for n in rows16.OTHER_BLOCKS
}
FAMILIES |= ROWS16
FAMILIES |= OF_AVR
IN_C = {
    f"rows4_of_{n}": replace(
        FAMILIES["rows16"],
        pointer="",
        layout=partial(rows16.layout_in_c, units=n),
        cost=rows16.cost_in_c,
        code=partial(rows16.code_in_c, units=n),
    )
    for n in range(rows16.ROWS_IN_C, 0, -1)
}
FAMILIES |= IN_C
OF_KERNELS: dict[str, tuple[str, ...]] = {
    "": (),
    "c": tuple(IN_C),
    "dsp": (
        *("pairs8", "pairs8_two", "blocks8x4", "blocks8x2", "blocks8x2_eight"),
        *("pairs16", "quads4", "overlapped4"),
    ),
    "mve": ("rows16", *ROWS16, "blocks16x4", "blocks16x2", "pairs16", "quads4", "overlapped4"),
    "armv7-m": (
        *("apart8_v7m", "apart8_v7m_two", "blocks8x4_v7m", "blocks8x2_v7m", "blocks8x2_eight_v7m"),
        "halves4_v7m",
    ),
    "armv6-m": (
        *("pairs8_v6m", "pairs8_v6m_two", "blocks8x4_v6m", "blocks8x2_v6m"),
        *("apart8_v6m", "blocks8x4_apart_v6m", "blocks8x2_apart_v6m", "halves4_v6m"),
    ),
    "avr": tuple(OF_AVR),
}
"""The families of a target's kernels: the first that fits, or one like it that costs less."""
