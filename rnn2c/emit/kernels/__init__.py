"""Kernels: the functions that compute dot products, one generator per kind of core.

A kernel `const uint32_t *NAME(int32_t *sums, const uint32_t *w, const T *const *vectors)`
writes the sums of one block of units and returns where the weights of the next block begin; on AVR
it does so only where units have different lengths.  It is in assembly; one in C, where its family
names no pointer, takes every vector by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from rnn2c.data import templates_dir
from rnn2c.emit.flash import Flash
from rnn2c.emit.kernels import (
    armv6m,
    armv6m_blocks,
    armv6m_halves,
    armv7m,
    armv7m_blocks,
    armv7m_halves,
    avr,
    avr_codes,
    avr_columns,
    avr_far,
    avr_immediate,
    avr_nibbles,
    avr_operations,
    avr_signs,
    dsp,
    dsp4,
    dsp16,
    dsp_blocks,
    dsp_overlapped,
    in_c,
    mve,
    mve_blocks,
)
from rnn2c.ir.program import CTYPES, Call, Dot, Program
from rnn2c.packing.blocks import Content, content_of
from rnn2c.packing.families import FAMILIES, ROWS16


class Special(NamedTuple):
    """A function of its own for a call: the end of its name, its body, and the type of its first
    parameter where that is not the primitive's.
    """

    end: str
    body: tuple[str, ...]
    type: str = ""


SPECIAL: dict[str, Callable[[Call, str], tuple[str, tuple[str, ...], str] | None]] = {
    "dsp": dsp.special,
    "mve": dsp.special,
    "armv7-m": dsp.special,
    "armv6-m": armv6m.special,
    "avr": avr_operations.special,
}
GENERATORS: dict[str, Callable[[Dot, tuple[str, ...]], list[str]]] = {
    "pairs8": dsp.instructions,
    "blocks8x4": partial(dsp_blocks.instructions, columns=4),
    "blocks8x2": partial(dsp_blocks.instructions, columns=2),
    "blocks8x2_eight": partial(dsp_blocks.instructions, columns=2),
    "blocks8x4_v7m": partial(armv7m_blocks.instructions, columns=4),
    "blocks8x2_v7m": partial(armv7m_blocks.instructions, columns=2),
    "blocks8x2_eight_v7m": partial(armv7m_blocks.instructions, columns=2),
    "blocks8x4_v6m": partial(armv6m_blocks.instructions, columns=4),
    "blocks8x2_v6m": partial(armv6m_blocks.instructions, columns=2),
    "blocks8x4_apart_v6m": partial(armv6m_blocks.instructions, columns=4),
    "blocks8x2_apart_v6m": partial(armv6m_blocks.instructions, columns=2),
    "pairs16": dsp16.instructions,
    "quads4": dsp4.instructions,
    "overlapped4": dsp_overlapped.instructions,
    "pairs8_two": dsp.instructions,
    "rows16": mve.instructions,
    "blocks16x4": partial(mve_blocks.instructions, columns=4),
    "blocks16x2": partial(mve_blocks.instructions, columns=2),
    **dict.fromkeys(ROWS16, mve.instructions),
    "apart8_v7m": armv7m.instructions,
    "apart8_v7m_two": armv7m.instructions,
    "pairs8_v6m": armv6m.instructions,
    "pairs8_v6m_two": armv6m.instructions,
    "apart8_v6m": armv6m.instructions,
    "halves4_v7m": armv7m_halves.instructions,
    "halves4_v6m": armv6m_halves.instructions,
    "bytes8_16": avr.instructions,
    "bytes8_24": avr.instructions,
    "codes8_16": avr_codes.instructions,
    "codes8_24": avr_codes.instructions,
    "nibbles8_16": avr_nibbles.instructions,
    "nibbles8_24": avr_nibbles.instructions,
    **{f"{name}8_{n}": avr_columns.instructions for name in ("columns", "delta") for n in (16, 24)},
}
IMMEDIATE: dict[str, Callable[[Dot, tuple[str, ...], Content], list[str]]] = {
    "immediate8_16": avr_immediate.instructions,
    "immediate8_24": avr_immediate.instructions,
    "signs8_16": avr_signs.instructions,
    "signs8_24": avr_signs.instructions,
}
"""Kernels with the weights in them."""
TOTALS: dict[str, Callable[[Dot, tuple[str, ...]], tuple[int, list[str]]]] = {
    "quads4": dsp4.totals,
    "halves4_v7m": armv7m_halves.totals,
    "halves4_v6m": armv6m_halves.totals,
    "bytes8_24": avr.totals,
    "nibbles8_16": avr_nibbles.totals,
    "nibbles8_24": avr_nibbles.totals,
}
"""Kernels that need totals of the vectors behind the sums: how many, and what computes them."""

CLOBBERED = {
    "arm": '"r0", "r1", "r2", "r3", "r12", "lr", "cc", "memory"',
    "avr": ", ".join(f'"r{n}"' for n in (0, *range(18, 28), 30, 31)) + ', "memory"',
}
"""What a function need not give back as it was, by the harness of a target."""


def kernel_name(dot: Dot) -> str:
    """Name of the function that computes the sums of a dot product, without the model's name."""
    return f"{dot.weight.removesuffix('weights')}sums"


def delivered(dot: Dot) -> tuple[str, ...]:
    """The results of a kernel that are of use behind it."""
    assert dot.kernel is not None
    added = {b for _, b in dot.kernel.joined}
    return tuple(out for r, out in enumerate(dot.outs) if r not in added)


def totals_name(dot: Dot) -> str:
    """Name of the function that computes what the kernel of all blocks has in common."""
    return f"{dot.weight.removesuffix('weights')}totals"


def totals_count(dot: Dot, types: tuple[str, ...]) -> int:
    """Room for totals behind the sums of a kernel, in sums; types: the elements of its vectors."""
    assert dot.kernel is not None
    return TOTALS[dot.kernel.family](dot, types)[0] if dot.kernel.family in TOTALS else 0


def kernel_primitives(program: Program) -> set[str]:
    """The primitives that kernels in C call."""
    kernels = [dot.kernel for dot in program.kernels if dot.kernel is not None]
    return {"high_round" for k in kernels if k.scaled and not FAMILIES[k.family].pointer}


def kernel_functions(program: Program, within: Container[str] = ()) -> list[str]:
    """The C text of every kernel that the program calls; within: the weights of those that are
    parts of something else.
    """
    texts = []
    for dot in program.kernels:
        types = tuple(program.buffer[s.vector].type for s in dot.segments)
        if dot.weight in within:
            continue
        if totals_count(dot, types):
            texts.append(_totals(program, dot, types))
        texts.append(_kernel(program, dot, types))
    return texts


def own_body(variants: tuple[str, ...], primitive: str, folder: str = "arith") -> tuple[str, ...]:
    """The lines of the body that the first variant with one gives a primitive, nothing if none."""
    for variant in variants:
        path = templates_dir() / variant / folder / f"{primitive}.c"
        if path.is_file():
            return tuple(path.read_text(encoding="ascii").splitlines())
    return ()


def choice_bodies(variants: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """How variants choose the smaller and the larger of two numbers without a branch; nothing where
    they do it with ?:.
    """
    bodies = {which: own_body(variants, which, "choice") for which in ("minimum", "maximum")}
    return {which: body for which, body in bodies.items() if body}


def product_body(variants: tuple[str, ...]) -> tuple[str, ...]:
    """How variants multiply a number by a byte where the core has no instruction for it, in as many
    instructions for all of them; nothing where it has one.
    """
    return own_body(variants, "product", "product")


def special(kernels: str, call: Call, type_: str) -> Special | None:
    """What a variant makes of a call with these literals, for a first argument of this type.  None:
    the primitive itself.
    """
    found = SPECIAL[kernels](call, type_) if kernels in SPECIAL else None
    return Special(*found) if found else None


def _kernel(program: Program, dot: Dot, types: tuple[str, ...]) -> str:
    rows = " ".join(delivered(dot))
    columns = ", then ".join(f"{s.size} columns of {s.vector}" for s in dot.segments)
    assert dot.kernel is not None
    family = FAMILIES[dot.kernel.family]
    stream = CTYPES[family.element]
    many = "a unit" if dot.kernel.units == 1 else f"{dot.kernel.units} units"
    doc = f"The sums {rows} of {many}: {columns}."
    is_far = program.target.constants == "far"
    returns = Flash(is_far).pointer(stream) if family.advances else "void "
    name = f"{returns}{program.name}_{kernel_name(dot)}"
    if not family.pointer:
        return in_c.function(doc, name, dot, types, program.name)
    sums, vectors = f"{CTYPES[dot.type]} *sums", f"const {family.pointer} *const *vectors"
    parameters: tuple[str, ...] = (sums, f"const {stream} *w", vectors)
    if family.immediate:
        lines = IMMEDIATE[dot.kernel.family](dot, types, content_of(program, dot))
        parameters = (sums, "uint_fast16_t unit", vectors)
    else:
        lines = GENERATORS[dot.kernel.family](dot, types)
        if is_far:
            parameters = (sums, "uint16_t w", vectors, "uint8_t w_high")
            lines = avr_far.far(lines)
    return assembly_function(doc, name, parameters, lines, program.target.harness)


def _totals(program: Program, dot: Dot, types: tuple[str, ...]) -> str:
    assert dot.kernel is not None
    pointer = FAMILIES[dot.kernel.family].pointer
    return assembly_function(
        "By what the rows of each group are too large: a multiple of the sum of their vectors.",
        f"void {program.name}_{totals_name(dot)}",
        (f"{CTYPES[dot.type]} *totals", f"const {pointer} *const *vectors"),
        TOTALS[dot.kernel.family](dot, types)[1],
        program.target.harness,
    )


def assembly_function(
    doc: str,
    name: str,
    parameters: tuple[str, ...],
    lines: Sequence[str],
    harness: str,
    constants: Mapping[str, str] = {},
) -> str:
    """constants: what the lines call an array of constants, and its name in C."""
    last = len(parameters) - 1
    inputs = ", ".join(f'[{key}] "i"({array})' for key, array in constants.items())
    type_ = name[: max(name.rfind("*"), name.rfind(" ")) + 1]
    returned = type_ if harness == "avr" and type_ != "void " else ""
    operands = f":: {inputs}" if inputs else "::"
    if returned:
        operands = f': "=r"(next) : {inputs}'
    texts = [
        f"/* {doc} */",
        "RNN2C_ATTR_CODE",
        f"static RNN2C_KERNEL {name}(",
        *_wrapped([f"{p} RNN2C_USED{')' if k == last else ','}" for k, p in enumerate(parameters)]),
        "{",
        *([f"    {returned}next; /* the assembly has returned it */"] if returned else []),
        "    __asm__ volatile(",
        *(f'        "{line}\\n\\t"' for line in lines),
        f"        {operands}: {CLOBBERED[harness]});",
        *(["    return next;"] if returned else []),
        "}",
    ]
    return "\n".join(texts)


def _wrapped(parts: list[str]) -> list[str]:
    """Parameters in lines of at most two."""
    first, *more = [" ".join(parts[k : k + 2]) for k in range(0, len(parts), 2)]
    return [f"    {line}" for line in (first, *more)]
