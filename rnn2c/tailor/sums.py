"""Which dot products the kernels compute, and how the stages take their sums.

A sum that is only requantized leaves the kernel requantized: its multiplier, shifted up, is in the
stream.  Where a kernel has a sum 2^n times as large, the multiplier is as much smaller.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.ir.ops import flat
from rnn2c.ir.program import (
    Argument,
    Call,
    Const,
    Dot,
    Elem,
    Kernel,
    Op,
    Program,
    Stage,
    Weight,
)
from rnn2c.packing import halves4
from rnn2c.packing.blocks import HIGH_SHIFT, Content, content_of
from rnn2c.packing.families import FAMILIES, OF_KERNELS
from rnn2c.packing.family import Family, Layout
from rnn2c.ranges import dot_bound
from rnn2c.tailor.calls import (
    constants_of,
    doc_of,
    dot_of,
    joined,
    requantize,
    requantizing,
    shift_of,
    shifting,
)
from rnn2c.tailor.vectors import fixed
from rnn2c.target import Level

TURN: dict[Level, int] = {"size": 4, "balanced": 16, "speed": 0, "unrolled": 0}
WORD_TURN: dict[Level, int] = {"size": 2, "balanced": 8, "speed": 0, "unrolled": 0}
"""Columns of one turn of a loop, also where each is a word, as its kernels are longer."""

MOST_COLUMNS, LONG_TURN = 256, 64
"""A kernel of more columns has loops, whatever the level."""

LEAST_WORK = 64
"""Multiply-accumulates below which a kernel costs more than it saves."""


class Sums:
    """The weights and constants of a program, changed for the dot products that were chosen."""

    def __init__(self, program: Program, level: Level) -> None:
        self.program = program
        self.turn, self.word_turn = TURN[level], WORD_TURN[level]
        of_target = OF_KERNELS[program.target.kernels]
        self.families = tuple(f for f in of_target if _serves(FAMILIES[f], level))
        self.taken = dict(program.weight)
        self.fixed = fixed(program)
        self.constants = dict(program.const)
        self.chosen: dict[str, tuple[str, Layout]] = {}
        self.in_place: set[str] = set()
        """The vectors that kernels read as they lie."""
        for op in flat((*program.step, *program.finish)):
            dot = dot_of(op)
            chosen = self._choose(op, dot) if isinstance(op, Stage) and dot is not None else None
            if dot is not None and chosen is not None:
                self.chosen[dot.weight] = chosen
                if FAMILIES[chosen[0]].vector in ("", "i8"):
                    self.in_place |= {s.vector for s in dot.segments}

    def has(self, stage: Stage) -> bool:
        """Whether a kernel computes the dot product of this stage."""
        dot = dot_of(stage)
        return dot is not None and dot.weight in self.chosen

    def weights(self) -> tuple[Weight, ...]:
        return tuple(self.taken.values())

    def consts(self, operations: tuple[Op, ...]) -> tuple[Const, ...]:
        """Those that the operations, an input scale or a stream still need."""
        raw = self.program.raw_input
        used = {raw.multiplier, raw.offset, raw.shift} if raw else set()
        for op in flat(operations):
            if isinstance(op, Stage):
                used |= {name for i in op.body for name in constants_of(i)}
        return tuple(c for c in self.constants.values() if c.name in used)

    def rewritten(self, stage: Stage) -> Stage:
        """The stage with its kernel; its vectors have been made to fit."""
        dot = dot_of(stage)
        assert dot is not None
        family, form = self.chosen[dot.weight]
        content = content_of(self.program, dot)
        calls = {
            r: call
            for r, out in enumerate(dot.outs)
            if FAMILIES[family].requantizes
            and (call := requantize(stage, out, {unit[r] for unit in form.raised}))
        }
        shifts = shifting(stage, dot) if FAMILIES[family].shifts else {}
        raised = tuple(
            tuple(up if r in calls else 0 for r, up in enumerate(unit)) for unit in form.raised
        )
        up = np.asarray([raised[j % form.units] for j in range(stage.units)], np.int64)
        words = {r: self._word(call, stage.units, up[:, r]) for r, call in calls.items()}
        together = joined(stage, calls, partial(FAMILIES[family].joins, form))
        last = calls | {a: call for (a, _), call in together.items()} | shifts
        kernel = Kernel(
            family=family,
            units=form.units,
            raised=raised,
            places=form.places,
            turn=self._turn(dot, family),
            chunks=form.chunks if isinstance(form, halves4.Layout) else (),
            scaled=tuple(calls),
            multipliers=self._multipliers(dot, words),
            docs=tuple(doc_of(r, calls | shifts, together) for r in range(len(dot.outs))),
            lifted=tuple(
                HIGH_SHIFT - shift_of(call) - max(u[r] for u in raised) for r, call in calls.items()
            ),
            joined=tuple(together),
            shifted=tuple(shift_of(call) for call in shifts.values()),
            written=FAMILIES[family].written(form, content),
        )
        lifted = dict(zip(kernel.scaled, kernel.lifted, strict=True))
        self._pack(dot, family, form, replace(content, multipliers=words, lifted=lifted))
        outs = tuple(last[r].out if r in last else out for r, out in enumerate(dot.outs))
        body = tuple(
            replace(i, outs=outs, kernel=kernel) if isinstance(i, Dot) else i
            for i in stage.body
            if i not in (*calls.values(), *together.values(), *shifts.values())
        )
        return replace(stage, body=body)

    def _choose(self, stage: Stage, dot: Dot) -> tuple[str, Layout] | None:
        """The first family of kernels that computes this dot product, or one that costs less with
        its weights, and the layout.
        """
        weight = self.program.weight[dot.weight]
        if any(s.stride for s in dot.segments) or sum(m.size for m in weight.matrices) < LEAST_WORK:
            return None
        buffers = [self.program.buffer[s.vector] for s in dot.segments]
        content = content_of(self.program, dot)
        vectors = tuple((b.lo, b.hi) for b in buffers)
        bounds = dot_bound(content.matrices, vectors, content.segments, content.bias)
        packings = {"", weight.packing, *(["dense8"] if self._may_grow(weight) else [])}
        found: list[tuple[str, Layout]] = []
        shifts = tuple(shift_of(requantizing(stage, out)) for out in dot.outs)
        for name in self.families:
            family = FAMILIES[name]
            if family.weights not in packings or dot.width != family.width:
                continue
            form = family.layout(len(dot.outs), content.segments, tuple(b.type for b in buffers))
            if form is None or any(b.type not in ("i8", "i16") for b in buffers):
                continue
            if family.vector == "i8" and not self._can_align(dot):
                continue
            if family.scaled is not None:
                form = family.scaled(form, shifts, vectors, content)
            if form is None:
                continue
            limits = [2 ** (31 - max(up)) for up in zip(*form.raised, strict=True)]
            is_safe = all(b.within(-m, m - 1) for b, m in zip(bounds, limits, strict=True))
            if is_safe and family.fits(form, content):
                found.append((name, form))
        return _cheapest(found, content)

    def _may_grow(self, weight: Weight) -> bool:
        """Whether a kernel for weights of 8 bits may take these, for what it saves of time."""
        has_own = any(FAMILIES[name].weights == "ternary" for name in self.families)
        level = self.program.level
        return weight.packing == "ternary" and (level == "speed" if has_own else level != "size")

    def _can_align(self, dot: Dot) -> bool:
        """Whether its vectors of 8-bit elements can begin at words."""
        narrow = [s for s in dot.segments if self.program.buffer[s.vector].type == "i8"]
        return not any(s.offset or s.vector in self.fixed for s in narrow)

    def family(self, stage: Stage) -> Family:
        """What the kernel of a stage is made like."""
        dot = dot_of(stage)
        assert dot is not None
        return FAMILIES[self.chosen[dot.weight][0]]

    def _turn(self, dot: Dot, family: str) -> int:
        columns = sum(s.size for s in dot.segments)
        are_words = FAMILIES[family].vector == "i32"
        turn, long = (self.word_turn, LONG_TURN // 2) if are_words else (self.turn, LONG_TURN)
        return long if columns > MOST_COLUMNS and not turn else turn

    def _pack(self, dot: Dot, family: str, form: Layout, content: Content) -> None:
        weight = self.program.weight[dot.weight]
        stream = FAMILIES[family].pack(form, content)
        doc = f"{weight.doc}; with the first values of the sums and their multipliers"
        self.taken[weight.name] = replace(weight, packing=family, stream=stream, doc=doc)
        self.constants[dot.bias] = replace(self.constants[dot.bias], kind="packed")

    def _multipliers(self, dot: Dot, words: dict[int, IntArray]) -> str:
        """The constant of a kernel's multipliers."""
        if not words:
            return ""
        name = dot.weight.removesuffix("weights") + "multiplier_words"
        data = np.stack(list(words.values()), axis=1).ravel()
        self.constants[name] = Const(name, "i32", data, "multipliers of a kernel", "packed")
        return name

    def _word(self, call: Call, units: int, up: IntArray) -> IntArray:
        """The multipliers of a call of requantize as high_round takes them."""
        return self._values(call.arguments[1], units) << (HIGH_SHIFT - shift_of(call) - up)

    def _values(self, multiplier: Argument, units: int) -> IntArray:
        if isinstance(multiplier, int):
            return np.full(units, multiplier, np.int64)
        assert isinstance(multiplier, Elem)
        places = multiplier.offset + multiplier.stride * np.arange(units)
        return np.asarray(self.program.const[multiplier.buffer].data[places], np.int64)


def _serves(family: Family, level: Level) -> bool:
    """Whether a level has kernels of a family: those in C are longer than a loop."""
    return level == "unrolled" if family.immediate else bool(family.pointer) or level != "size"


def _cheapest(found: list[tuple[str, Layout]], content: Content) -> tuple[str, Layout] | None:
    """Of the families that fit the first one, or that of the least cost if it has a cost."""
    costs = {
        k: cost(form, content)
        for k, (name, form) in enumerate(found)
        if (cost := FAMILIES[name].cost)
    }
    if not found:
        return None
    return found[min(costs, key=costs.__getitem__)] if 0 in costs else found[0]
