"""Expressions over the integers for z3, with the interval of each: arith.py as a formula.

A product of two unknowns is opaque: a function of both, bounded by their intervals, since
multipliers of bit vectors are beyond a solver.  So is the exclusive or of two unknowns.  `needs` is
what has to hold for C to compute these numbers, such as results that fit int32_t.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import z3

from rnn2c import arith_tree
from rnn2c.arith_tree import LIMITS, Function, tree


@dataclass(frozen=True)
class Term:
    """An integer expression between lo and hi."""

    z: Any
    lo: int
    hi: int

    @property
    def literal(self) -> int | None:
        return self.lo if self.lo == self.hi else None

    @property
    def is_flag(self) -> bool:
        """All bits alike: 0 or -1."""
        return self.lo >= -1 and self.hi <= 0


@dataclass(frozen=True)
class TableTerm:
    """A table whose entries are unknown: `about` says what is known of all that are read."""

    name: str
    size: int
    lo: int
    hi: int
    rises: bool = False
    knots: bool = False


@dataclass
class Terms:
    """Makes terms, and collects what is known and what is needed."""

    facts: list[Any] = field(default_factory=list)
    needs: list[Any] = field(default_factory=list)
    reads: dict[str, list[Any]] = field(default_factory=dict)

    def unknown(self, name: str, lo: int, hi: int) -> Term:
        if lo == hi:
            return self.number(lo)
        return self._known(Term(z3.Int(name), lo, hi))

    def number(self, value: int) -> Term:
        return Term(z3.IntVal(value), value, value)

    def add(self, a: Term, b: Term) -> Term:
        return Term(a.z + b.z, a.lo + b.lo, a.hi + b.hi)

    def subtract(self, a: Term, b: Term) -> Term:
        return Term(a.z - b.z, a.lo - b.hi, a.hi - b.lo)

    def times(self, a: Term, b: Term) -> Term:
        corners = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        lo, hi = min(corners), max(corners)
        if a.literal is not None or b.literal is not None:
            return Term(a.z * b.z, lo, hi)
        product = self._function("product", 2)
        p = product(a.z, b.z)
        self.facts.append(p == product(b.z, a.z))
        for x, y in ((a, b), (b, a)):
            if y.lo >= 0:
                most = y.hi * x.z
                self.facts.append(z3.If(x.z >= 0, z3.And(p >= 0, p <= most), p <= 0))
                self.facts.append(z3.Or(x.z >= 0, most <= p))
        return self._known(Term(p, lo, hi))

    def down(self, a: Term, shift: Term) -> Term:
        assert shift.literal is not None, "a shift is a number of the case"
        by = 2**shift.literal
        return Term(a.z / by, a.lo // by, a.hi // by)  # z3 rounds down where the divisor is > 0

    def both(self, a: Term, b: Term) -> Term:
        """Bitwise and, with 2^k - 1 or with a flag."""
        if a.literal is not None or (a.is_flag and b.literal is None):
            a, b = b, a
        mask = b.literal
        if mask is not None and mask > 0 and mask & (mask + 1) == 0:
            return a if a.lo >= 0 and a.hi <= mask else Term(a.z % (mask + 1), 0, mask)
        assert b.is_flag, "& is with 2^k - 1, or with 0 or -1"
        return Term(z3.If(b.z == 0, 0, a.z), min(a.lo, 0), max(a.hi, 0))

    def apart(self, a: Term, b: Term) -> Term:
        """Exclusive or."""
        if a.is_flag or (a.literal is not None and not b.is_flag):
            a, b = b, a
        if b.is_flag and b.literal is None:
            lo, hi = min(a.lo, ~a.hi), max(a.hi, ~a.lo)
            return Term(z3.If(b.z == 0, a.z, -1 - a.z), lo, hi)
        bit = b.literal
        if bit is not None and bit > 0 and bit & (bit - 1) == 0 and a.lo >= 0:
            return Term(z3.If(a.z / bit % 2 == 0, a.z + bit, a.z - bit), 0, a.hi | (2 * bit - 1))
        return self._opaque_apart(a, b)

    def _opaque_apart(self, a: Term, b: Term) -> Term:
        xor = self._function("xor", 2)
        x = xor(a.z, b.z)
        self.facts += [xor(a.z, x) == b.z, xor(b.z, x) == a.z, xor(a.z, 0) == a.z]
        bits = max(v.bit_length() for v in (a.lo, a.hi, b.lo, b.hi)) + 1
        return self._known(Term(x, -(2**bits), 2**bits - 1))

    def extreme(self, which: str, a: Term, b: Term) -> Term:
        choose = min if which == "minimum" else max
        first = a.z <= b.z if which == "minimum" else a.z >= b.z
        return Term(z3.If(first, a.z, b.z), choose(a.lo, b.lo), choose(a.hi, b.hi))

    def read(self, table: TableTerm, index: Term) -> Term:
        entries = self._function(table.name, 1)
        self.needs.append(z3.And(index.z >= 0, index.z < table.size))
        e = self._known(Term(entries(index.z), table.lo, table.hi))
        earlier = self.reads.setdefault(table.name, [])
        if table.rises:
            for k in earlier:
                self.facts.append(z3.Implies(index.z <= k, e.z <= entries(k)))
                self.facts.append(z3.Implies(index.z >= k, e.z >= entries(k)))
        if table.knots:  # base and slope of a word, and their sum, are numbers of 16 bits
            end = e.z / 65536 + (e.z + 32768) % 65536 - 32768
            self.facts.append(z3.And(end >= -32768, end <= 32767))
        earlier.append(index.z)
        return e

    def low(self, a: Term, bits: int) -> Term:
        """The lower bits as a signed number."""
        half = 2 ** (bits - 1)
        inside = -half <= a.lo and a.hi < half
        return a if inside else Term((a.z + half) % (2 * half) - half, -half, half - 1)

    def fits(self, a: Term, type_: str) -> Term:
        """The same, which has to be in the range of a type."""
        lo, hi = LIMITS[type_]
        if lo <= a.lo and a.hi <= hi:
            return a
        self.needs.append(z3.And(lo <= a.z, a.z <= hi))
        return Term(a.z, max(a.lo, lo), min(a.hi, hi))

    def _known(self, t: Term) -> Term:
        self.facts.append(z3.And(t.lo <= t.z, t.z <= t.hi))
        return t

    def _function(self, name: str, arity: int) -> Any:
        return z3.Function(name, *[z3.IntSort()] * (arity + 1))


Value = Term | TableTerm


def computed(terms: Terms, function: Function, arguments: tuple[Value, ...]) -> Term:
    """What a primitive of arith.py returns, over the integers."""
    names: dict[str, Value] = {
        name: a for (name, _), a in zip(function.parameters, arguments, strict=True)
    }
    for statement in function.statements:
        value = _term(terms, statement.expression, names)
        names[statement.target] = value
    return value


def _term(terms: Terms, e: Any, names: Mapping[str, Value]) -> Term:
    def of(inner: Any) -> Term:
        return _term(terms, inner, names)

    match e:
        case arith_tree.Literal(value):
            return terms.number(value)
        case arith_tree.Name(name):
            found = names[name]
            assert isinstance(found, Term)
            return found
        case arith_tree.Negate(operand):
            return terms.subtract(terms.number(0), of(operand))
        case arith_tree.Binary("<<", _, right):
            shift = of(right).literal
            assert shift is not None
            return terms.number(1 << shift)
        case arith_tree.Binary(operator, left, right):
            return binary(terms, operator, of(left), of(right))
        case arith_tree.Extreme(which, left, right):
            return terms.extreme(which, of(left), of(right))
        case arith_tree.Look(table, index):
            found = names[table]
            assert isinstance(found, TableTerm)
            return terms.read(found, of(index))
        case arith_tree.Invoke(function, inner):
            return computed(terms, tree(function), tuple(of(a) for a in inner))
    raise AssertionError(f"no term for {e}")


def binary(terms: Terms, operator: str, a: Term, b: Term) -> Term:
    """a operator b; operator as arith_tree writes it."""
    makers = {
        "+": terms.add,
        "-": terms.subtract,
        "*": terms.times,
        ">>": terms.down,
        "&": terms.both,
        "^": terms.apart,
    }
    return makers[operator](a, b)
