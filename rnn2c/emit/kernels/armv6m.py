"""Kernels for Cortex-M0 and M0+ (ARMv6-M): weights in the packing pairs8, vectors of words.

A product needs low registers, so the accumulators, two for a pair of rows, are high ones; r0 and r1
run over weights and vector.  On the stack: the sums, the end of a loop, the vectors.
"""

from __future__ import annotations

from rnn2c.emit.kernels.layouts import layout_of
from rnn2c.emit.kernels.lines import repeated, saturation, turn_of
from rnn2c.ir.program import Call, Dot
from rnn2c.packing.pairs8 import Layout, Pair

ACCUMULATORS = ("r8", "r9", "r10", "r11", "r12", "lr")
LOW = ("r2", "r3", "r4", "r5", "r6", "r7")
"""They hold nothing when the columns of a segment are done."""

WEIGHTS = ("r2", "r3", "r7")
FIRST, SECOND, ROW = "r4", "r5", "r6"
SUMS, END, VECTORS = "[sp, #0]", "[sp, #4]", "[sp, #8]"
FREE = "lr"
"""Of two pairs: it holds the end of a loop."""
COLUMN_BYTES = 4
NEAR = 120
"""Instructions that a conditional branch can go back."""

# The frame of a kernel: all registers are saved, then come three words of its own.
BEGIN = (
    ".syntax unified",
    "push {r4-r7, lr}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {r4-r7}",
)
RESTORE = (
    "pop {r4-r7}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {r4-r7, pc}",
)
END_OF_KERNEL = ("add sp, #12", *RESTORE)


def instructions(dot: Dot, types: tuple[str, ...]) -> list[str]:
    """The lines of the kernel of a dot product."""
    kernel = dot.kernel
    form = layout_of(dot, types, Layout)
    assert kernel is not None
    lines = [*BEGIN, "push {r0-r2}", "mov r0, r1"]
    for k, segment in enumerate(dot.segments):
        lines += _vector(k) + first_values([p for p in form.pairs if p.first == k])
        lines += _segment(form, k, segment.size, kernel.turn)
        lines += finish([p for p in form.of(k) if p.last == k], form.apart)
    return [*lines, *END_OF_KERNEL]


def special(call: Call, _: str) -> tuple[str, tuple[str, ...], str] | None:
    """A call with these literals as a function of its own: end of its name, body.  None: no need.

    The product to requantize has up to 48 bits; without its lowest 16 it fits, and what is shifted
    out with them never changes how the rest is rounded.
    """
    if found := saturation(call):
        bits, shift, ctype, name = found
        value = f"x >> {shift}" if shift else "x"
        return (name, _saturated(value, bits, ctype), "") if bits < 32 else None
    match call.primitive, call.arguments[1:]:
        case "requantize_wide", (multiplier, int(shift)) if shift >= 17 and not isinstance(
            multiplier, int
        ):
            half = f"(product >> {shift - 17})" if shift > 17 else "product"
            body = (
                "const int32_t lowest = acc & 65535;",
                "const uint32_t low = (uint32_t)lowest * (uint32_t)multiplier;",
                "const int32_t high = (acc >> 16) * (int32_t)multiplier;",
                "const int32_t product = high + (int32_t)(low >> 16);",
                f"return ({half} + 1) >> 1;",
            )
            return f"_{shift}", body, ""
    return None


def _saturated(value: str, bits: int, ctype: str) -> tuple[str, ...]:
    """Both ways take the same number of instructions."""
    top = 2 ** (bits - 1) - 1
    lines = [
        *(".syntax unified", f"lsls %0, %1, #{32 - bits}", f"asrs %0, %0, #{32 - bits}"),
        *("cmp %0, %1", "beq 1f", "asrs %0, %1, #31", "eors %0, %2", "b 2f"),
        *("1:", "nop", "nop", "nop", "2:"),
    ]
    assembly = r"\n\t".join(lines)
    return (
        f"const int32_t whole = {value};",
        "int32_t limited;",
        f'__asm__("{assembly}" : "=&l"(limited) : "l"(whole), "l"({top}) : "cc");',
        f"RNN2C_KNOWN((limited >= -{top + 1}) && (limited <= {top}));" if bits <= 16 else "",
        "return limited;" if ctype == "int32_t" else f"return ({ctype})limited;",
    )


def _vector(index: int) -> list[str]:
    """r1 points to a vector; r2 to all of them at the beginning."""
    if index == 0:
        return ["ldr r1, [r2]"]
    return [f"ldr r1, {VECTORS}", *constant("r2", 4 * index), "ldr r1, [r1, r2]"]


def constant(register: str, value: int) -> list[str]:
    """A number of up to 16 bits."""
    if value < 256:
        return [f"movs {register}, #{value}"]
    lines = [f"movs {register}, #{value >> 8}", f"lsls {register}, {register}, #8"]
    return [*lines, f"adds {register}, #{value & 255}"] if value & 255 else lines


def _accumulators(p: Pair) -> tuple[str, str]:
    return ACCUMULATORS[2 * p.slot], ACCUMULATORS[2 * p.slot + 1]


def first_values(beginning: list[Pair]) -> list[str]:
    """The accumulators of pairs from the stream."""
    if not beginning:
        return []
    targets = [a for p in beginning for a in _accumulators(p)]
    load = f"ldmia r0!, {{{', '.join(LOW[: len(targets)])}}}"
    return [load, *(f"mov {a}, {r}" for a, r in zip(targets, LOW, strict=False))]


def _segment(form: Layout, index: int, size: int, turn: int) -> list[str]:
    """All columns: a loop of half of `turn` columns if it has two turns or more, and the rest."""
    size = -(-size // 2) * 2
    turn = turn_of(size, max(turn // 2, 2) if turn else 0)
    two_columns, label = _columns(form.of(index), form.apart), index + 1
    if not turn:
        return repeated(two_columns, size // 2)
    is_near = len(two_columns) * (turn // 2) <= NEAR
    back = [f"bne {label}b"] if is_near else [f"beq {label}f", f"b {label}b", f"{label}:"]
    is_free = all(FREE not in _accumulators(p) for p in form.pairs)
    return [
        *constant(ROW, (size - size % turn) * COLUMN_BYTES),
        f"adds {ROW}, {ROW}, r1",
        f"mov {FREE}, {ROW}" if is_free else f"str {ROW}, {END}",
        f"{label}:",
        *repeated(two_columns, turn // 2),
        *([f"cmp r1, {FREE}"] if is_free else [f"ldr {ROW}, {END}", f"cmp r1, {ROW}"]),
        *back,
        *repeated(two_columns, (size % turn) // 2),
    ]


def _columns(pairs: tuple[Pair, ...], apart: bool) -> list[str]:
    """Two columns."""
    return [f"ldmia r1!, {{{FIRST}, {SECOND}}}", *products(pairs, apart)]


def products(pairs: tuple[Pair, ...], apart: bool) -> list[str]:
    """Those of the next words with two columns that have been loaded."""
    weights = WEIGHTS[: len(pairs)]
    lines = [f"ldmia r0!, {{{', '.join(weights)}}}"]
    for w, p in zip(weights, pairs, strict=True):
        high, low = _accumulators(p)
        for column in (FIRST, SECOND):
            lines += [f"sxtb {ROW}, {w}", f"muls {ROW}, {column}, {ROW}", f"add {low}, {ROW}"]
            if apart:
                lines += [f"asrs {w}, {w}, #8"]
            if column == FIRST:
                lines += [f"{'sxtb' if apart else 'sxth'} {ROW}, {w}"]
                lines += [f"muls {ROW}, {column}, {ROW}", f"add {high}, {ROW}"]
                lines += [f"asrs {w}, {w}, #{8 if apart else 16}"]
        lines += [f"muls {w}, {SECOND}, {w}", f"add {high}, {w}"]
    return lines


def finish(ending: list[Pair], apart: bool) -> list[str]:
    """Take the pairs that end here apart and store their sums."""
    if not ending:
        return []
    lines = [f"ldr r1, {SUMS}"]
    values = LOW[: 2 * len(ending)]
    for k, p in enumerate(ending):
        high, low = values[2 * k : 2 * k + 2]
        lines += [f"mov {r}, {a}" for r, a in zip((high, low), _accumulators(p), strict=True)]
        if not apart:
            lines += [f"subs {high}, {high}, {low}", f"asrs {high}, {high}, #8"]
    if [p.place for p in ending] == [2 * k for k in range(len(ending))]:
        return [*lines, f"stmia r1!, {{{', '.join(values)}}}"]
    places = [at for p in ending for at in (p.place, p.place + 1)]
    return lines + [f"str {r}, [r1, #{4 * at}]" for r, at in zip(values, places, strict=True)]
