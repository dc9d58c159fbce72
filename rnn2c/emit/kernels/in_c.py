"""Kernels in C, for cores that multiply two numbers at a time: weights in the packing rows16.

All sums of a block are variables; a turn of a loop has the columns of one chunk or two, so that a
weight takes a load, a multiplication and an addition, and little more.
"""

from __future__ import annotations

from collections.abc import Iterable

from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.ir.program import CTYPES, Dot, Kernel
from rnn2c.packing.rows16 import WORD, Layout, Sum, chunks_in_c


def function(doc: str, name: str, dot: Dot, types: tuple[str, ...], prefix: str) -> str:
    """The function, which may call PREFIX_high_round; types: the elements of its vectors."""
    vectors = [f"const {CTYPES[t]} *x{k}" for k, t in enumerate(types)]
    return "\n".join(
        [
            f"/* {doc} */",
            "RNN2C_ATTR_CODE",
            f"static {name}(int32_t *sums, const uint32_t *w, {', '.join(vectors)})",
            "{",
            *(f"    {line}" for line in _lines(dot, types, prefix)),
            "}",
        ]
    )


def _lines(dot: Dot, types: tuple[str, ...], prefix: str) -> list[str]:
    kernel = dot.kernel
    assert kernel is not None
    form = layout_of(dot, types, Layout)
    found = [f"int32_t {name};" for name in _accumulators(form.sums)]
    at = 0
    for k, segment in enumerate(dot.segments):
        beginning, ending = form.beginning(k), form.ending(k)
        found += [f"{_name(s)} = (int32_t)w[{at + i}];" for i, s in enumerate(beginning)]
        at += len(beginning)
        chunks = chunks_in_c(kernel.turn)
        made, words = _segment(form, k, segment.size, chunks, at)
        found += made
        at += words
        made, words = _finish(form, kernel, ending, at, prefix)
        found += made
        at += words
    return [*found, f"return &w[{at}];"]


def _name(s: Sum) -> str:
    return f"sum{s.slot}"


def _accumulators(sums: Iterable[Sum]) -> list[str]:
    return sorted({_name(s) for s in sums})


def _segment(form: Layout, k: int, size: int, chunks: int, at: int) -> tuple[list[str], int]:
    """All columns of a segment, in a scope of their own; and how many words their weights take."""
    sums, columns = form.of(k), form.chunk[k]
    turn = chunks * columns
    turns = size // turn
    lines = [f"const int8_t *row = (const int8_t *)&w[{at}];"]
    words, done = 0, 0
    if turns > 1:
        of_turn, bytes_ = _columns(sums, columns, turn, k, "k")
        lines += [f"for (uint_fast16_t k = 0u; k < {turns * turn}u; k += {turn}u) {{"]
        lines += [*(f"    {line}" for line in of_turn), f"    row += {bytes_};", "}"]
        words, done = turns * bytes_ // WORD, turns * turn
    if done < size:
        rest, bytes_ = _columns(sums, columns, size - done, k, "", done)
        lines += rest
        words += bytes_ // WORD
    return ["{", *(f"    {line}" for line in lines), "}"], words


def _columns(
    sums: tuple[Sum, ...], columns: int, count: int, k: int, index: str, first: int = 0
) -> tuple[list[str], int]:
    """So many columns from `first` on, written out, and the bytes of their weights."""
    lines: list[str] = []
    at = 0
    for begin in range(0, count, columns):
        here = min(columns, count - begin)
        for c in range(here):
            place = f"{first + begin + c}u" if not index or first + begin + c else ""
            lines += [
                "{",
                f"    const int32_t v = x{k}[{' + '.join(filter(None, [index, place]))}];",
            ]
            lines += [
                f"    {_name(s)} += row[{at + i * here + c}] * v;" for i, s in enumerate(sums)
            ]
            lines += ["}", "RNN2C_COLUMN_DONE();"]
        at += -(-len(sums) * here // WORD) * WORD
    return lines, at


def _finish(
    form: Layout, kernel: Kernel, ending: tuple[Sum, ...], at: int, prefix: str
) -> tuple[list[str], int]:
    """Store the sums that end here, requantized if they are scaled; how many words that takes."""
    lines: list[str] = []
    words = 0
    for s in ending:
        unit, result = s.row
        value = _name(s)
        if result in kernel.scaled:
            value = f"{prefix}_high_round({value}, (int32_t)w[{at + words}])"
            words += 1
        lines.append(f"sums[{form.places[unit][result]}] = {value};")
    return lines, words
