"""Constant arrays as lines of C, broken where a unit ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rnn2c.emit.arith_c import real_text
from rnn2c.emit.flash import READERS
from rnn2c.ir.graph import NumberArray
from rnn2c.ir.program import CTYPES, Const, Program, Weight
from rnn2c.packing.parts import parts, stored

WIDEST = 96


@dataclass(frozen=True)
class ArrayCode:
    """`static const ctype name[size] = { lines };`; a bias or multiplier counts as weights."""

    name: str
    ctype: str
    size: int
    doc: str
    lines: tuple[str, ...]
    is_weights: bool = True


def array(name: str, type_: str, data: NumberArray, doc: str, group: int = 0) -> ArrayCode:
    """An array whose lines never cross a group of `group` values (0: no groups)."""
    flat = [_number(v, type_) for v in data.ravel().tolist()]
    size = group or max(len(flat), 1)
    lines = [line for k in range(0, len(flat), size) for line in _wrap(flat[k : k + size])]
    return ArrayCode(name, CTYPES[type_], len(flat), doc, tuple(lines))


def weight_arrays(program: Program, weight: Weight) -> list[ArrayCode]:
    """The packed stream of a dot product, one unit after the other, in one array or more."""
    type_, stream = stored(weight)
    of_unit = stream.size // len(weight.matrices[0]) if weight.stream is None else 0
    return [
        array(f"{program.name}_{part_name(weight, k)}", type_, part, weight.doc, of_unit)
        for k, (_, part) in enumerate(parts(program, weight))
    ]


def part_name(weight: Weight, part: int) -> str:
    """Of an array of it."""
    return f"{weight.name}_part{part + 1}" if part else weight.name


def const_array(const: Const, prefix: str) -> ArrayCode:
    """A bias, multipliers or a table."""
    assert const.type in READERS
    code = array(f"{prefix}_{const.name}", const.type, const.data, const.doc)
    return replace(code, is_weights=const.kind == "weight")


def all_arrays(program: Program) -> tuple[ArrayCode, ...]:
    """Every constant in the source of a program, weights first."""
    weights = [a for w in program.weights if not w.is_in_code for a in weight_arrays(program, w)]
    elsewhere = ("packed", "table") if program.tables_file else ("packed",)
    consts = [c for c in program.consts if c.kind not in elsewhere]
    return (*weights, *(const_array(c, program.name) for c in consts))


def _number(value: float, type_: str) -> str:
    if type_ == "f32":
        return real_text(value)
    if type_ == "u32":
        return f"0x{int(value):08x}u"
    return "INT32_MIN" if value == -(2**31) else str(value)


def _wrap(numbers: list[str]) -> list[str]:
    lines, line = [], ""
    for text in numbers:
        if len(line) + len(text) + 2 > WIDEST:
            lines.append(line.rstrip())
            line = ""
        line += f"{text}, "
    return [*lines, line.rstrip()]
