"""What the choice of a format has to know about elementwise layers."""

from __future__ import annotations

import numpy as np

from rnn2c.ir import functions, graph
from rnn2c.ir.graph import Format

POINTWISE = (
    *(graph.Affine, graph.Sum, graph.Product, graph.Concat, graph.Pick),
    *(graph.LayerNorm, graph.LogSoftmax),
)
"""Layers whose inputs get 16 bits: memory that costs little, and the accuracy of a residual."""

OWN_STAGE = (*functions.TABULATED, *functions.PIECEWISE)
"""Functions treated likewise."""

TABLE_GAIN = 4.0
"""Of a table: so that neighbouring entries are less than 2^15 steps of the output apart."""


def is_pointwise(layer: graph.Layer) -> bool:
    """Whether the layer is one of these."""
    own = isinstance(layer, graph.Activation) and layer.function in OWN_STAGE
    return own or isinstance(layer, POINTWISE)


def largest_gain(layer: graph.Layer) -> float:
    """What a layer multiplies an input with at most; 0 where it does not matter."""
    match layer:
        case graph.Affine(scale=scale):
            return float(np.abs(scale).max())
        case graph.Activation(function="leaky_relu", alpha=alpha):
            return max(1.0, abs(alpha))
        case graph.Activation(function="hard_sigmoid", alpha=alpha):
            return abs(alpha)
        case graph.Activation(function=function) if function in functions.TABULATED:
            return TABLE_GAIN
        case graph.Product():
            return 0.0
    return 1.0


def cuts_within(layer: graph.Layer, form: Format) -> bool:
    """Whether a layer only limits its input, to limits that the input's format holds."""
    if not isinstance(layer, graph.Activation) or layer.function != "clip":
        return False
    lo, hi = ((q - form.zero_point) * form.scale for q in (form.lo, form.hi))
    return layer.alpha <= hi and layer.beta >= lo
