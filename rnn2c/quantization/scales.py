"""Formats that hold a range of values, and the balanced one.

The input of a recurrent layer that sums jointly gets the balanced scale: the one that makes the
largest products of its rows, w_ih * x and w_hh * h, alike.  Then one row scale serves both halves
of the sum without costing accuracy; x needs 10 to 16 bits for it.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import Format
from rnn2c.quantization.cells import HEADROOM
from rnn2c.quantization.observe import Span
from rnn2c.quantization.options import QuantizeOptions

SMALLEST_REACH = 2.0**-20


def symmetric(reach: float, bits: int) -> Format:
    """[-reach, reach] around a zero point of 0."""
    return Format(max(reach, SMALLEST_REACH) / (2 ** (bits - 1) - 1), bits)


def affine(span: Span) -> Format:
    """int8 over [lo, hi], which is made to contain 0, so that zero is exact."""
    lo, hi = min(span.lo, 0.0), max(span.hi, 0.0)
    scale = max(hi - lo, SMALLEST_REACH) / 255
    return Format(scale, 8, zero_point=int(np.clip(round(-128 - lo / scale), -128, 127)))


def no_finer(form: Format, scale: float) -> Format:
    """The format, with this scale if its own is finer."""
    return form if form.scale >= scale else Format(scale, form.bits, lo=form.lo, hi=form.hi)


def fitting_bits(reach: float, most: int, least: int) -> int:
    """The most fraction bits at which int16 holds `reach`, within [least, most]."""
    bits = most
    while bits > least and reach * 2.0**bits > 32767:
        bits -= 1
    return bits


def balanced(layer: graph.Recurrent, reach: float, own: float, options: QuantizeOptions) -> Format:
    """The scale of x that makes w_ih * x alike w_hh * h, whose h has the scale `own`."""
    reach = max(reach, SMALLEST_REACH)
    if options.narrow_sums:  # where x has few steps, weights have more
        return symmetric(reach, options.activation_bits)
    rows = 2 * layer.units if isinstance(layer, graph.Gru) else layer.w_ih.shape[0]
    from_x = np.abs(layer.w_ih.real()[:rows]).max(axis=1)
    from_h = np.abs(layer.w_hh.real()[:rows]).max(axis=1)
    usable = (from_x > 0) & (from_h > 0)
    if not usable.any():
        return symmetric(reach, options.activation_bits)
    with np.errstate(over="ignore"):  # denormal weights: infinite, and limited below
        scale = own * float(np.median(from_h[usable] / from_x[usable]))
    finest, coarsest = HEADROOM * reach / 32767, reach / 127
    if scale >= coarsest and options.activation_bits == 8:
        return symmetric(reach, 8)
    scale = float(np.clip(scale, finest, coarsest))
    limit = 2 ** int(np.ceil(np.log2(reach / scale * HEADROOM)))
    return Format(scale, 16) if limit >= 2**15 else Format(scale, 16, lo=-limit, hi=limit - 1)
