"""Constants that near pointers may not reach are addressed in another way, slower but anywhere."""

from __future__ import annotations

from dataclasses import replace

from rnn2c.budget import budget
from rnn2c.ir.program import Program


def placed(program: Program) -> Program:
    """The program with its constants far if it has more than its target keeps near."""
    target = program.target
    if target.far is None or budget(program).constants <= target.far.above:
        return program
    return replace(program, target=target.with_far_constants, origin=program.model_id)
