"""Fold an Affine layer into the Affine or Linear before it, or into the weights of the Linear and
recurrent layers that read it.  What is folded costs nothing.

Folding backwards scales whole rows and is always right.  Folding forwards scales columns of one
quantized matrix, so it is done only where that leaves the matrix well conditioned: the scales of
the features must be alike within SPREAD and the offsets small; what an offset adds to x, the
rounding of every weight is multiplied with.  Other ones, the normalization of a sensor that reads
1000 +- 1 for example, stay a stage of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Layer, Model, Tensor
from rnn2c.ir.temporal import Conv1d

Shows = TypeVar("Shows", graph.Output, graph.Delay)
SPREAD = 8.0
LARGEST_OFFSET = 2.0


def fold_affine(model: Model) -> Model:
    """Repeat until no Affine can be folded."""
    while (folded := _fold_one(model)) is not None:
        model = folded
    return model


def _fold_one(model: Model) -> Model | None:
    kept = model.kept
    for affine in model.layers:
        if not isinstance(affine, graph.Affine):
            continue
        source = next((p for p in model.layers if p.name == affine.inputs[0]), None)
        before = None if source is None or source.name in kept else _backwards(source, affine)
        if before is not None and len(_readers(model, affine.inputs[0])) == 1:
            return _without(model, affine, {before.name: before})
        readers = _readers(model, affine.name)
        if affine.name not in kept and _fits_forwards(affine, readers):
            return _without(model, affine, {p.name: _forwards(p, affine) for p in readers})
    return None


def _without(model: Model, affine: graph.Affine, folded: Mapping[str, Layer]) -> Model:
    """The Model with these layers instead, and without the Affine, whose input is read instead."""
    (source,) = affine.inputs
    layers = [folded.get(p.name, p) for p in model.layers if p is not affine]
    return replace(
        model,
        layers=tuple(
            replace(p, inputs=tuple(source if n == affine.name else n for n in p.inputs))
            for p in layers
        ),
        outputs=tuple(_showing(o, affine.name, source) for o in model.outputs),
        delays=tuple(_showing(d, affine.name, source) for d in model.delays),
    )


def _showing(reader: Shows, old: str, new: str) -> Shows:
    return replace(reader, value=new) if reader.value == old else reader


def _readers(model: Model, value: str) -> list[Layer]:
    return [p for p in model.layers if value in p.inputs]


def _backwards(source: Layer, affine: graph.Affine) -> Layer | None:
    """The layer before, doing the work of both; None if it cannot."""
    match source:
        case graph.Linear(weight=weight, bias=bias, activation=""):
            scaled = _scaled_rows(weight, affine.scale)
            more = bias * affine.scale + affine.offset
            return None if scaled is None else replace(source, weight=scaled, bias=more)
        case graph.Affine(scale=scale, offset=offset):
            more = offset * affine.scale + affine.offset
            return replace(source, scale=scale * affine.scale, offset=more)
        case graph.LayerNorm(gain=gain, bias=bias):
            more = bias * affine.scale + affine.offset
            return replace(source, gain=gain * affine.scale, bias=more)
        case graph.Embedding(table=table):
            return replace(source, table=Tensor(table.real() * affine.scale + affine.offset))
    return None


def _scaled_rows(weight: Tensor, factor: FloatArray) -> Tensor | None:
    """Rows times factors; integers keep their bits, for scales and signs take it all.

    None where an integer has no opposite: that is -128 of 8 bits.
    """
    if weight.scale is None:
        return Tensor(weight.data * factor[:, None])
    signs = np.sign(factor).astype(np.int64)
    sizes = np.where(signs == 0, 1.0, np.abs(factor))
    signed = weight.data * signs[:, None]
    if np.any(signed >= 2 ** (weight.bits - 1)):
        return None
    zero = None if weight.zero is None else weight.zero * signs
    return replace(weight, data=signed, scale=weight.scale * sizes, zero=zero)


def _fits_forwards(affine: graph.Affine, readers: Sequence[Layer]) -> bool:
    """Whether every reader is a layer with weights for x, and folding costs no accuracy."""
    if not readers or not all(_reads_as_data(p, affine) for p in readers):
        return False
    scale = np.abs(affine.scale)
    alike = float(scale.min()) * SPREAD >= float(scale.max()) > 0
    return alike and float(np.abs(affine.offset).max()) <= LARGEST_OFFSET


def _reads_as_data(layer: Layer, affine: graph.Affine) -> bool:
    value = affine.name
    match layer:
        case Conv1d(groups=groups, pads=pads) if groups > 1 or (any(pads) and affine.offset.any()):
            return False  # rows of padding are zeros, and would be offsets before
        case graph.Linear(weight=weight) | graph.Recurrent(w_ih=weight):
            return weight.scale is None and layer.inputs[0] == value not in layer.inputs[1:]
    return False


def _forwards(layer: Layer, affine: graph.Affine) -> Layer:
    match layer:
        case graph.Linear(weight=weight, bias=bias):
            real, taps = weight.real(), layer.kernel if isinstance(layer, Conv1d) else 1
            more = bias + real @ np.tile(affine.offset, taps)
            scaled = Tensor(real * np.tile(affine.scale, taps))
            return replace(layer, weight=scaled, bias=more)
        case graph.Recurrent(w_ih=w_ih, b_ih=b_ih):
            real = w_ih.real()
            more = b_ih + real @ affine.offset
            return replace(layer, w_ih=Tensor(real * affine.scale), b_ih=more)
    return layer
