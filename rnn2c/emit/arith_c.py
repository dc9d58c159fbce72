"""Translate the primitives of `arith.py` and `arith_f32.py` to C99 `static inline` functions.

Operands are converted to the width of their statement, results to it where C's promotions made
them wider; the range proof has shown that no conversion changes a value.  Reals stay `float`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from rnn2c.arith_tree import (
    LIBRARY,
    PRIMITIVES,
    REAL,
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
    Statement,
    index_width,
    names_in,
    operand_width,
    tree,
)
from rnn2c.emit.flash import Flash
from rnn2c.ir.program import CTYPES

UNPROMOTED = ("i32", "i64", REAL)
SIGNED_NARROW = ("i8", "i16")
NEAR = Flash()


def needed(primitives: Iterable[str]) -> list[Function]:
    """These primitives and all they call, callees first."""
    names = set(primitives)
    for primitive in reversed(PRIMITIVES):
        if primitive.__name__ in names:
            names |= tree(primitive.__name__).callees()
    return [tree(p.__name__) for p in PRIMITIVES if p.__name__ in names]


def definition(
    function: Function, prefix: str, attribute: str = "", own: tuple[str, ...] = (),
    branches: bool = True, flash: Flash = NEAR, multiplies: bool = True,
) -> str:  # fmt: skip
    """The C definition of one primitive, called PREFIX_name, with its docstring.

    attribute: a line before it; own: the lines of another body that computes the same;
    branches: whether extremes may be written with ?:, else they call functions, see choices;
    flash: how tables are addressed; multiplies: whether products with a byte may be written with *,
    else they call a function, see product.
    """
    writer = _Writer(function.types(), prefix, branches, flash, multiplies)
    doc = "\n * ".join(line.strip() for line in function.doc.splitlines()).replace(
        "\n * \n", "\n *\n"
    )
    parameters = ", ".join(_parameter(name, type_, flash) for name, type_ in function.parameters)
    lines = [
        f"/* {doc} */",
        *filter(None, [attribute]),
        f"static inline {CTYPES[function.returns]} {prefix}_{function.name}({parameters})",
        "{",
        *(f"    {line}" for line in own or [_statement(s, writer) for s in function.statements]),
        "}",
    ]
    return "\n".join(lines)


def _parameter(name: str, type_: str, flash: Flash) -> str:
    if type_ in TABLES:
        return f"{flash.pointer(CTYPES[TABLES[type_]])}{name}"
    return f"{CTYPES[type_]} {name}"


def _statement(statement: Statement, writer: _Writer) -> str:
    value = writer.converted(statement.expression, statement.type)
    if statement.target:
        return f"const {CTYPES[statement.type]} {statement.target} = {_bare(value)};"
    return f"return {_bare(value)};"


def _bare(text: str) -> str:
    """Without the outermost parentheses, if they belong together."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and position < len(text) - 1:
            return text
    return text[1:-1]


class _Writer:
    """Writes the expressions of one function."""

    def __init__(
        self,
        types: Mapping[str, str],
        prefix: str,
        branches: bool,
        flash: Flash,
        multiplies: bool,
    ) -> None:
        self.multiplies = multiplies
        self.types = types
        self.prefix = prefix
        self.branches = branches
        self.flash = flash

    def converted(self, e: Expr, width: str) -> str:
        """The expression as a C value of exactly the type of `width`."""
        text, type_ = self._typed(e, width)
        return text if type_ == width else f"({CTYPES[width]}){text}"

    def operand(self, e: Expr, width: str) -> str:
        """The expression as part of another one; C may promote narrow signed types."""
        text, type_ = self._typed(e, width)
        promoted = (type_ == "int" and width in SIGNED_NARROW) or (
            type_ == "unsigned" and width.startswith("u")
        )
        return text if type_ == width or promoted else f"({CTYPES[width]}){text}"

    def _typed(self, e: Expr, width: str) -> tuple[str, str]:
        """C text and the type its value has; `int` or `unsigned` if promotion made it neither."""
        text = "" if self.multiplies else self._product(e)
        return (text, "i32") if text else self._written(e, width)

    def _written(self, e: Expr, width: str) -> tuple[str, str]:
        """The same, products as C has them."""
        match e:
            case Literal(value):
                return _literal(value, width), width
            case Real(value):
                return _real_literal(value), REAL
            case Name(name):
                return name, self.types[name]
            case Library(function, operand):
                return f"{LIBRARY[function]}({_bare(self.converted(operand, REAL))})", REAL
            case Negate(operand):
                return f"(-{self.operand(operand, width)})", _promoted(width)
            case Binary("<<", _, right):
                one = {"i32": "INT32_C(1)", "i64": "INT64_C(1)"}.get(width, "1")
                return f"({one} << {self._count(right)})", _promoted(width)
            case Binary(">>", left, right):
                at = operand_width(e, width, self.types)
                return f"({self.operand(left, at)} >> {self._count(right)})", _promoted(at)
            case Binary("&", Name(name), Literal(mask)) if self._turns_unsigned(name, width):
                return f"(({CTYPES[width]}){name} & {_literal(mask, width)})", "unsigned"
            case Binary(operator, left, right):
                at = operand_width(e, width, self.types)
                sign = "/" if operator == "//" else operator
                text = f"({self.operand(left, at)} {sign} {self.operand(right, at)})"
                return text, _promoted(at)
            case Extreme(which, left, right):
                at = operand_width(e, width, self.types)
                a, b = self.operand(left, at), self.operand(right, at)
                if not self.branches and at != REAL:
                    return self._chosen(which, a, b, at), _promoted(at)
                sign = "<" if which == "minimum" else ">"
                return f"(({a} {sign} {b}) ? {a} : {b})", _promoted(at)
            case Look(table, index):
                element = TABLES[self.types[table]]
                at = index_width(index, self.types)
                place = self.flash.index(_bare(self.operand(index, at)))
                return self.flash.read(table, place, element), element
            case Invoke(function, arguments):
                return self._call(function, arguments), tree(function).returns

    def _is_byte(self, e: Expr) -> bool:
        """Whether an expression has a value of 8 bits without a sign."""
        match e:
            case Name(name):
                return self.types[name] == "u8"
            case Look(table, _):
                return TABLES[self.types[table]] == "u8"
            case Binary("&", _, Literal(mask)):
                return 0 <= mask <= 255
        return False

    def _product(self, e: Expr) -> str:
        """A product with a byte as a call, nothing for anything else."""
        match e:
            case Binary("*", left, right):
                byte, other = (right, left) if self._is_byte(right) else (left, right)
                if self._is_byte(byte):
                    texts = _bare(self.converted(other, "i32")), _bare(self.converted(byte, "u8"))
                    return f"{self.prefix}_product({', '.join(texts)})"
        return ""

    def _chosen(self, which: str, a: str, b: str, width: str) -> str:
        """The smaller or the larger of two without a branch."""
        if width not in ("u32", "i64"):
            return f"{self.prefix}_{which}({_bare(a)}, {_bare(b)})"
        if width == "i64":
            less = f"(({a} - {b}) >> 62)"
        else:
            less = f"({CTYPES[width]})(((int64_t){a} - {b}) >> 32)"
        return f"({b if which == 'minimum' else a} ^ (({a} ^ {b}) & {less}))"

    def _call(self, function: str, arguments: tuple[Expr, ...]) -> str:
        texts = []
        for argument, (_, type_) in zip(arguments, tree(function).parameters, strict=True):
            if type_ in TABLES and isinstance(argument, Name):
                texts.append(argument.name)
            else:
                texts.append(_bare(self.converted(argument, type_)))
        return f"{self.prefix}_{function}({', '.join(texts)})"

    def _turns_unsigned(self, name: str, width: str) -> bool:
        """Whether a signed name is part of an unsigned expression."""
        return width.startswith("u") and not self.types[name].startswith("u")

    def _count(self, e: Expr, suffix: str = "") -> str:
        """The right operand of a shift: any integer type will do, but not two in one sum."""
        match e:
            case Literal(value):
                return f"{value}{suffix}"
            case Name(name):
                return name
            case Binary(operator, left, right):
                if any(self.types[n].startswith("u") for n in names_in(e)):
                    suffix = "u"
                return f"({self._count(left, suffix)} {operator} {self._count(right, suffix)})"
        return self.converted(e, "i32")


def _promoted(width: str) -> str:
    """The type of an operation on operands of this width: narrow ones become `int`."""
    return width if width in UNPROMOTED else "int"


def real_text(value: float) -> str:
    """The shortest decimal of type float that reads back as this float32."""
    text = str(np.float32(value))
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _real_literal(value: float) -> str:
    """The same as part of an expression."""
    return f"({real_text(value)})" if value < 0 else real_text(value)


def calls_library(primitives: Iterable[str]) -> bool:
    """Whether the C of these primitives needs math.h."""
    return any(f.library() for f in needed(primitives))


def _literal(value: int, width: str) -> str:
    if width == REAL:
        return _real_literal(value)
    if width.startswith("u"):
        return f"{value}u"
    if value == -32768:
        return "INT16_MIN" if width == "i16" else "(-INT32_C(32768))"
    text = str(abs(value)) if abs(value) <= 32767 else f"INT32_C({abs(value)})"
    return text if value >= 0 else f"(-{text})"
