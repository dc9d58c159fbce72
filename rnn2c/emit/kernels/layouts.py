"""The layout of a dot product that has been found to have a kernel."""

from __future__ import annotations

from typing import TypeVar

from rnn2c.ir.program import Dot
from rnn2c.packing.families import FAMILIES

L = TypeVar("L")


def layout_of(dot: Dot, types: tuple[str, ...], kind: type[L]) -> L:
    """The layout, of the class that the kernel's packing has; types: of the vectors."""
    assert dot.kernel is not None
    segments = tuple(s.results for s in dot.segments)
    form = FAMILIES[dot.kernel.family].layout(len(dot.outs), segments, types)
    assert isinstance(form, kind)
    return form
