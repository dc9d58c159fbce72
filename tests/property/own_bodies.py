"""The bodies that targets give primitives, read as formulas: the C and the assembly in them.

Only what these bodies are made of is known; anything else is an error.  Results of C have to fit
int32_t, or uint32_t if a part is cast to it or has been, what is cast has to fit its type, and what
RNN2C_KNOWN says has to hold.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

import z3
from terms import TableTerm, Term, Terms, Value, binary

from rnn2c.arith_tree import Function

OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitXor: "^",
}
TYPES = {"int8_t": "i8", "int16_t": "i16", "int32_t": "i32", "uint32_t": "u32"}
ASSIGNED = re.compile(r"(?:const )?(?:(?P<type>u?int\d+_t) )?(?P<name>\w+) = (?P<value>.*)")
ASSEMBLY = re.compile(
    r'__asm__\("(?P<lines>.*?)" : "=(?P<early>&?)[rl]"\((?P<out>\w+)\) : (?P<operands>.*)\)'
)
Address = tuple[TableTerm, Term]


class Body:
    """Runs the lines of a body with terms for its parameters."""

    def __init__(self, terms: Terms, function: Function, arguments: Sequence[Value]) -> None:
        self.terms = terms
        names = (name for name, _ in function.parameters)
        self.names: dict[str, Value] = dict(zip(names, arguments, strict=True))
        self.unsigned: set[str] = set()

    def run(self, lines: Sequence[str]) -> Term:
        """What the body returns."""
        for line in filter(None, lines):
            assert line.endswith(";"), line
            statement = line.removesuffix(";")
            if statement.startswith("return "):
                return self._value(statement.removeprefix("return "))
            self._statement(statement)
        raise AssertionError("no return")

    def _statement(self, text: str) -> None:
        if re.fullmatch(r"int32_t \w+", text):
            return
        if found := re.fullmatch(r"RNN2C_KNOWN\((.*)\)", text):
            self.terms.needs.append(self._condition(self._parsed(found[1])))
        elif found := ASSEMBLY.fullmatch(text):
            operands = re.findall(r'"[rl]"\(((?:[^()]|\([^()]*\))*)\)', found["operands"])
            values = [self._operand(o) for o in operands]
            lines = found["lines"].split(r"\n\t")
            assert found["early"] or len(lines) == 1, "written before all is read: =&r"
            self.names[found["out"]] = self._assembly(lines, values)
        elif found := ASSIGNED.fullmatch(text):
            value = self.terms.fits(self._value(found["value"]), TYPES[found["type"] or "int32_t"])
            self.names[found["name"]] = value
            if found["type"] == "uint32_t":
                self.unsigned.add(found["name"])
        else:
            raise AssertionError(f"not understood: {text}")

    def _assembly(self, lines: Sequence[str], operands: Sequence[Term | Address]) -> Term:
        registers: dict[str, Term | Address] = {f"%{k}": v for k, v in enumerate(operands, 1)}
        todo = [line for line in lines if line not in (".syntax unified", "nop")]
        while todo:
            line = todo.pop(0)
            if m := re.fullmatch(r"cmp (%\d), (%\d)", line):
                registers["%0"] = self._either(m[1], m[2], todo, registers)
                todo = []
            elif m := re.fullmatch(r"lsls %0, (%\d), #(\d+)", line):
                assert todo.pop(0) == f"asrs %0, %0, #{m[2]}", "what is shifted up comes back"
                source = registers[m[1]]
                assert isinstance(source, Term)
                registers["%0"] = self.terms.low(source, 32 - int(m[2]))
            else:
                registers["%0"] = self._instruction(line, registers)
        result = registers["%0"]
        assert isinstance(result, Term)
        return result

    def _either(
        self, a: str, b: str, todo: Sequence[str], registers: dict[str, Term | Address]
    ) -> Term:
        """What is left where two registers are the same, or else of the lines before `b 2f`."""
        held = [registers[name] for name in ("%0", a, b)]
        assert all(isinstance(h, Term) for h in held)
        same, first, second = (h for h in held if isinstance(h, Term))
        assert (todo[0], *todo[-3:]) == ("beq 1f", "b 2f", "1:", "2:"), todo
        inner = dict(registers)
        for line in todo[1:-3]:
            inner["%0"] = self._instruction(line, inner)
        other = inner["%0"]
        assert isinstance(other, Term)
        lo, hi = min(same.lo, other.lo), max(same.hi, other.hi)
        return Term(z3.If(first.z == second.z, same.z, other.z), lo, hi)

    def _instruction(self, line: str, registers: dict[str, Term | Address]) -> Term:
        def term(name: str) -> Term:
            found = registers[name]
            assert isinstance(found, Term)
            return found

        def number(text: str) -> Term:
            return t.number(int(text))

        t = self.terms
        if m := re.fullmatch(r"ssat %0, #(\d+), (%\d)(?:, asr #(\d+))?", line):
            half = 2 ** (int(m[1]) - 1)
            raised = t.extreme("maximum", t.down(term(m[2]), number(m[3] or "0")), t.number(-half))
            return t.extreme("minimum", raised, t.number(half - 1))
        if m := re.fullmatch(r"smmulr %0, (%\d), (%\d)", line):
            product = t.times(term(m[1]), term(m[2]))
            return t.down(t.add(product, t.number(2**31)), t.number(32))
        if m := re.fullmatch(r"smlabb %0, (%\d), (%\d), (%\d)", line):
            product = t.times(t.low(term(m[1]), 16), t.low(term(m[2]), 16))
            return t.fits(t.add(product, term(m[3])), "i32")
        if m := re.fullmatch(r"sxth %0, (%\d)", line):
            return t.low(term(m[1]), 16)
        if m := re.fullmatch(r"sxtb %0, (%\d)", line):
            return t.low(term(m[1]), 8)
        if found := self._of_riscv(line, registers):
            return found
        if m := re.fullmatch(r"eors %0, (%\d)", line):
            return t.apart(term("%0"), term(m[1]))
        if m := re.fullmatch(r"asrs? %0, (%\d), #(\d+)", line):
            return t.down(term(m[1]), number(m[2]))
        if m := re.fullmatch(r"(ldrsh|ldr) %0, \[(%\d), (%\d), lsl #([12])\]", line):
            address = registers[m[2]]
            assert isinstance(address, tuple)
            table, first = address
            wide = {"ldrsh": "i16", "ldr": "i32"}[m[1]]
            assert (int(m[4]), wide) == {2**31: (2, "i32"), 2**15: (1, "i16")}[-table.lo]
            return t.read(table, t.add(first, term(m[3])))
        raise AssertionError(f"not understood: {line}")

    def _of_riscv(self, line: str, registers: dict[str, Term | Address]) -> Term | None:
        """What a line of RISC-V leaves, None if it is another core's."""
        t, held = self.terms, registers.get("%0")
        if m := re.fullmatch(r"add %0, (%\d), (%\d)", line):
            a, b = registers[m[1]], registers[m[2]]
            assert isinstance(a, Term)
            assert isinstance(b, Term)
            return t.low(t.add(a, b), 32)
        if not isinstance(held, Term):
            return None
        if m := re.fullmatch(r"srli %0, %0, (\d+)", line):
            return Term((held.z % 2**32) / 2 ** int(m[1]), 0, 2 ** (32 - int(m[1])) - 1)
        if line == "snez %0, %0":
            return Term(z3.If(held.z != 0, z3.IntVal(1), z3.IntVal(0)), 0, 1)
        return t.subtract(t.number(0), held) if line == "neg %0, %0" else None

    def _operand(self, text: str) -> Term | Address:
        found = re.fullmatch(r"&(\w+)\[(\w+)\]", text)
        if not found:
            return self._value(text)
        table = self.names[found[1]]
        assert isinstance(table, TableTerm)
        return table, self._value(found[2])

    def _parsed(self, text: str) -> ast.expr:
        """C as Python reads it: a cast is a power, since it binds as strongly."""
        python = re.sub(r"\((u?int\d+_t)\)", r"\1 ** ", text).replace("&&", " and ")
        return ast.parse(python.strip(), mode="eval").body

    def _value(self, text: str) -> Term:
        return self._term(self._parsed(text))

    def _term(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant(value=int(value)):
                return self.terms.number(value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                minus = self.terms.subtract(self.terms.number(0), self._term(operand))
                return self.terms.fits(minus, "i32")
            case ast.Name(id=name):
                found = self.names[name]
                assert isinstance(found, Term)
                return found
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                table = self.names[name]
                assert isinstance(table, TableTerm)
                return self.terms.read(table, self._term(index))
            case ast.BinOp(left=ast.Name(id=type_), op=ast.Pow(), right=right):
                return self.terms.fits(self._term(right), TYPES[type_])
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self._term(left), self._term(right)
                type_ = "u32" if self._is_unsigned(left) or self._is_unsigned(right) else "i32"
                return self.terms.fits(binary(self.terms, OPERATORS[type(op)], a, b), type_)
        raise AssertionError(f"not understood: {ast.unparse(node)}")

    def _is_unsigned(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name):
                return name in self.unsigned
            case ast.BinOp(left=ast.Name(id="uint32_t"), op=ast.Pow()):
                return True
        return False

    def _condition(self, node: ast.expr) -> z3.BoolRef:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return z3.And(*map(self._condition, values))
            case ast.Compare(left=left, ops=[ast.GtE()], comparators=[right]):
                return self._term(left).z >= self._term(right).z
            case ast.Compare(left=left, ops=[ast.LtE()], comparators=[right]):
                return self._term(left).z <= self._term(right).z
        raise AssertionError(f"not understood: {ast.unparse(node)}")
