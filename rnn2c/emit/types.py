"""The types of values within a stage, as arith.py names them."""

from __future__ import annotations

from collections.abc import Mapping

from rnn2c.arith_tree import tree
from rnn2c.ir.program import Call, Dot, Elem, Gather, Program, Stage
from rnn2c.packing import PACKINGS


def value_types(program: Program, stage: Stage) -> dict[str, str]:
    """The type of every value that a stage computes."""
    found: dict[str, str] = {}
    for i in stage.body:
        match i:
            case Dot(outs=outs):
                found |= dict.fromkeys(outs, i.type)
            case Call(out=out, primitive=primitive):
                found[out] = tree(primitive).returns
            case Gather(out=out):
                found[out] = entry_type(program, i)
    return found


def entry_type(program: Program, gather: Gather) -> str:
    """Of an entry of a table of rows."""
    packing = program.weight[gather.table].packing
    return tree("nibble").returns if packing == "dense4" else PACKINGS[packing].type


def first_type(program: Program, call: Call, types: Mapping[str, str]) -> str:
    """Of the first argument of a call as it is, not as the primitive takes it; types: of values."""
    match call.arguments[0]:
        case str(value):
            return types[value]
        case Elem(buffer):
            const = program.const.get(buffer)
            return const.type if const is not None else program.buffer[buffer].type
    return tree(call.primitive).parameters[0][1]
