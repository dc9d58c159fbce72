"""A C program that runs every Case of primitive_cases.py on a target and prints checksums.

Arguments come from a counter-based hash that both sides compute, so nothing is stored: argument k
of sample n hashes (case, k, n).  Every second one is a boundary of its span.  The samples of a case
are in blocks; the program prints one checksum per block, so a difference has an address.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from primitive_cases import CASES, TABLES, Case, Span

from rnn2c.arith_tree import INTEGERS, primitive, tree
from rnn2c.arith_tree import TABLES as TABLE_TYPES
from rnn2c.data import templates_dir
from rnn2c.emit.arith_c import definition
from rnn2c.emit.helpers import choices
from rnn2c.emit.kernels import choice_bodies, own_body
from rnn2c.emit.special import Own, own_of
from rnn2c.ir.interface import Interface
from rnn2c.ir.program import CTYPES, Call
from rnn2c.target import Target
from rnn2c.validate.emulator import run_elf
from rnn2c.validate.harness import link_program, render
from rnn2c.validate.toolchain import BuildOptions

Cases = Sequence[Case]
BLOCKS = 8
FACTOR = 31
NOBODY = Interface("none", 0, (), (), (), ())

PRELUDE = """
static uint32_t hashed(uint32_t x)
{
    x ^= x >> 16;
    x *= UINT32_C(0x7feb352d);
    x ^= x >> 15;
    x *= UINT32_C(0x846ca68b);
    return x ^ (x >> 16);
}

static int64_t nearest_to(int64_t wanted, int64_t lo, int64_t hi)
{
    return wanted < lo ? lo : wanted > hi ? hi : wanted;
}

__attribute__((unused)) static int64_t drawn(uint32_t key, int64_t lo, int64_t hi)
{
    const uint32_t h = hashed(key);
    const uint64_t pick = hashed(h ^ UINT32_C(0x9e3779b9));
    const uint64_t span = (uint64_t)(hi - lo) + 1u;
    switch (h & 7u) {
    case 0u: return lo;
    case 1u: return hi;
    case 2u: return nearest_to(0, lo, hi);
    case 3u: return nearest_to(-1, lo, hi);
    default: break;
    }
    if (span <= UINT64_C(0x100000000)) {
        return lo + (int64_t)((pick * span) >> 32);
    }
    return lo + (int64_t)((pick * (span >> 16)) >> 16);
}

__attribute__((unused)) static int64_t counted(uint32_t n, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(n % (uint32_t)(hi - lo + 1));
}

static void put_checksum(uint32_t value)
{
    for (int k = 28; k >= 0; k -= 4) {
        put("0123456789abcdef"[(value >> k) & 15u]);
    }
    put(' ');
}
"""


def run(
    target: Target, folder: Path, block: int, build: BuildOptions, cases: Cases = CASES
) -> dict[str, list[int]]:
    """Checksums of every case, `block` samples per block, computed on the target."""
    elf = link_program(
        program_text(target, block, folder, cases), b"", (), folder, target, folder, build=build
    )
    lines = [line.split() for line in run_elf(target, elf).split("\n") if line.strip()]
    return {str(c): [int(x, 16) for x in row] for c, row in zip(cases, lines, strict=True)}


def expected(block: int, cases: Cases = CASES) -> dict[str, list[int]]:
    """The same from numpy."""
    factors = np.append([1], np.full(block - 1, FACTOR))
    weights = np.cumprod(factors, dtype=np.uint32)[::-1]
    sums: dict[str, list[int]] = {}
    for number, case in enumerate(cases):
        results = primitive(case.primitive)(*arguments(case, number, block * BLOCKS))
        rows = np.asarray(results).astype(np.uint32).reshape(BLOCKS, block)
        sums[str(case)] = [int((row * weights).sum(dtype=np.uint32)) for row in rows]
    return sums


def arguments(case: Case, number: int, count: int) -> list[np.ndarray]:
    """The arguments of the first `count` samples, as the C program draws them."""
    found = []
    for k, a in enumerate(case.arguments):
        if isinstance(a, str):
            found.append(TABLES[a])
            continue
        lo, hi = a
        if case.counted:
            found.append(lo + np.arange(count, dtype=np.int64) % (hi - lo + 1))
            continue
        h = _hashed(np.arange(count, dtype=np.uint32) + np.uint32(_key(number, k)))
        pick = _hashed(h ^ np.uint32(0x9E3779B9)).astype(np.uint64)
        span = hi - lo + 1
        narrow = (pick * np.uint64(span if span <= 2**32 else 0)) >> np.uint64(32)
        wide = (pick * np.uint64(span >> 16)) >> np.uint64(16)
        free = lo + (narrow if span <= 2**32 else wide).astype(np.int64)
        found.append(np.where((h & 7) < 4, np.array(edges(a))[h & 3], free))
    return found


def edges(span: Span) -> list[int]:
    lo, hi = span
    return [lo, hi, min(max(0, lo), hi), min(max(-1, lo), hi)]


def _key(number: int, argument: int) -> int:
    return (number * 8 + argument) << 20


def _hashed(x: np.ndarray) -> np.ndarray:
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def program_text(target: Target, block: int, folder: Path, cases: Cases = CASES) -> str:
    """The whole program: output, primitives, tables, one function per case, main."""
    (folder / "none.h").write_text("typedef struct { int none; } none_state_t;\n")
    names = [f"case_{n}" for n in range(len(cases))]
    return "\n".join([
        "#include <stddef.h>\n#include <stdint.h>",
        render(f"io_{target.harness}.c.j2", target, NOBODY),
        _put(target),
        _platform(target),
        *_known(target),
        *_primitives(target),
        *_specials(target, cases),
        *(_table(n, data) for n, data in TABLES.items() if any(n in c.arguments for c in cases)),
        PRELUDE,
        *(_case(target, n, c, block) for n, c in enumerate(cases)),
        "int main(void)\n{\n    begin_io();",
        *(f"    {name}();" for name in names),
        "    finish_program();\n    return 0;\n}\n",
    ])  # fmt: skip


def _primitives(target: Target) -> list[str]:
    bodies = choice_bodies(target.templates)
    found = [
        definition(tree(name), "p", own=own_body(target.templates, name), branches=not bodies)
        for name in (p.__name__ for p in INTEGERS)
    ]
    return choices(found, "p", bodies) + found


def _put(target: Target) -> str:
    """`put` and `finish_program` as the shared frame of the verification programs has them."""
    text = render("frame.c.j2", target, NOBODY)
    begin = "static void put(char c)" if target.harness == "avr" else "static char line[4096];"
    return text[text.index(begin) : text.index("/* The sequences:")]


def _platform(target: Target) -> str:
    paths = [templates_dir() / name / "platform.h.j2" for name in target.templates]
    return next(p for p in paths if p.exists()).read_text()


def _table(name: str, data: np.ndarray) -> str:
    type_ = next(
        CTYPES[TABLE_TYPES[t]]
        for c in CASES
        for a, (_, t) in zip(c.arguments, tree(c.primitive).parameters, strict=True)
        if a == name
    )
    numbers = ", ".join(map(str, data.tolist()))
    return f"static const {type_} {name}[{data.size}] RNN2C_ROM = {{{numbers}}};"


def has_own(target: Target, case: Case) -> bool:
    """Whether a target computes this in another way than arith.py says it."""
    return bool(own_body(target.templates, case.primitive)) or _special(target, case) is not None


def _special(target: Target, case: Case) -> Own | None:
    """What the target makes of the primitive with the literals that the case has, and a first
    argument as narrow as its span.
    """
    literals = tuple(a[0] if _is_literal(k, a) else "x" for k, a in enumerate(case.arguments))
    return own_of(target.kernels, Call("v", case.primitive, literals), _narrowest(case))


def _narrowest(case: Case) -> str:
    span = case.arguments[0]
    for bits in (16, 24):
        if not isinstance(span, str) and -(2 ** (bits - 1)) <= span[0] <= span[1] < 2 ** (bits - 1):
            return f"i{bits}"
    return tree(case.primitive).parameters[0][1]


def _is_literal(k: int, argument: Span | str) -> bool:
    """Whether a function of the target's own may have an argument in itself."""
    return k > 0 and not isinstance(argument, str) and argument[0] == argument[1]


def _specials(target: Target, cases: Cases) -> list[str]:
    found = {}
    for case in cases:
        if own := _special(target, case):
            found[own.name] = own
    return [definition(own.function, "p", own=own.body) for own in found.values()]


def _known(target: Target) -> list[str]:
    """RNN2C_KNOWN, if the bodies of the target use it."""
    text = (templates_dir() / "generic" / "assembly.h.j2").read_text()
    return [text[text.index("#define RNN2C_KNOWN") :]] if target.kernels else []


def _case(target: Target, number: int, case: Case, block: int) -> str:
    own = _special(target, case)
    parameters = [*tree(case.primitive).parameters]
    if own:
        parameters[0] = own.parameters[0]
    lines = []
    for k, (a, (_, type_)) in enumerate(zip(case.arguments, parameters, strict=True)):
        if isinstance(a, str) or (own and _is_literal(k, a)):
            continue
        source = "counted(n" if case.counted else f"drawn(n + UINT32_C({_key(number, k)})"
        lines.append(
            f"            const {CTYPES[type_]} a{k} = ({CTYPES[type_]}){source}, "
            f"INT64_C({a[0]}), INT64_C({a[1]}));"
        )
    name = own.name if own else case.primitive
    names = ", ".join(
        a if isinstance(a, str) else f"a{k}"
        for k, a in enumerate(case.arguments)
        if not (own and _is_literal(k, a))
    )
    return "\n".join([
        f"static void case_{number}(void)\n{{",
        "    uint32_t n = 0u;",
        f"    for (int part = 0; part < {BLOCKS}; part++) {{",
        "        uint32_t sum = 0u;",
        f"        for (const uint32_t end = n + {block}u; n < end; n++) {{",
        *lines,
        f"            const int32_t result = p_{name}({names});",
        f"            sum = sum * {FACTOR}u + (uint32_t)result;",
        "        }",
        "        put_checksum(sum);",
        "    }",
        "    put('\\n');\n}\n",
    ])  # fmt: skip
