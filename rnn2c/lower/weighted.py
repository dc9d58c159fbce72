"""A weighted sum of one or two 16-bit values in one rounding: y = (a m_a + b m_b + k) / 2^shift.

The multipliers are the real factors times 2^shift, the largest shift at which every intermediate
result is proven to fit 32 bits.  A multiplier is off by half a unit, so y is within one step of
the coarser operand, and in a sum of one term within half a step of y and 2^-14 of its value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Format, IntArray
from rnn2c.ir.program import Argument, Call, Elem
from rnn2c.lower.builder import Builder
from rnn2c.lower.linear import limited

LARGEST_SHIFT = 24
LARGEST_MULTIPLIER = 32767


@dataclass(frozen=True)
class Term:
    """An operand: a 16-bit value, the range of its integers, its factor for each unit (or one)."""

    value: Argument
    lo: int
    hi: int
    factor: FloatArray

    @property
    def reach(self) -> int:
        return max(-self.lo, self.hi)


def operand(b: Builder, value: str, graph_rate: graph.Rate, scale: FloatArray) -> Term:
    """The term scale * value, in real units, of a value of the model (zero points apart)."""
    form = b.format(value)
    elem = b.place(value, graph_rate).elem()
    return Term(elem, form.lo, form.hi, scale * form.scale)


def prefix(out: str) -> str:
    """What the names of inner values begin with: nothing for the result `y` of a layer."""
    return "" if out == "y" else f"{out}_"


def weighted_sum(
    b: Builder,
    layer: graph.Layer,
    terms: tuple[Term, ...],
    offset: FloatArray,
    form: Format,
    bounds: tuple[int, int] | None = None,
    out: str = "y",
) -> list[Call]:
    """Calls that define `out`: sum of terms and offset, in the format `form`, saturated.

    Factors and offset are real: of one unit each, or one for all.  bounds: of y, narrower than the
    format's.  Raises UnsupportedError for factors beyond 16 bits.
    """
    factors = [t.factor / form.scale for t in terms]
    steps = offset / form.scale + form.zero_point
    shift = _shift(layer, terms, factors, steps)
    multipliers = [np.round(f * 2.0**shift).astype(np.int64) for f in factors]
    start = (np.round(steps * 2.0**shift) + 2.0 ** (shift - 1)).astype(np.int64)
    own = prefix(out)
    named = [_constant(b, layer, f"{own}multiplier{k}", m) for k, m in enumerate(multipliers)]
    first = _constant(b, layer, f"{own}offset", start)
    wide = f"{out}_wide"
    if len(terms) == 1:
        scaled = ("affine", (terms[0].value, named[0], first, shift))
        calls = [Call(wide, *scaled, f"(x * multiplier + offset) / 2^{shift}")]
    else:
        calls = [
            Call(
                f"{own}a_part",
                "affine",
                (terms[0].value, named[0], first, 0),
                "a * multiplier + offset",
            ),
            Call(f"{own}b_part", "affine", (terms[1].value, named[1], 0, 0), "b * multiplier"),
            Call(f"{own}both", "add", (f"{own}a_part", f"{own}b_part")),
            Call(wide, "shift_down", (f"{own}both", shift), f"/ 2^{shift}"),
        ]
    if bounds is None:
        return [*calls, *limited(out, wide, form, "")]
    return [*calls, Call(out, "clamp", (wide, *bounds), "limits of the function")]


def _shift(
    layer: graph.Layer, terms: tuple[Term, ...], factors: list[FloatArray], steps: FloatArray
) -> int:
    for shift in range(LARGEST_SHIFT, 0, -1):
        largest = [float(np.abs(f).max()) * 2.0**shift + 1 for f in factors]
        total = float(np.abs(steps).max()) * 2.0**shift + 2.0**shift
        total += sum(m * t.reach for m, t in zip(largest, terms, strict=True))
        if max(largest) <= LARGEST_MULTIPLIER and total < 2.0**31:
            return shift
    raise UnsupportedError(
        f"layer '{layer.name}': one step of its input is {max(float(f.max()) for f in factors):.3g}"
        " steps of its output; the scale is too large for 16 bits"
    )


def _constant(b: Builder, layer: graph.Layer, name: str, data: IntArray) -> Argument:
    """A literal where all units agree, else an element of an array."""
    if np.all(data == data.flat[0]):
        return int(data.flat[0])
    return Elem(b.const(f"{layer.name}_{name}", data, f"{name}, one per unit"))
