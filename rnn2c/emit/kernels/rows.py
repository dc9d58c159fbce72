"""What kernels of rows as they are have in common (packings rows16 and blocks16)."""

from __future__ import annotations

from rnn2c.ir.program import Dot
from rnn2c.packing.families import FAMILIES
from rnn2c.packing.rows16 import Layout


def layout_of(dot: Dot, types: tuple[str, ...]) -> Layout:
    """The layout of a dot product that has been found to have a kernel; types: of its vectors."""
    assert dot.kernel is not None
    segments = tuple(s.results for s in dot.segments)
    form = FAMILIES[dot.kernel.family].layout(len(dot.outs), segments, types)
    assert isinstance(form, Layout)
    return form
