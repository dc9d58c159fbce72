"""The primitives of the files arith*.py as typed trees, for those who translate or bound them.

A Function is parameters with types and a list of statements; the type of a statement is the width
at which its whole expression is computed.  An expression in `arith.py` that has no tree here is an
error at import time of the tree, so nothing outside the documented subset can slip in.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from rnn2c import arith, arith_f32, arith_f32_functions, arith_half, arith_norm, arith_reduce

OF_INTEGERS = (arith, arith_half, arith_reduce, arith_norm)
INTEGERS: tuple[Callable[..., Any], ...] = tuple(p for m in OF_INTEGERS for p in m.PRIMITIVES)
REALS = (*arith_f32.PRIMITIVES, *arith_f32_functions.PRIMITIVES)
PRIMITIVES = (*INTEGERS, *REALS)
REAL = "f32"
LIMITS: dict[str, tuple[int, int]] = {
    "i8": (-(2**7), 2**7 - 1),
    "u8": (0, 2**8 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "u16": (0, 2**16 - 1),
    "i24": (-(2**23), 2**23 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u32": (0, 2**32 - 1),
    "i64": (-(2**63), 2**63 - 1),
}
TABLES = {"words": "i32", "shorts": "i16", "octets": "u8"}
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.RShift: ">>",
    ast.LShift: "<<",
    ast.BitAnd: "&",
    ast.BitXor: "^",
    ast.Div: "/",
    ast.FloorDiv: "//",
}
REAL_OPERATORS = frozenset("+-*/")
LIBRARY = {"exp": "expf", "log": "logf", "sqrt": "sqrtf", "tanh": "tanhf"}
"""Functions of the C library that f32 expressions may call."""


@dataclass(frozen=True)
class Literal:
    """An integer constant."""

    value: int


@dataclass(frozen=True)
class Real:
    """A float32 constant."""

    value: float


@dataclass(frozen=True)
class Name:
    """A parameter or a local."""

    name: str


@dataclass(frozen=True)
class Negate:
    """-operand"""

    operand: Expr


@dataclass(frozen=True)
class Binary:
    """left operator right; operator is one of OPERATORS."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Extreme:
    """minimum or maximum of two expressions."""

    which: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Look:
    """table[index]"""

    table: str
    index: Expr


@dataclass(frozen=True)
class Invoke:
    """A call of another primitive."""

    function: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True)
class Library:
    """A call of a function of the C library; function is one of LIBRARY."""

    function: str
    operand: Expr


Expr = Literal | Real | Name | Negate | Binary | Extreme | Look | Invoke | Library


@dataclass(frozen=True)
class Statement:
    """`target: type = expression`; target "" is the return."""

    target: str
    type: str
    expression: Expr


@dataclass(frozen=True)
class Function:
    """One primitive: typed parameters, the type it returns, its statements in order."""

    name: str
    doc: str
    parameters: tuple[tuple[str, str], ...]
    returns: str
    statements: tuple[Statement, ...]

    def types(self) -> dict[str, str]:
        """Type of every parameter and local."""
        return {**dict(self.parameters), **{s.target: s.type for s in self.statements if s.target}}

    def callees(self) -> set[str]:
        """Names of the primitives this one calls."""
        return set().union(*(_calls(s.expression) for s in self.statements))

    def library(self) -> set[str]:
        """Names of the functions of the C library that it calls itself."""
        parts = [p for s in self.statements for p in _parts(s.expression)]
        return {p.function for p in parts if isinstance(p, Library)}


def _calls(expression: Expr) -> set[str]:
    calls = [p for p in _parts(expression) if isinstance(p, Invoke)]
    inner = (_calls(argument) for call in calls for argument in call.arguments)
    return {call.function for call in calls}.union(*inner)


@cache
def tree(name: str) -> Function:
    """The typed tree of the primitive `name`; TypeError outside the documented subset."""
    return parse(primitive(name))


@cache
def primitive(name: str) -> Callable[..., Any]:
    """The primitive `name` as Python; KeyError if neither list has it."""
    return {p.__name__: p for p in PRIMITIVES}[name]


def parse(function: Callable[..., Any]) -> Function:
    """Parse one function of the documented subset."""
    node = ast.parse(inspect.getsource(function)).body[0]
    assert isinstance(node, ast.FunctionDef)
    returns = _type(node.returns)
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return Function(
        name=node.name,
        doc=ast.get_docstring(node) or "",
        parameters=tuple((a.arg, _type(a.annotation)) for a in node.args.args),
        returns=returns,
        statements=tuple(_statement(n, returns) for n in body),
    )


def _type(node: ast.expr | None) -> str:
    if isinstance(node, ast.Name) and (node.id in LIMITS or node.id in TABLES or node.id == REAL):
        return node.id
    raise TypeError(f"arith.py: unknown width {ast.dump(node) if node else 'missing'}")


def _statement(node: ast.stmt, returns: str) -> Statement:
    match node:
        case ast.AnnAssign(
            target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value
        ):
            return _checked(Statement(name, _type(annotation), _expression(value)))
        case ast.Return(value=ast.expr() as value):
            return _checked(Statement("", returns, _expression(value)))
    raise TypeError(f"arith.py: no translation of the statement {ast.dump(node)}")


def _checked(statement: Statement) -> Statement:
    """Real operations only in statements of reals, those on bits only in statements of integers."""
    for part in _parts(statement.expression):
        real = statement.type == REAL
        match part:
            case Real():
                fits = real
            case Library():  # may be a macro for a function of double: nothing else with it
                fits = real and part is statement.expression
            case Binary(operator, _, _):
                fits = operator in REAL_OPERATORS if real else operator != "/"
            case _:
                fits = True
        if not fits:
            raise TypeError(f"arith: {part} in a statement of type {statement.type}")
    return statement


def _parts(expression: Expr) -> list[Expr]:
    """The expression and everything inside it, arguments of calls left out."""
    match expression:
        case Binary(_, left, right) | Extreme(_, left, right):
            return [expression, *_parts(left), *_parts(right)]
        case Negate(operand) | Look(_, operand) | Library(_, operand):
            return [expression, *_parts(operand)]
    return [expression]


def _expression(node: ast.expr) -> Expr:
    match node:
        case ast.Constant(value=int(value)):
            return Literal(value)
        case ast.Constant(value=float(value)):
            return Real(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float(value))):
            return Real(-value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            return Literal(-value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Negate(_expression(operand))
        case ast.Name(id=name):
            return Name(name)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            if isinstance(op, ast.LShift) and not (
                isinstance(left, ast.Constant) and left.value == 1
            ):
                raise TypeError("arith.py: a left shift needs the literal 1 on its left")
            return Binary(OPERATORS[type(op)], _expression(left), _expression(right))
        case ast.Subscript(value=ast.Name(id=table), slice=index):
            return Look(table, _expression(index))
        case ast.Call(func=ast.Name(id="minimum" | "maximum" as which), args=[left, right]):
            return Extreme(which, _expression(left), _expression(right))
        case ast.Call(func=ast.Name(id=function), args=[operand]) if function in LIBRARY:
            return Library(function, _expression(operand))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return Invoke(function, tuple(_expression(a) for a in arguments))
    raise TypeError(f"arith.py: no translation of the expression {ast.dump(node)}")


RANK = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", REAL)


def operand_width(expression: Expr, width: str, types: Mapping[str, str]) -> str:
    """The width at which the operands of a node are computed when the statement has `width`.

    A mask or a shift down of a name, and an extreme, cannot grow: their operands keep their own
    width and only the result is converted.
    """
    match expression:
        case Binary("&" | ">>", Name(name), _):
            return types[name]
        case Extreme():
            return max((width, *(types[n] for n in names_in(expression))), key=RANK.index)
    return width


def index_width(index: Expr, types: Mapping[str, str]) -> str:
    """Width of a table index: 16 bits if nothing in it is wider."""
    return max(("i16", *(types[n] for n in names_in(index))), key=RANK.index)


def names_in(expression: Expr) -> set[str]:
    """Names of parameters and locals an expression reads, tables left out."""
    match expression:
        case Name(name):
            return {name}
        case Binary(_, left, right) | Extreme(_, left, right):
            return names_in(left) | names_in(right)
        case Negate(operand) | Library(_, operand):
            return names_in(operand)
    return set()
