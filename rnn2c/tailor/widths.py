"""How wide the sums of a program are, and what they would take in other widths of its target."""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.ir.ops import flat
from rnn2c.ir.program import Dot, Program, Stage
from rnn2c.packing.blocks import Content, content_of
from rnn2c.packing.families import FAMILIES, OF_KERNELS
from rnn2c.ranges import dot_bound


@dataclass(frozen=True)
class SumChoice:
    """A width in bits.  cycles: about those of all products in a step, weight_bytes: of the weights
    with their first values; both None where sums of this width are plain C.  excess: how many
    times what fits the largest sum is, 1 where it fits.
    """

    bits: int
    cycles: int | None
    weight_bytes: int | None
    excess: float


@dataclass(frozen=True)
class StageSums:
    """The sums of a stage: their width and the largest magnitude that the proof leaves them."""

    stage: str
    bits: int
    largest: int
    choices: tuple[SumChoice, ...]


def stage_sums(program: Program) -> tuple[StageSums, ...]:
    """Of every stage of a lowered program with a dot product, for targets that add narrow numbers
    faster than wide ones; else nothing.
    """
    widths = [bits for bits in program.target.accumulators if bits <= 32]
    if min(widths) == 32:
        return ()
    return tuple(
        _of_dot(program, stage, dot, widths)
        for stage in flat((*program.step, *program.finish))
        if isinstance(stage, Stage)
        for dot in stage.body
        if isinstance(dot, Dot)
    )


def _of_dot(program: Program, stage: Stage, dot: Dot, widths: list[int]) -> StageSums:
    content = content_of(program, dot)
    buffers = [program.buffer[s.vector] for s in dot.segments]
    vectors = tuple((b.lo, b.hi) for b in buffers)
    bounds = dot_bound(content.matrices, vectors, content.segments, content.bias)
    largest = max(max(-b.lo, b.hi) for b in bounds)
    types = tuple(b.type for b in buffers)
    choices = []
    for bits in widths:
        cycles, octets = _cheapest(program, dot, content, types, bits)
        choices.append(SumChoice(bits, cycles, octets, max(largest / (2 ** (bits - 1) - 1), 1.0)))
    return StageSums(stage.title, int(dot.width[1:]), largest, tuple(choices))


def _cheapest(
    program: Program, dot: Dot, content: Content, types: tuple[str, ...], bits: int
) -> tuple[int | None, int | None]:
    """Cycles and bytes of the family of kernels with sums of so many bits that takes the least."""
    packing = program.weight[dot.weight].packing
    found: list[tuple[int, int]] = []
    for name in OF_KERNELS[program.target.kernels]:
        family = FAMILIES[name]
        if family.cost is None or (family.weights, family.width) != (packing, f"i{bits}"):
            continue
        if not {*types} <= {"i8", "i16"} or any(s.stride for s in dot.segments):
            continue
        form = family.layout(len(dot.outs), content.segments, types)
        if form is not None and family.fits(form, content):
            found.append((family.cost(form, content), len(family.pack(form, content))))
    return min(found, default=(None, None))
