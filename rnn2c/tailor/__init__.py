"""Tailor a Program to the kernels of its target: the same bits from fewer instructions.

A dot product that the kernels can compute gets its weights in their packing, its vectors in the
type and with the room that they read, and multipliers in the form of their multiply-high.  What
they cannot compute stays as it is.  The level sets how far loops are unrolled, and at level size
tables are stored small; it changes no bit.
"""

from __future__ import annotations

from dataclasses import replace

from rnn2c.ir.program import Inner, Loop, Op, Program, Stage, When
from rnn2c.tailor.far import placed
from rnn2c.tailor.in_place import in_place
from rnn2c.tailor.sums import Sums
from rnn2c.tailor.tables import small_tables
from rnn2c.tailor.vectors import Vectors
from rnn2c.target import Level

__all__ = ["tailor"]


def tailor(program: Program, level: Level) -> Program:
    """The program at a level and for the kernels of its target, or itself if nothing changes."""
    made = placed(_tailored(program, level))
    slow = [w.name for w in made.weights if w.packing == "overlapped4" and w.stream is None]
    notes = (
        f"{name} overlap, which {program.target.name} has no kernel for: plain int4 is faster there"
        for name in slow
    )
    return replace(made, notes=(*made.notes, *notes)) if slow else made


def _tailored(program: Program, level: Level) -> Program:
    program = _at(program, level)
    if level == "size" and not program.is_float:
        program = small_tables(program)
    if level in ("size", "balanced") and program.target.kernels == "avr":
        program = in_place(program)
    if not program.target.kernels or program.is_float:
        return program
    sums = Sums(program, level)
    if not sums.chosen:
        return program
    vectors = Vectors(program, sums.in_place)

    def inner(ops: tuple[Inner, ...], role: str) -> tuple[Inner, ...]:
        """Of a body that does not run at every step: its copies are not there afterwards."""
        before = set(vectors.copied)
        new = tuple(new for op in ops for new in _stage(op, sums, vectors, role))
        vectors.copied = before
        return new

    def outer(ops: tuple[Op, ...], role: str) -> tuple[Op, ...]:
        result: list[Op] = []
        for op in ops:
            match op:
                case When(body=body):
                    result.append(replace(op, body=inner(body, role)))
                case Loop(body=body):
                    result.append(replace(op, body=inner(body, "scratch")))
                case _:
                    result += _stage(op, sums, vectors, role)
        return tuple(result)

    step, finish = outer(program.step, "scratch"), outer(program.finish, "local")
    return replace(
        program,
        buffers=vectors.buffers(),
        weights=sums.weights(),
        consts=sums.consts((*program.init, *step, *finish)),
        step=step,
        finish=finish,
        origin=program.model_id,
    )


def _at(program: Program, level: Level) -> Program:
    if level == program.level:
        return program
    return replace(program, level=level, target=program.target.at(level), origin=program.model_id)


def _stage(op: Inner, sums: Sums, vectors: Vectors, role: str) -> list[Inner]:
    if not isinstance(op, Stage) or not sums.has(op):
        return [op]
    copies, fitted = vectors.fit(op, role, sums.family(op))
    return [*copies, sums.rewritten(fitted)]
