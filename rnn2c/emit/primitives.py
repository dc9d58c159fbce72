"""Which primitives the C of a program calls, and their functions."""

from __future__ import annotations

from rnn2c.arith_tree import Function
from rnn2c.emit.arith_c import definition, needed
from rnn2c.emit.dots import BY_BYTES, product_name
from rnn2c.emit.flash import Flash
from rnn2c.emit.helpers import choices, product
from rnn2c.emit.kernels import (
    choice_bodies,
    kernel_functions,
    kernel_primitives,
    own_body,
    product_body,
)
from rnn2c.emit.special import Own, special
from rnn2c.emit.types import value_types
from rnn2c.emit.units import whole_stages
from rnn2c.ir.program import Call, Dot, Fold, Gather, Program, Reduce, Stage

CODE = "RNN2C_ATTR_CODE"


def used(program: Program) -> set[str]:
    """The primitives that it calls, without those that these call."""
    names = {c.primitive for c, own in _calls_in_c(program) if own is None}
    for op in program.operations():
        match op:
            case Stage():
                tables = {program.weight[i.table] for i in op.body if isinstance(i, Gather)}
                names |= {"nibble" for table in tables if table.packing == "dense4"}
            case Fold(function=function):
                names.add(function)
            case Reduce(function=function, size=size) if size > 1:
                names |= {function} - {"argmax"}
    if program.raw_input is not None:
        b = program.buffer[
            next(s.buffer for s in program.inputs if s.name == program.raw_input.signal)
        ]
        integer = {"affine", "sat8" if b.type == "i8" else "sat16"}
        names |= {"affine_f32"} if program.is_float else integer
    return names | kernel_primitives(program)


def most_columns(program: Program) -> dict[str, int]:
    """The packings in use, by name, with the most columns that one loop of each reads."""
    summed = {
        i.weight
        for op in program.operations()
        if isinstance(op, Stage)
        for i in op.body
        if isinstance(i, Dot)
    }
    most: dict[str, int] = {}
    for weight in sorted(program.weights, key=lambda w: w.packing):
        if weight.name not in summed or weight.stream is not None:
            continue
        columns = max(m.shape[2] for m in weight.matrices)
        most[weight.packing] = max(columns, most.get(weight.packing, 0))
    return most


def definitions(program: Program, primitives: set[str]) -> list[str]:
    """All functions of operations in C, callees first."""
    flash = Flash(program.target.constants == "far")
    found = [_definition(program, f, flash) for f in needed(primitives)]
    bodies = choice_bodies(program.target.templates)
    chosen = choices(found, program.name, bodies, CODE)
    return _product(program, found) + chosen + found + _special_definitions(program)


def _product(program: Program, definitions: list[str]) -> list[str]:
    """The function that multiplies, if these definitions or a dot product call it."""
    name = product_name(program)
    in_dots = not BY_BYTES.isdisjoint(most_columns(program))
    if not name or not (in_dots or any(f"{name}(" in d for d in definitions)):
        return []
    return [product(program.name, product_body(program.target.templates), CODE)]


def _definition(program: Program, function: Function, flash: Flash) -> str:
    """A primitive in C: the variant's own body, or that of arith.py."""
    variants = program.target.templates
    own, branches = own_body(variants, function.name), not choice_bodies(variants)
    multiplies = not product_name(program)
    return definition(function, program.name, CODE, own, branches, flash, multiplies)


def has_assembly(program: Program, primitives: set[str]) -> bool:
    """Whether the variant has assembly for any part of the program."""
    own = any(own_body(program.target.templates, f.name) for f in needed(primitives))
    own = own or bool(product_name(program))
    return own or bool(kernel_functions(program) or _special_definitions(program))


def _special_definitions(program: Program) -> list[str]:
    """The primitives that have functions of their own for the literals they are called with."""
    found = {own.name: own for _, own in _calls_in_c(program) if own is not None}
    return [definition(own.function, program.name, CODE, own.body) for own in found.values()]


def _calls_in_c(program: Program) -> list[tuple[Call, Own | None]]:
    """The calls of all stages that are not in assembly, with the functions of their own."""
    whole = [stage for stage, *_ in whole_stages(program).values()]
    stages = [op for op in program.operations() if isinstance(op, Stage) and op not in whole]
    found = []
    for stage in stages:
        types = value_types(program, stage)
        calls = [i for i in stage.body if isinstance(i, Call)]
        found += [(call, special(program, call, types)) for call in calls]
    return found
