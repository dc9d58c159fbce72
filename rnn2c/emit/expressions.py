"""C text of conversions and of indices."""

from __future__ import annotations

from rnn2c.arith_tree import LIMITS, REAL
from rnn2c.ir.program import CTYPES, Elem, Segment


def widened(text: str, type_: str, wanted: str) -> str:
    """A cast where the conversion would not be a plain widening."""
    if type_ == wanted:
        return text
    if REAL in (type_, wanted):
        return f"({CTYPES[wanted]}){text}"
    low, high = LIMITS[wanted]
    lo, hi = LIMITS[type_]
    return text if low <= lo and hi <= high else f"({CTYPES[wanted]}){text}"


def stored(text: str, type_: str, wanted: str) -> str:
    """A cast where the buffer has another type than the value."""
    return text if type_ == wanted else f"({CTYPES[wanted]}){text}"


def index_text(e: Elem) -> str:
    """offset + stride * j, written as briefly as possible."""
    j = {0: "", 1: "j"}.get(e.stride, f"({e.stride}u * j)")
    if not j:
        return f"{e.offset}"
    return f"{j} + {e.offset}u" if e.offset else j.removeprefix("(").removesuffix(")")


def place_text(offset: int, step: int) -> str:
    """offset + step * unit, of a unit of a block."""
    return index_text(Elem("", offset, step)).replace("j", "unit")


def start_text(segment: Segment) -> str:
    """Where the columns of a unit begin, as what is added to their index."""
    if not (segment.offset or segment.stride):
        return ""
    return f" + {index_text(Elem(segment.vector, segment.offset, segment.stride))}"
