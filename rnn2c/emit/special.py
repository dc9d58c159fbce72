"""Functions of their own for calls with literals in them, where a variant has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rnn2c.arith_tree import Function, tree
from rnn2c.emit.kernels import special as special_of
from rnn2c.emit.types import first_type
from rnn2c.ir.program import Argument, Call, Program


@dataclass(frozen=True)
class Own:
    """The function of a call, and the arguments that are left: those that are no literals."""

    function: Function
    body: tuple[str, ...]
    arguments: tuple[Argument, ...]

    @property
    def name(self) -> str:
        return self.function.name

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        return self.function.parameters


def special(program: Program, call: Call, types: Mapping[str, str]) -> Own | None:
    """The function that the target's variant has for a call; types: of the values of the stage.
    None: the primitive itself.
    """
    return own_of(program.target.kernels, call, first_type(program, call, types))


def own_of(kernels: str, call: Call, type_: str) -> Own | None:
    """The same for a first argument of this type."""
    made = special_of(kernels, call, type_)
    if made is None:
        return None
    function = tree(call.primitive)
    both = zip(function.parameters, call.arguments, strict=True)
    kept = [(p, a) for p, a in both if not isinstance(a, int)]
    (name, type_of_it), *others = [p for p, _ in kept]
    return Own(
        replace(
            function,
            name=f"{function.name}{made.end}",
            parameters=((name, made.type or type_of_it), *others),
        ),
        made.body,
        tuple(a for _, a in kept),
    )
