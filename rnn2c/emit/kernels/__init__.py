"""Kernels: the functions in assembly that compute dot products, one generator per kind of core.

A kernel `const uint32_t *NAME(int32_t *sums, const uint32_t *w, const T *const *vectors)`
writes the sums of one block of units and returns where the weights of the next block begin.
"""

from __future__ import annotations

from collections.abc import Callable

from rnn2c.data import templates_dir
from rnn2c.emit.kernels import armv6m, armv7m, dsp, dsp_blocks, mve
from rnn2c.ir.program import Call, Dot, Program, Stage
from rnn2c.packing.families import FAMILIES

Special = tuple[str, tuple[str, ...]]
SPECIAL: dict[str, Callable[[Call], Special | None]] = {
    "dsp": dsp.special,
    "mve": dsp.special,
    "armv7-m": dsp.special,
}
GENERATORS: dict[str, Callable[[Dot, tuple[str, ...]], list[str]]] = {
    "pairs8": dsp.instructions,
    "blocks8x4": dsp_blocks.four_columns,
    "blocks8x2": dsp_blocks.two_columns,
    "blocks8x2_eight": dsp_blocks.two_columns,
    "rows16": mve.instructions,
    "pairs8_v7m": armv7m.instructions,
    "pairs8_v6m": armv6m.instructions,
}


def kernel_name(dot: Dot) -> str:
    """Name of the function that computes the sums of a dot product, without the model's name."""
    return f"{dot.weight.removesuffix('weights')}sums"


def kernel_functions(program: Program) -> list[str]:
    """The C text of every kernel that the program calls."""
    dots = {
        i.weight: i
        for op in program.operations()
        if isinstance(op, Stage)
        for i in op.body
        if isinstance(i, Dot) and i.kernel is not None
    }
    return [_function(program, dot) for dot in dots.values()]


def own_body(variants: tuple[str, ...], primitive: str) -> tuple[str, ...]:
    """The lines of the body that the first variant with one gives a primitive, nothing if none."""
    for variant in variants:
        path = templates_dir() / variant / "arith" / f"{primitive}.c"
        if path.is_file():
            return tuple(path.read_text(encoding="ascii").splitlines())
    return ()


def special(kernels: str, call: Call) -> Special | None:
    """What a variant makes of a call with these literals: the end of the name of a function of its
    own without them, and its body.  None: the primitive itself.
    """
    return SPECIAL[kernels](call) if kernels in SPECIAL else None


def _function(program: Program, dot: Dot) -> str:
    rows = " ".join(dot.outs)
    columns = ", then ".join(f"{s.size} columns of {s.vector}" for s in dot.segments)
    assert dot.kernel is not None
    family = dot.kernel.family
    types = tuple(program.buffer[s.vector].type for s in dot.segments)
    pointer = FAMILIES[family].pointer
    many = "a unit" if dot.kernel.units == 1 else f"{dot.kernel.units} units"
    lines = [
        f"/* The sums {rows} of {many}: {columns}. */",
        "RNN2C_ATTR_CODE",
        f"static RNN2C_KERNEL const uint32_t *{program.name}_{kernel_name(dot)}(",
        "    int32_t *sums RNN2C_USED, const uint32_t *w RNN2C_USED,",
        f"    const {pointer} *const *vectors RNN2C_USED)",
        "{",
        "    __asm__ volatile(",
        *(f'        "{line}\\n\\t"' for line in GENERATORS[family](dot, types)),
        '        ::: "r0", "r1", "r2", "r3", "r12", "lr", "cc", "memory");',
        "}",
    ]
    return "\n".join(lines)
