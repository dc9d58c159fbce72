"""C text of dot products: plain loops, or calls of kernels; and the names of what they touch."""

from __future__ import annotations

from collections.abc import Mapping

from rnn2c.emit.arrays import part_name
from rnn2c.emit.expressions import index_text, place_text, start_text
from rnn2c.emit.flash import Flash
from rnn2c.emit.kernels import delivered, kernel_name, product_body, totals_count, totals_name
from rnn2c.emit.records import DotCode, KernelCode, Part
from rnn2c.ir.names import prose
from rnn2c.ir.program import CTYPES, Dot, Elem, Program
from rnn2c.packing import PACKINGS
from rnn2c.packing.families import FAMILIES
from rnn2c.packing.parts import parts

BY_BYTES = frozenset({"dense8", "dense4", "ternary"})
"""Packings whose products have a byte as a factor."""


def product_name(program: Program) -> str:
    """The function that multiplies by a byte, "" where C does."""
    has_body = product_body(program.target.templates) and not program.is_float
    return f"{program.name}_product" if has_body else ""


class Dots:
    """Writes the dot products of one Program; `prefix` begins every static name.

    shared: the C names of constants that are defined elsewhere.
    """

    def __init__(self, program: Program, shared: Mapping[str, str] | None = None) -> None:
        self.program = program
        self.prefix = program.name
        self.flash = Flash(program.target.constants == "far")
        self.shared = shared or {}

    def static(self, name: str) -> str:
        """C name of a constant array, or of a function."""
        return self.shared.get(name) or f"{self.prefix}_{name}"

    def vector(self, buffer: str, new: bool = False, mirror: bool = False) -> str:
        """C expression of a buffer, or of its row at hand, as an array."""
        b = self.program.buffer[buffer]
        if b.twice:
            return f"{buffer}_new" if new else buffer
        name = f"s->{buffer}" if b.role in ("state", "scratch") else buffer
        row = "[(count - 1u) - t]" if mirror else "[t]"
        return f"{name}{row}" if b.rows else name

    def dot(self, dot: Dot, renamed: dict[str, str], units: int) -> DotCode:
        """The loops of a dot product."""
        weight = self.program.weight[dot.weight]
        bias = self.program.const[dot.bias]
        packing = PACKINGS[weight.packing]
        limit = 2 ** (weight.bits - 1)
        parts = []
        for segment in dot.segments:
            b = self.program.buffer[segment.vector]
            parts.append(
                Part(
                    vector=self.vector(segment.vector, segment.new),
                    ctype=CTYPES[b.type],
                    size=segment.size,
                    sums=tuple(renamed[dot.outs[r]] for r in segment.results),
                    wide=max(-b.lo, b.hi) * limit > 32767,
                    final=units == 1 and segment is dot.segments[-1],
                    doc=prose(b.doc),
                    start=start_text(segment),
                )
            )
        return DotCode(
            sums=tuple(renamed[o] for o in dot.outs),
            width=dot.width,
            ctype=CTYPES[dot.width],
            weights=self.flash.start(self.static(weight.name)),
            pointer=self.flash.pointer(CTYPES[packing.type]),
            packing=weight.packing,
            biases=tuple(
                self.flash.read(
                    self.flash.start(self.static(bias.name)),
                    index_text(Elem(bias.name, k, len(dot.outs))),
                    bias.type,
                )
                for k in range(len(dot.outs))
            ),
            bias_type=bias.type,
            more_weights=self._more_weights(dot),
            product=product_name(self.program) if weight.packing in BY_BYTES else "",
            parts=tuple(parts),
        )

    def kernel(self, dot: Dot, renamed: dict[str, str], units: int) -> KernelCode:
        """The call of the function that computes a dot product."""
        kernel = dot.kernel
        assert kernel is not None
        types = tuple(self.program.buffer[s.vector].type for s in dot.segments)
        family = FAMILIES[kernel.family]
        first, last = kernel.places[0], kernel.places[-1]
        steps = [(b - a) // max(kernel.units - 1, 1) for a, b in zip(first, last, strict=True)]
        return KernelCode(
            function=self.static(kernel_name(dot)),
            weights="" if family.immediate else self.flash.start(self.static(dot.weight)),
            pointer=family.pointer,
            ctype=CTYPES[dot.type],
            stream=self.flash.pointer(CTYPES[family.element]),
            advance=0 if family.advances or family.immediate else self._elements(dot) // units,
            vectors=tuple(self.vector(s.vector, s.new) + start_text(s) for s in dot.segments),
            block=kernel.units,
            count=kernel.units * len(dot.outs),
            sums=tuple(
                (renamed[out], place_text(at, step), doc)
                for out, at, step, doc in zip(dot.outs, first, steps, kernel.docs, strict=True)
                if out in delivered(dot)
            ),
            partial=units % kernel.units != 0 and units > kernel.units,
            straight=self.program.level == "speed" and kernel.units == 2 and units % 2 == 0,
            more_weights=self._more_weights(dot),
            totals=self.static(totals_name(dot)),
            more=totals_count(dot, types),
        )

    def _more_weights(self, dot: Dot) -> tuple[tuple[int, str], ...]:
        """With which units the weights go on in another array."""
        weight = self.program.weight[dot.weight]
        found = enumerate(parts(self.program, weight))
        starts = [(unit, self.static(part_name(weight, k))) for k, (unit, _) in found]
        return tuple((unit, self.flash.start(name)) for unit, name in starts[1:])

    def _elements(self, dot: Dot) -> int:
        """Of the stream of a kernel."""
        stream = self.program.weight[dot.weight].stream
        assert stream is not None
        return int(stream.size)
