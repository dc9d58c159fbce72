"""Kernels for Cortex-M3 (ARMv7-M without SMLAD): weights in the packing pairs8, vectors of words.

Registers: accumulators, two for a pair of rows; r1 and lr run over weights and vector.  On the
stack: the sums, the second vector or all of them, the end of a loop; it is left through `pop`, into
registers that hold nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.emit.kernels.lines import repeated
from rnn2c.ir.program import Dot, Kernel
from rnn2c.packing import pairs8
from rnn2c.packing.pairs8 import Layout, Pair

ACCUMULATORS = ("r0", "r2", "r3", "r4", "r5", "r6")
FREE = ("r7", "r8", "r9", "r10", "r11", "r12")
"""They hold nothing when the columns of a segment are done."""

SUMS, VECTORS, END = "[sp, #0]", "[sp, #4]", "[sp, #8]"
COLUMNS, COLUMN_BYTES = 2, 4


@dataclass(frozen=True)
class Registers:
    """What holds two columns, weights and the row at hand; `end`: that of a loop, or where to
    read it from memory.
    """

    columns: tuple[str, str]
    weights: tuple[str, ...]
    row: str
    end: str


TWO_PAIRS = Registers(("r5", "r6"), ("r9", "r10", "r11", "r12"), "r7", "r8")
THREE_PAIRS = Registers(("r7", "r8"), ("r9", "r10", "r11"), "r12", "")


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    kernel = dot.kernel
    form = pairs8.layout(len(dot.outs), tuple(s.results for s in dot.segments), COLUMNS)
    assert kernel is not None
    assert form is not None
    lines: list[str] = []
    for k, segment in enumerate(dot.segments):
        lines += _vector(k, len(dot.segments))
        for p in (p for p in form.pairs if p.first == k):
            lines.append(_load("r1!", _accumulators(p)))
        lines += _segment(form.of(k), segment.size, kernel.turn, str(k + 1))
        lines += _finish(form, kernel, k)
    return [*lines, "mov r0, r1", "pop {r1-r11, pc}"]


def _vector(index: int, count: int) -> list[str]:
    """Begin with a vector: lr points to it.  With the first one the registers are saved."""
    if index == 0:
        begin = "ldrd r12, r2, [r2]" if count == 2 else "ldr r12, [r2]"
        return [begin, "push {r0, r2-r11, lr}", "mov lr, r12"]
    if count == 2:
        return [f"ldr lr, {VECTORS}"]
    return [f"ldr lr, {VECTORS}", f"ldr lr, [lr, #{4 * index}]"]


def _load(source: str, registers: tuple[str, ...]) -> str:
    if len(registers) == 1:
        return f"ldr {registers[0]}, [{source.removesuffix('!')}], #4"
    return f"ldmia {source}, {{{', '.join(registers)}}}"


def _accumulators(p: Pair) -> tuple[str, str]:
    return ACCUMULATORS[2 * p.slot], ACCUMULATORS[2 * p.slot + 1]


def _segment(pairs: tuple[Pair, ...], size: int, turn: int, label: str) -> list[str]:
    """All columns: a loop of `turn` columns if it has two turns or more, and the rest."""
    size = -(-size // 2) * 2
    turns = size // turn if turn else 0
    if turns < 2:
        return _columns(pairs, size)
    registers = _registers(pairs)
    end = registers.end or registers.row
    lines = [f"add {end}, lr, #{turns * turn * COLUMN_BYTES}"]
    if not registers.end:
        lines.append(f"str {end}, {END}")
    lines += [".balign 4", f"{label}:", *_columns(pairs, turn)]
    if not registers.end:
        lines.append(f"ldr {end}, {END}")
    return [*lines, f"cmp lr, {end}", f"bne {label}b", *_columns(pairs, size - turns * turn)]


def _registers(pairs: tuple[Pair, ...]) -> Registers:
    return THREE_PAIRS if max(p.slot for p in pairs) == 2 else TWO_PAIRS


def _columns(pairs: tuple[Pair, ...], count: int) -> list[str]:
    """`count` columns, an even number, straight on."""
    registers = _registers(pairs)
    at_once = max(len(registers.weights) // len(pairs), 1)  # two columns each
    whole, rest = divmod(count // 2, at_once)
    some = _twos(pairs, registers, rest) if rest else []
    return repeated(_twos(pairs, registers, at_once), whole) + some


def _twos(pairs: tuple[Pair, ...], registers: Registers, count: int) -> list[str]:
    """`count` times two columns, whose weights are loaded at once."""
    weights = registers.weights[: count * len(pairs)]
    lines = [_load("r1!", weights)]
    for k, w in enumerate(weights):
        if k % len(pairs) == 0:
            lines.append(_load("lr!", registers.columns))
        lines += _products(w, registers, *_accumulators(pairs[k % len(pairs)]))
    return lines


def _products(w: str, registers: Registers, high: str, low: str) -> list[str]:
    """A word of weights: two rows, two columns."""
    (first, second), row = registers.columns, registers.row
    return [
        f"sxtb {row}, {w}",
        f"mla {low}, {row}, {first}, {low}",
        f"sxth {row}, {w}",
        f"mla {high}, {row}, {first}, {high}",
        f"sxtb {row}, {w}, ror #16",
        f"mla {low}, {row}, {second}, {low}",
        f"asr {w}, {w}, #16",
        f"mla {high}, {w}, {second}, {high}",
    ]


def _finish(form: Layout, kernel: Kernel, segment: int) -> list[str]:
    """Take the pairs that end here apart, requantize and store them."""
    ending = [p for p in form.of(segment) if p.last == segment]
    if not ending:
        return []
    lines = []
    for p in ending:
        high, low = _accumulators(p)
        lines.append(f"sub {high}, {high}, {low}")
        if not kernel.raised[p.high[0]][p.high[1]]:
            lines.append(f"asr {high}, {high}, #8")
    of_row = dict(
        zip(form.ending(segment), [a for p in ending for a in _accumulators(p)], strict=True)
    )
    scaled = [a for (_, r), a in of_row.items() if r in kernel.scaled]
    if scaled:
        words = FREE[-len(scaled) :]
        lines.append(_load("r1!", words))
        for a, w in zip(scaled, words, strict=True):
            lines += [f"smull {w}, {a}, {a}, {w}", f"add {a}, {a}, {w}, lsr #31"]
    lines.append(f"ldr lr, {SUMS}")
    if [p.slot for p in ending] == list(range(len(ending))) and ending[0].place == 0:
        return [*lines, f"stmia lr, {{{', '.join(of_row.values())}}}"]
    return lines + [
        f"strd {high}, {low}, [lr, #{4 * p.place}]"
        for p, (high, low) in ((p, _accumulators(p)) for p in ending)
    ]
