"""Kernels for cores with MVE (Cortex-M55, M85): weights in the packing rows16.

Registers: accumulators, which have to be even ones; r1 runs over the weights, r3 or r11 over a
vector, q0 holds a chunk of it, q1 to q3 the weights.  Vectors are read as they lie: lanes beyond
the last column are left out.
"""

from __future__ import annotations

from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.emit.kernels.lines import load
from rnn2c.ir.program import Dot, Kernel
from rnn2c.packing import rows16
from rnn2c.packing.rows16 import Layout, Sum

ACCUMULATORS = ("r2", "r4", "r6", "r8", "r10", "r12")
FREE, FREE_AT_END = ("r5", "r7", "r9"), ("r3", "r5", "r7", "r9", "r11", "lr")
"""They hold nothing when the columns of a segment are done, or those of the last one."""

CHUNK_BYTES = 16
"""Of a vector."""

COLUMNS_OF_TURN = 8
"""For so many columns of a turn of other kernels there is one chunk."""

INSTRUCTIONS = {
    "i8": ("vctp.8", "vldrb{}.u8", "vldrb.u8", "vmladava.s8"),
    "i16": ("vctp.16", "vldrh{}.u16", "vldrb.s16", "vmladava.s16"),
}
"""Element type -> leave lanes out, load of a vector, load of weights, multiply-accumulate."""


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product; types: the elements of its vectors."""
    kernel = dot.kernel
    assert kernel is not None
    form = layout_of(dot, types, Layout)
    last = len(dot.segments) - 1
    lines = ["push {r3-r11, lr}"]
    for k, segment in enumerate(dot.segments):
        made, vector = _vector(k, last + 1)
        lines += made
        beginning = [accumulator(s) for s in form.beginning(k)]
        lines += [load("r1!", beginning)] if beginning else []
        turn = -(-kernel.turn // COLUMNS_OF_TURN)
        lines += columns_of(form.of(k), segment.size, types[k], vector, turn, str(k + 1))
        lines += finish(form, kernel, k, FREE_AT_END if k == last else FREE)
    return [*lines, "mov r0, r1", "pop {r3-r11, pc}"]


def _vector(index: int, count: int) -> tuple[list[str], str]:
    """Begin with a vector, and the register that points to it."""
    if count == 1:
        return ["ldr r3, [r2]"], "r3"
    if count == 2:
        return (["ldrd r3, r11, [r2]"], "r3") if index == 0 else ([], "r11")
    kept = ["mov r11, r2"] if index == 0 else []
    return [*kept, f"ldr r3, [r11, #{4 * index}]"], "r3"


def accumulator(s: Sum) -> str:
    """The register of a sum."""
    return ACCUMULATORS[s.slot]


def columns_of(
    sums: tuple[Sum, ...], size: int, element: str, vector: str, turn: int, label: str
) -> list[str]:
    """All columns: a loop of `turn` chunks if it has two turns or more, and the rest."""
    columns = rows16.CHUNK[element]
    chunks, rest = divmod(size, columns)
    turns = chunks // turn if turn else 0
    chunk = _chunk(sums, element, vector, columns)
    lines: list[str] = []
    if turns >= 2:
        lines += [f"mov r5, #{turns}", "dls lr, r5", f"{label}:", *chunk * turn, f"le lr, {label}b"]
        chunks -= turns * turn
    lines += chunk * chunks
    return lines + (_chunk(sums, element, vector, rest) if rest else [])


def _chunk(sums: tuple[Sum, ...], element: str, vector: str, columns: int) -> list[str]:
    """The next columns, as many as a chunk has or the last ones."""
    begin, chunk, weights, multiply = INSTRUCTIONS[element]
    if columns == rows16.CHUNK[element]:
        lines = [f"{chunk.format('')} q0, [{vector}], #{CHUNK_BYTES}"]
    else:
        lines = [
            f"mov r5, #{columns}",
            f"{begin} r5",
            "vpst",
            f"{chunk.format('t')} q0, [{vector}]",
        ]
    filling = -len(sums) * columns % rows16.WORD
    for k, s in enumerate(sums):
        step = columns + (filling if s is sums[-1] else 0)
        q = f"q{1 + k % 3}"
        lines += [f"{weights} {q}, [r1], #{step}", f"{multiply} {accumulator(s)}, q0, {q}"]
    return lines


def finish(form: Layout, kernel: Kernel, segment: int, free: tuple[str, ...]) -> list[str]:
    """Requantize the sums that end here and store them."""
    ending = form.ending(segment)
    scaled = [s for s in ending if s.row[1] in kernel.scaled]
    lines: list[str] = []
    for k in range(0, len(scaled), len(free)):
        batch = scaled[k : k + len(free)]
        factors = free[: len(batch)]
        lines.append(load("r1!", factors))
        for s, factor in zip(batch, factors, strict=True):
            lines.append(f"smmulr {accumulator(s)}, {accumulator(s)}, {factor}")
    place = {s: form.places[s.row[0]][s.row[1]] for s in ending}
    if len(ending) > 1 and [place[s] for s in ending] == list(range(len(ending))):
        return [*lines, f"stmia r0, {{{', '.join(map(accumulator, ending))}}}"]
    return lines + [f"str {accumulator(s)}, [r0, #{4 * place[s]}]" for s in ending]
