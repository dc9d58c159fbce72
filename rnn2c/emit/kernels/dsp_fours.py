"""What kernels of four rows at a time have in common, on cores with SMLAD: the frame, the loops.

Registers: accumulators; then columns of the vector (two in each) and words of weights; lr and r1
run over vector and weights.  On the stack: the sums, the first two vectors or the array of them,
the end of a loop; it is left through `pop`, into registers that hold nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnn2c.emit.kernels.lines import load
from rnn2c.ir.program import Dot
from rnn2c.packing.fours import COLUMNS, ROWS, Layout, Pass, layout

SUMS, VECTORS, END = "[sp, #0]", (4, 8), "[sp, #44]"
COLUMN_BYTES = 2


@dataclass(frozen=True)
class Form:
    """How a kind of kernel does a pass.

    columns: registers; turn: columns of one turn of a loop for each that the level says;
    first(fresh): lines that begin the sums, fresh: where the first word does so itself;
    products(columns, begins): lines for the columns that are in these registers, begins: with the
    first word; last(layout, pass, place): lines that finish the sums.
    """

    columns: tuple[str, ...]
    turn: int
    first: Callable[[bool], list[str]]
    products: Callable[[tuple[str, ...], bool], list[str]]
    last: Callable[[Dot, Layout, Pass, int], list[str]]


def instructions(dot: Dot, form_of: Callable[[Pass], Form]) -> list[str]:
    """The lines of the kernel of a dot product; form_of: how a pass is done."""
    kernel, many = dot.kernel, len(dot.segments)
    rows = layout_of(dot)
    assert kernel is not None
    lines = [{1: "ldr r2, [r2]", 2: "ldrd r2, r3, [r2]"}.get(many, ""), "push {r0, r2-r12, lr}"]
    for place, p in enumerate(rows.passes):
        form = form_of(p)
        turn = form.turn * kernel.turn
        size = padded(dot.segments[p.span[0]].size)
        fresh = not (turn and size // turn >= 2)
        lines += form.first(fresh)
        for k in p.span:
            lines += vector(k, many)
            begins = fresh and k == p.span[0]
            lines += _segment(form, padded(dot.segments[k].size), turn, begins)
        lines += form.last(dot, rows, p, ROWS * place)
    return [*filter(None, lines), "mov r0, r1", "pop {r1-r12, pc}"]


def layout_of(dot: Dot) -> Layout:
    """The passes of a dot product that has been found to have a kernel."""
    form = layout(len(dot.outs), tuple(s.results for s in dot.segments))
    assert form is not None
    return form


def by_words(
    weights: tuple[str, ...], words: int, word: Callable[[str, str, bool, int], list[str]]
) -> Callable[[tuple[str, ...], bool], list[str]]:
    """Products of a Form with so many words of weights for two columns, which go into these
    registers; word(w, x, is_first, k): lines for word k of two columns.
    """

    def products(columns: tuple[str, ...], begins: bool) -> list[str]:
        lines: list[str] = []
        todo = [(x, k) for x in columns for k in range(words)]
        for done in range(0, len(todo), len(weights)):
            batch = todo[done : done + len(weights)]
            lines.append(load("r1!", weights[: len(batch)]))
            for n, (w, (x, which)) in enumerate(zip(weights, batch, strict=False)):
                lines += word(w, x, begins and done + n == 0, which)
        return lines

    return products


def padded(size: int) -> int:
    """Columns of a segment in the stream."""
    return -(-size // COLUMNS) * COLUMNS


def vector(index: int, count: int) -> list[str]:
    """lr points to a vector."""
    if count <= len(VECTORS):
        return [f"ldr lr, [sp, #{VECTORS[index]}]"]
    return [f"ldr lr, [sp, #{VECTORS[0]}]", f"ldr lr, [lr, #{4 * index}]"]


def step(words: int) -> list[str]:
    """lr goes on by so many words."""
    return [f"add lr, lr, #{4 * words}"] if words else []


def store(results: tuple[str, ...], place: int) -> list[str]:
    """Store the four sums of a pass; lr points to all sums."""
    return [*step(place), f"stmia lr, {{{', '.join(results)}}}"]


def _segment(form: Form, size: int, turn: int, begins: bool) -> list[str]:
    """All columns: a loop if it has two turns or more, and the rest."""
    turns = size // turn if turn else 0
    if turns < 2:
        return _columns(form, size, begins)
    return [
        f"add r12, lr, #{turns * turn * COLUMN_BYTES}",
        f"str r12, {END}",
        ".balign 4",
        "1:",
        *_columns(form, turn, False),
        f"ldr r12, {END}",
        "cmp lr, r12",
        "bne 1b",
        *_columns(form, size - turns * turn, False),
    ]


def _columns(form: Form, count: int, begins: bool) -> list[str]:
    """`count` columns straight on; begins: the first word begins the sums."""
    lines: list[str] = []
    for done in range(0, count, COLUMNS * len(form.columns)):
        columns = form.columns[: (count - done) // COLUMNS]
        lines += [load("lr!", columns), *form.products(columns, begins and not done)]
    return lines
