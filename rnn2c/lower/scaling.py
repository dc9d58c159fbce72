"""From an accumulator to a fixed-point value: which primitive, which multiplier, which shift.

The choice depends on what is proven about the sum, never on the target: every primitive that may
be chosen computes the same number over its contract.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, IntArray
from rnn2c.ir.program import Argument, Call, Elem
from rnn2c.ranges import Interval

NARROW_LIMIT = 2**23
NARROW_SHIFTS = range(17, 25)
WIDE_SHIFTS = range(1, 47)
LARGEST_BIAS = 2**30
PRODUCT_LIMIT = 2**30
"""Two requantized values below it can be added in 32 bits."""


@dataclass(frozen=True)
class Ratio:
    """accumulator * multiplier / 2^shift, one multiplier per unit: the wanted fixed-point value."""

    multiplier: IntArray
    shift: int


def ratio(scales: FloatArray) -> Ratio:
    """The best common shift for these real factors: the largest multiplier has 16 bits."""
    top = float(scales.max())
    shift = int(np.clip(15 - np.floor(np.log2(top)), WIDE_SHIFTS[0], WIDE_SHIFTS[-1]))
    multiplier = np.round(scales * 2.0**shift)
    if multiplier.max() > 65535 and shift > WIDE_SHIFTS[0]:
        shift -= 1
        multiplier = np.round(scales * 2.0**shift)
    return Ratio(np.clip(multiplier, 0, 65535).astype(np.int64), shift)


def requantize_calls(
    out: str, acc: str, proven: Interval, r: Ratio, multiplier: Elem | int, doc: str
) -> list[Call]:
    """Calls that compute out (i32) = acc * multiplier / 2^shift, rounded to the nearest.

    A sum so coarse that the product would leave 32 bits is limited first, far beyond where the
    16-bit saturation that follows makes both equal.
    """
    calls: list[Call] = []
    source: Argument = acc
    shift = r.shift
    if not proven.within(-(2**31), 2**31 - 1):
        drop = max(proven.hi, -proven.lo).bit_length() - 31
        calls.append(Call(f"{out}_sum", "narrow", (source, drop), f"sum / 2^{drop}"))
        proven = Interval(proven.lo >> drop, proven.hi >> drop)
        source, shift = f"{out}_sum", shift - drop
        if shift < WIDE_SHIFTS[0]:
            raise UnsupportedError(
                f"{out}: a 64-bit sum of weights this large; scale the model down"
            )
    reach = max(-proven.lo, proven.hi)
    said = f"{doc} = sum * multiplier / 2^{shift}"
    if reach < NARROW_LIMIT and shift in NARROW_SHIFTS:
        calls.append(Call(out, "requantize", (source, multiplier, shift), said))
        return calls
    if (reach * int(r.multiplier.max())) >> shift >= PRODUCT_LIMIT:
        # a sum beyond this saturates for every row, since no multiplier of a gate is tiny
        limit = (PRODUCT_LIMIT << shift) // int(r.multiplier.max()) - 1
        calls.append(Call(f"{out}_sum_limited", "clamp", (source, -limit, limit)))
        source = f"{out}_sum_limited"
    calls.append(Call(out, "requantize_wide", (source, multiplier, shift), said))
    return calls


def shift_calls(out: str, acc: str, shift: int, narrow: bool, doc: str) -> list[Call]:
    """Calls that compute out (i16) = acc / 2^shift saturated; the bias holds the rounding constant.

    narrow: the accumulator itself has 16 bits.
    """
    if shift < 0:
        return [
            Call(out, "grow_sat16", (acc, min(-shift, 14)), f"{doc} = sum * 2^{min(-shift, 14)}")
        ]
    if narrow:
        return [Call(out, "shift16", (acc, shift), f"{doc} = sum / 2^{shift}")]
    return [Call(out, "shift_sat16", (acc, shift), f"{doc} = sum / 2^{shift}")]


def multiplier_doc(units: int, sums: tuple[str, ...]) -> str:
    """Comment of an array of multipliers."""
    return f"what takes each sum to its fixed-point format: [{units} units][{' '.join(sums)}]"


def bias_steps(layer: graph.Layer, bias: FloatArray, scale: FloatArray) -> IntArray:
    """The bias in steps of the accumulators' scales; UnsupportedError where it needs 31 bits."""
    steps = np.round(bias / scale)
    worst = int(np.argmax(np.abs(steps)))
    if abs(steps[worst]) >= LARGEST_BIAS:
        raise UnsupportedError(
            f"layer '{layer.name}': a bias of {bias[worst]:.3g} is {abs(steps[worst]):.1e} steps of"
            f" its sum, whose scale {scale[worst]:.1e} came with the weights; quantize the model"
            " again with a coarser scale, or use --precision float32"
        )
    return steps.astype(np.int64)


def beside(bias: IntArray, multiplier: IntArray) -> IntArray:
    """The number nearest to each bias whose lower half is its multiplier: both are in one word."""
    return ((bias - multiplier + 2**15) >> 16 << 16) + multiplier


def rounding(shift: int) -> int:
    """What the bias has to hold so that a shift down rounds to the nearest."""
    return 2 ** (shift - 1) if shift > 0 else 0
