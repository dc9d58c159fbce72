"""Kernels for AVR that multiply only stored columns of weights (packing/columns8.py).

X runs over a vector: from column to column it goes on by what stands before the weights.  A kernel
returns where the next unit begins, as units have different lengths.
"""

from __future__ import annotations

from collections.abc import Sequence

from rnn2c.emit.kernels.avr import REACH, Registers, of_unit, products, registers, vector
from rnn2c.emit.kernels.avr_far import RETURNED
from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.ir.program import Dot
from rnn2c.packing.columns8 import Layout, turn_columns


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product; types: the elements of the vectors."""
    form, kernel = layout_of(dot, types, Layout), dot.kernel
    assert kernel is not None
    r = registers(form, (True,), needs_zero=True)
    sums = []
    for s, rows in form.groups:
        results = [dot.segments[s].results[k] for k in rows]
        lines = column_lines(results, types[s], kernel.turn, r)
        sums.append([*vector(s), *lines])
    return of_unit(form, kernel, r, sums, end=[RETURNED])


def column_lines(results: Sequence[int], element: str, turn: int, r: Registers) -> list[str]:
    """All stored columns of these rows: a loop, entered in the middle for an odd number of them."""
    column = [f"lpm {r.weight}, Z+", f"add r26, {r.weight}", f"adc r27, {r.zero}"]
    column += [f"ld {r.element}, X+", *([f"ld {r.high}, X+"] if element == "i16" else [])]
    column += products(results, element, False, r)
    lines, more = [f"lpm {r.count}, Z+"], []
    if turn_columns(turn) == 2:
        lines += [f"inc {r.count}", f"lsr {r.count}", "brcc 2f"]
        more = ["2:", *column]
    is_near = len(column) + len(more) < REACH
    back = ["brne 1b"] if is_near else ["breq 3f", "rjmp 1b", "3:"]
    return [*lines, "1:", *column, *more, f"dec {r.count}", *back]
