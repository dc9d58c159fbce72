"""Primitives and dot products on intervals: the range of a result, or what does not fit.

The trees of `arith.py` are run on intervals: every intermediate result of a statement must fit
the width of that statement.  Run on one-point intervals the same code is an exact,
overflow-checked evaluation of a primitive.  `proof.py` applies it to a whole Program.

Some primitives have a bound that intervals cannot see, because two operands move together.  For
those `LEMMAS` gives the bound of the result; each is proven by exhaustion or on the endpoints in
the tests, and everything inside the function except the final statement is still checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rnn2c import lut
from rnn2c.arith_tree import (
    LIMITS,
    TABLES,
    Binary,
    Expr,
    Extreme,
    Function,
    Invoke,
    Library,
    Literal,
    Look,
    Name,
    Negate,
    Real,
    index_width,
    operand_width,
    tree,
)
from rnn2c.errors import RangeError
from rnn2c.ir.graph import IntArray


@dataclass(frozen=True)
class Interval:
    """All integers from lo to hi."""

    lo: int
    hi: int

    def within(self, lo: int, hi: int) -> bool:
        return lo <= self.lo and self.hi <= hi

    def hull(self, other: Interval) -> Interval:
        return Interval(min(self.lo, other.lo), max(self.hi, other.hi))


Value = Interval | IntArray


def _corners(fn: Callable[[int, int], int]) -> Callable[[Interval, Interval], Interval]:
    def on_corners(a: Interval, b: Interval) -> Interval:
        ends = [fn(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return Interval(min(ends), max(ends))

    return on_corners


def _bit_and(a: Interval, b: Interval) -> Interval:
    if a.lo == a.hi and b.lo == b.hi:
        return Interval(a.lo & b.lo, a.lo & b.lo)
    mask = b.lo
    if b.lo != b.hi or mask < 0 or mask & (mask + 1):
        raise RangeError("internal: `&` needs a literal mask of low bits on its right")
    return a if a.within(0, mask) else Interval(0, mask)


def _bit_xor(a: Interval, b: Interval) -> Interval:
    if a.lo == a.hi and b.lo == b.hi:
        return Interval(a.lo ^ b.lo, a.lo ^ b.lo)
    bits = max(a.hi, b.hi).bit_length()
    return Interval(0, 2**bits - 1)


def _quotient(a: Interval, b: Interval) -> Interval:
    """C rounds towards zero: the same as down where nothing is negative."""
    if a.lo < 0 or b.lo < 1:
        raise RangeError(f"[{a.lo}, {a.hi}] // [{b.lo}, {b.hi}] has a negative number or a zero")
    return Interval(a.lo // b.hi, a.hi // b.lo)


def _extreme(fn: Callable[[int, int], int]) -> Callable[[Interval, Interval], Interval]:
    return lambda a, b: Interval(fn(a.lo, b.lo), fn(a.hi, b.hi))


OPERATIONS: dict[str, Callable[[Interval, Interval], Interval]] = {
    "+": _corners(lambda a, b: a + b),
    "-": _corners(lambda a, b: a - b),
    "*": _corners(lambda a, b: a * b),
    ">>": _corners(lambda a, b: a >> b),
    "<<": _corners(lambda a, b: a << b),
    "&": _bit_and,
    "^": _bit_xor,
    "//": _quotient,
    "minimum": _extreme(min),
    "maximum": _extreme(max),
}


def _lut_bound(table: IntArray, x: Interval) -> Interval:
    """Within one word the result is linear in the fraction: its two ends bound it."""
    words = table[(x.lo >> 8) + 128 : (x.hi >> 8) + 129]
    slope = ((words & 65535) ^ 32768) - 32768
    ends = np.concatenate([words >> 16, (slope * 255 + (words >> 8)) >> 8])
    return Interval(int(ends.min()), int(ends.max()))


def _lut_knots_bound(knots: IntArray, x: Interval) -> Interval:
    return _lut_bound(lut.pack_words(knots), x)


def _lut_half_bound(half: IntArray, x: Interval, total: Interval) -> Interval:
    return _lut_knots_bound(lut.mirrored(half, total.hi), x)


def _lut_slope_bound(base: IntArray, slope: IntArray, x: Interval) -> Interval:
    k = np.arange(x.lo >> 8, (x.hi >> 8) + 1) & 255
    return Interval(int(base[k].min()), int((base[k] + ((slope[k] * 255) >> 8)).max()))


def _to16(x: int) -> int:
    return max(-32768, min(32767, x))


def _blend_bound(n: Interval, h: Interval, z: Interval) -> Interval:
    """Between n and h, as long as the gate is not negative."""
    if z.lo < 0:
        raise RangeError(f"blend: a gate in [{z.lo}, {z.hi}] can be negative")
    return n.hull(h)


def _add_square_bound(total: Interval, x: Interval, shift: Interval) -> Interval:
    """A square is not negative."""
    most = max(abs(x.lo), abs(x.hi)) ** 2
    return Interval(total.lo, total.hi + ((most + ((1 << shift.lo) >> 1)) >> shift.lo))


LEMMAS: dict[str, Callable[..., Interval]] = {
    "add_square": _add_square_bound,
    "lut": _lut_bound,
    "lut_half": _lut_half_bound,
    "lut_knots": _lut_knots_bound,
    "lut_slope": _lut_slope_bound,
    "blend": _blend_bound,
    "blend_u8": lambda n, h, z: n.hull(h),
    "mul_u8": lambda gate, x: Interval(min(0, x.lo), max(0, x.hi)),
    "add_sat16": lambda a, b: Interval(_to16(a.lo + b.lo), _to16(a.hi + b.hi)),
}


def bound(name: str, arguments: tuple[Value, ...]) -> Interval:
    """Range of primitive `name` over the ranges of its arguments (an array is a table).

    Raises RangeError that names the first intermediate result that leaves its width.
    """
    function = tree(name)
    scope: dict[str, Value] = {}
    for (parameter, type_), value in zip(function.parameters, arguments, strict=True):
        if isinstance(value, Interval):
            fit(value, type_, f"{name}: argument {parameter}")
        elif type_ not in TABLES:
            raise RangeError(f"{name}: argument {parameter} is a table, expected {type_}")
        scope[parameter] = value
    lemma = LEMMAS.get(name)
    result = lemma(*arguments) if lemma else None
    return _run(function, scope, result)


def _run(function: Function, scope: dict[str, Value], result: Interval | None) -> Interval:
    types = function.types()
    for statement in function.statements:
        where = f"{function.name}: {statement.target or 'result'}"
        if not statement.target and result is not None:
            _check_operands(statement.expression, statement.type, scope, types, where)
            return fit(result, statement.type, where)
        value = _evaluate(statement.expression, statement.type, scope, types, where)
        if not statement.target:
            return value
        scope[statement.target] = value
    raise RangeError(f"internal: {function.name} has no return")


def _check_operands(
    expression: Expr, width: str, scope: Mapping[str, Value], types: Mapping[str, str], where: str
) -> None:
    """A lemma bounds the result of the last operation; what it operates on is checked as usual."""
    if isinstance(expression, Binary):
        at = operand_width(expression, width, types)
        _evaluate(expression.left, at, scope, types, where)
        _evaluate(expression.right, at, scope, types, where)


def _evaluate(
    expression: Expr, width: str, scope: Mapping[str, Value], types: Mapping[str, str], where: str
) -> Interval:
    """Range of an expression whose every part is computed at `width`."""

    def part(e: Expr, at: str = width) -> Interval:
        return _evaluate(e, at, scope, types, where)

    match expression:
        case Literal(value):
            result = Interval(value, value)
        case Name(name):
            named = scope[name]
            assert isinstance(named, Interval)
            result = named
        case Negate(operand):
            inner = part(operand)
            result = Interval(-inner.hi, -inner.lo)
        case Binary(operator, left, right):
            at = operand_width(expression, width, types)
            if operator in (">>", "<<"):
                count = _count(part(right, "i32"), at, where)
                result = OPERATIONS[operator](part(left, at), count)
            else:
                result = OPERATIONS[operator](part(left, at), part(right, at))
        case Extreme(which, left, right):
            at = operand_width(expression, width, types)
            result = OPERATIONS[which](part(left, at), part(right, at))
        case Look(table, index):
            result = _look(scope[table], part(index, index_width(index, types)), where)
        case Real() | Library():
            raise RangeError(f"internal: {where} is a real number, which has no interval")
        case Invoke(function, arguments):
            parameters = tree(function).parameters
            values = tuple(
                scope[a.name] if isinstance(a, Name) and types[a.name] in TABLES else part(a, t)
                for a, (_, t) in zip(arguments, parameters, strict=True)
            )
            result = bound(function, values)
    return fit(result, width, where)


def _count(count: Interval, width: str, where: str) -> Interval:
    """C leaves a shift by the number of bits or more undefined; `int` may have 16 of them."""
    bits = max(16, int(width[1:]))
    if not count.within(0, bits - 1):
        raise RangeError(f"{where}: a shift by [{count.lo}, {count.hi}] of {bits} bits")
    return count


def _look(table: Value, index: Interval, where: str) -> Interval:
    assert isinstance(table, np.ndarray)
    if not index.within(0, table.size - 1):
        raise RangeError(f"{where}: index [{index.lo}, {index.hi}] leaves a table of {table.size}")
    part = table[index.lo : index.hi + 1]
    return Interval(int(part.min()), int(part.max()))


def fit(value: Interval, width: str, where: str) -> Interval:
    """The interval itself; RangeError unless it fits the width."""
    if not value.within(*LIMITS[width]):
        raise RangeError(f"{where}: [{value.lo}, {value.hi}] does not fit {width}")
    return value


def dot_bound(
    matrices: tuple[IntArray, ...],
    vectors: tuple[tuple[int, int], ...],
    results: tuple[tuple[int, ...], ...],
    bias: IntArray,
) -> list[Interval]:
    """Range of each result of a fused dot product, over all units and any order of summation.

    matrices [units, results of the segment, columns], vectors (lo, hi) per segment, bias
    [units, results].  Partial sums are bounded too: both ends include 0 and the bias.
    """
    lowest, highest = bias.astype(object) * 0, bias.astype(object) * 0
    for matrix, (lo, hi), rows in zip(matrices, vectors, results, strict=True):
        plus = np.maximum(matrix, 0).sum(axis=2)
        minus = np.minimum(matrix, 0).sum(axis=2)
        lowest[:, list(rows)] += plus.astype(object) * min(lo, 0) + minus.astype(object) * max(
            hi, 0
        )
        highest[:, list(rows)] += plus.astype(object) * max(hi, 0) + minus.astype(object) * min(
            lo, 0
        )
    low, high = bias + lowest, bias + highest
    return [Interval(int(low[:, r].min()), int(high[:, r].max())) for r in range(bias.shape[1])]
