"""The families of kernels for AVR, by the bytes of their sums."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import ModuleType

from rnn2c.packing import bytes8, codes8, columns8, immediate8, nibbles8, signs8
from rnn2c.packing.family import Family

OCTETS = (2, 3)

BYTES = {
    octets: Family(
        "dense8", f"i{8 * octets}", "", 1, "void", False,
        partial(bytes8.layout, octets=octets), bytes8.fits, bytes8.pack,
        bytes8.cost, element="u8", advances=False, shifts=True, code=bytes8.code_bytes,
    )
    for octets in OCTETS
}  # fmt: skip


def _immediate(octets: int, packing: ModuleType = immediate8, weights: str = "") -> Family:
    return replace(
        BYTES[octets],
        weights=weights,
        layout=partial(packing.layout, octets=octets),
        fits=packing.fits,
        pack=immediate8.pack,
        cost=None,
        code=lambda *_: 0,
        immediate=True,
        written=packing.code_bytes,
    )


def _columns(octets: int, apart: bool) -> Family:
    return replace(
        BYTES[octets],
        advances=True,
        layout=partial(columns8.layout, octets=octets, apart=apart),
        fits=columns8.fits,
        pack=columns8.pack,
        cost=columns8.cost,
        code=lambda _, segments, sizes, turn: columns8.code_bytes(segments, turn),
    )


def _nibbles(octets: int) -> Family:
    return replace(
        BYTES[octets],
        weights="dense4",
        layout=partial(nibbles8.layout, octets=octets),
        pack=nibbles8.pack,
        cost=None,
        code=nibbles8.code_bytes,
    )


def _codes(octets: int) -> Family:
    return replace(
        BYTES[octets],
        weights="ternary",
        layout=partial(codes8.layout, octets=octets),
        fits=codes8.fits,
        pack=codes8.pack,
        cost=codes8.cost,
        code=codes8.code_bytes,
        stack=codes8.STACK_BYTES,
    )


OF_AVR = {
    **{f"signs8_{8 * n}": _immediate(n, signs8, "ternary") for n in OCTETS},
    **{f"immediate8_{8 * n}": _immediate(n) for n in OCTETS},
    **{f"codes8_{8 * n}": _codes(n) for n in OCTETS},
    **{f"bytes8_{8 * n}": BYTES[n] for n in OCTETS},
    **{f"columns8_{8 * n}": _columns(n, apart=False) for n in OCTETS},
    **{f"delta8_{8 * n}": _columns(n, apart=True) for n in OCTETS},
    **{f"nibbles8_{8 * n}": _nibbles(n) for n in OCTETS},
}
