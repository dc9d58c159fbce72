"""Integer weights: the accumulator scale of every row, then rounding.

The scale S of a row is what one unit of its accumulator is worth.  A joint sum needs one S for
both matrices, so w_ih is stored in steps of S / scale(x) and w_hh in steps of S / scale(h).

A matrix that came as integers is kept as it is.  Its scales are what they are, so a cell with such
a matrix has two sums, and a Linear layer has multipliers in every profile.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Format, Tensor
from rnn2c.lut import DIRECT
from rnn2c.quantization import overlapped
from rnn2c.quantization.narrow_sums import Rows, coarsened
from rnn2c.quantization.options import QuantizeOptions

SMALLEST_SCALE = 2.0**-36
BIAS_LIMIT = 2.0**21
MOST_BIAS = 2.0**29
"""Steps that a sum may begin with, whatever its bias is made of."""
LARGEST_HALF = max(table.half for table in DIRECT.values())
"""Of a step of a table of profile fast, which the biases in front of it hold too."""
ROW_RATIO = 128
"""No row of a gate is finer than its coarsest by more, so that one shift serves the gate."""


def quantize_recurrent(
    layer: graph.Recurrent, x: Format, h: Format, options: QuantizeOptions, own: bool = False
) -> graph.Recurrent:
    """The layer with integer matrices; biases stay real and are rounded to S when lowered.

    own: its sums have scales of their own, in every profile.
    """
    if own:
        return _with_own_scales(layer, x, h, options)
    w_ih, w_hh = layer.w_ih.real(), layer.w_hh.real()
    overlaps = options.overlapped and not overlapped.is_pruned(layer)
    top = overlapped.TOP if overlaps else 2 ** (options.weight_bits - 1) - 1
    most = MOST_BIAS / overlapped.STEPS if overlaps else MOST_BIAS
    s_ih = np.maximum(_row_scales(w_ih, x, layer.b_ih, top), _finest(options))
    s_ih = np.maximum(s_ih, np.abs(layer.b_ih + layer.b_hh) / most)
    s_hh = np.maximum(_row_scales(w_hh, h, layer.b_hh, top), np.abs(layer.b_hh) / most)
    if options.sums == "joint":
        joint = np.maximum(np.maximum(s_ih, s_hh), np.abs(layer.b_ih + layer.b_hh) / BIAS_LIMIT)
        apart = _sums_apart(layer)
        s_ih, s_hh = np.where(apart, s_ih, joint), np.where(apart, s_hh, joint)
    if options.profile == "compact":
        s_ih = s_hh = np.full(len(s_ih), _power_of_two(max(s_ih.max(), s_hh.max())))
    else:
        s_ih, s_hh = _level(s_ih, layer.units), _level(s_hh, layer.units)
    if options.narrow_sums:
        more = {"accurate": 0.0, "fast": LARGEST_HALF, "compact": 2.0**-13}[options.profile]
        joint_rows = (options.sums == "joint") & ~_sums_apart(layer)
        rows = Rows(layer, x, h, joint_rows, more)
        s_ih, s_hh = coarsened(rows, s_ih, s_hh, options.profile == "compact")
        if options.profile != "compact":
            s_ih, s_hh = _level(s_ih, layer.units), _level(s_hh, layer.units)
    if overlaps:
        return replace(
            layer,
            w_ih=overlapped.rounded(w_ih, s_ih / x.scale),
            w_hh=overlapped.rounded(w_hh, s_hh / h.scale),
        )
    return replace(
        layer,
        w_ih=_rounded(w_ih, s_ih / x.scale, options.weight_bits, options.ternary),
        w_hh=_rounded(w_hh, s_hh / h.scale, options.weight_bits, options.ternary),
    )


def _with_own_scales(
    layer: graph.Recurrent, x: Format, h: Format, options: QuantizeOptions
) -> graph.Recurrent:
    """The layer with its given integers; a matrix of reals is rounded with scales of its own."""

    def integers(tensor: Tensor, value: Format, bias: FloatArray) -> Tensor:
        if tensor.scale is not None:
            return _kept(tensor)
        real, bits = tensor.real(), options.weight_bits
        rows = _row_scales(real, value, bias, 2 ** (bits - 1) - 1)
        scales = _level(np.maximum(rows, _finest(options)), layer.units)
        return _rounded(real, scales / value.scale, bits, options.ternary)

    apart = _sums_apart(layer)
    b_ih = np.where(apart, layer.b_ih, layer.b_ih + layer.b_hh)
    b_hh = np.where(apart, layer.b_hh, 0.0)
    return replace(layer, w_ih=integers(layer.w_ih, x, b_ih), w_hh=integers(layer.w_hh, h, b_hh))


def quantize_projection(
    layer: graph.Recurrent, source: Format | None, options: QuantizeOptions
) -> graph.Recurrent:
    """The layer with an integer projection, if it has one, of a vector in the format `source`."""
    if not isinstance(layer, graph.Lstm) or layer.projection is None:
        return layer
    assert source is not None
    if layer.projection.scale is not None:
        return replace(layer, projection=_kept(layer.projection))
    real, bits = layer.projection.real(), options.weight_bits
    rows = _row_scales(real, source, np.zeros(len(real)), 2 ** (bits - 1) - 1)
    scales = _level(rows, len(real)) / source.scale
    return replace(layer, projection=_rounded(real, scales, bits, options.ternary))


def _kept(tensor: Tensor) -> Tensor:
    """Given integers.  A row of zeros may have any scale: the largest, so its bias has few bits."""
    scale = tensor.scale
    assert scale is not None
    zero = ~np.any(np.asarray(tensor.data), axis=1)
    return replace(tensor, scale=np.where(zero, scale.max(), scale))


def quantize_linear(
    layer: graph.Linear, x: Format, options: QuantizeOptions, own: bool = False
) -> graph.Linear:
    """The layer with an integer matrix: one scale per row, or one in all (compact, unless own)."""
    if layer.weight.scale is not None:
        return replace(layer, weight=_kept(layer.weight))
    weight = layer.weight.real()
    if options.profile == "compact" and not own:
        scale = tensor_scale(layer, x, options.weight_bits)
        scales = np.full(len(weight), scale)
    else:
        top = 2 ** (options.weight_bits - 1) - 1
        scales = _level(_row_scales(weight, x, layer.bias, top), len(weight))
    return replace(layer, weight=_rounded(weight, scales / x.scale, options.weight_bits))


def tensor_scale(layer: graph.Linear, x: Format, bits: int) -> float:
    """The one accumulator scale of a Linear layer in profile compact.

    In front of a table it is a power of two, so that a shift leads to the table's Q3.12.
    """
    scale = float(_row_scales(layer.weight.real(), x, layer.bias, 2 ** (bits - 1) - 1).max())
    return _power_of_two(scale) if layer.activation in ("sigmoid", "tanh") else scale


def _row_scales(weight: FloatArray, x: Format, bias: FloatArray, top: float) -> FloatArray:
    peak = np.abs(weight).max(axis=1) * x.scale / top
    return np.asarray(np.maximum(np.maximum(peak, np.abs(bias) / BIAS_LIMIT), SMALLEST_SCALE))


def _finest(options: QuantizeOptions) -> float:
    """The finest scale of a sum in front of a table."""
    return LARGEST_HALF / BIAS_LIMIT if options.profile == "fast" else SMALLEST_SCALE


def _sums_apart(layer: graph.Recurrent) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows whose x and h parts are needed apart: those of n in a reset-after GRU."""
    apart = np.zeros(len(layer.b_ih), dtype=bool)
    if isinstance(layer, graph.Gru) and layer.reset_after:
        apart[2 * layer.units :] = True
    return apart


def _level(scales: FloatArray, rows: int) -> FloatArray:
    gates = scales.reshape(-1, rows)
    finest = gates.max(axis=1, keepdims=True) / ROW_RATIO
    return np.asarray(np.maximum(gates, finest), np.float64).ravel()


def _power_of_two(scale: float) -> float:
    """The smallest 2^k at or above scale."""
    return float(2.0 ** np.ceil(np.log2(scale) - 1e-9))


def _rounded(weight: FloatArray, scale: FloatArray, bits: int, are_ternary: bool = False) -> Tensor:
    top = 2 ** (bits - 1) - 1
    q = np.clip(np.round(weight / scale[:, None]), -top, top).astype(np.int64)
    return Tensor(q, scale=scale, bits=bits, packing="ternary" if are_ternary else "")
