"""Fold an Affine layer into the Affine or Linear before it, or into the weights of the Linear and
recurrent layers that read it.  What is folded costs nothing.

Folding backwards scales whole rows and is always right.  Folding forwards scales columns of one
quantized matrix, so it is done only where that leaves the matrix well conditioned: the scales of
the features must be alike within SPREAD and the offsets small; what an offset adds to x, the
rounding of every weight is multiplied with.  Other ones, the normalization of a sensor that reads
1000 +- 1 for example, stay a stage of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Fold until no Affine can be folded any more."""
    folding = _Folding(model)
    left = [p.name for p in reversed(model.layers) if isinstance(p, graph.Affine)]
    while left:
        found = folding.layers.get(left.pop())
        if isinstance(found, graph.Affine) and folding.fold(found):
            left.append(found.inputs[0])  # has other readers now
    return folding.model()


class _Folding:
    """A Model that is being changed: its layers in order, and who reads a value."""

    def __init__(self, model: Model) -> None:
        self.source = model
        self.layers = {p.name: p for p in model.layers}
        self.kept = model.kept
        self.new_names: dict[str, str] = {}
        self.readers: dict[str, list[str]] = {}
        for layer in model.layers:
            for value in dict.fromkeys(layer.inputs):
                self.readers.setdefault(value, []).append(layer.name)

    def fold(self, affine: graph.Affine) -> bool:
        """Let the layer before or those behind do its work, if that is possible."""
        (value,) = affine.inputs
        source = self.layers.get(value)
        if source is not None and source.name not in self.kept and len(self.readers[value]) == 1:
            before = _backwards(source, affine)
            if before is not None:
                self._remove(affine, [before])
                return True
        behind = [self.layers[n] for n in self.readers.get(affine.name, ())]
        if affine.name in self.kept or not _fits_forwards(affine, behind):
            return False
        self._remove(affine, [fold_forwards(p, affine) for p in behind])
        return True

    def _remove(self, affine: graph.Affine, folded: Sequence[Layer]) -> None:
        """Put the folded layers in place; who read the Affine reads its input."""
        (value,) = affine.inputs
        self.layers.update((p.name, p) for p in folded)
        del self.layers[affine.name]
        behind = self.readers.pop(affine.name, [])
        self.readers[value].remove(affine.name)
        for name in behind:
            layer = self.layers[name]
            inputs = tuple(value if n == affine.name else n for n in layer.inputs)
            self.layers[name] = replace(layer, inputs=inputs)
            if name not in self.readers[value]:
                self.readers[value].append(name)
        if affine.name in self.kept:
            self.kept.add(value)
            self.new_names[affine.name] = value

    def model(self) -> Model:
        """The Model as it is now."""
        return replace(
            self.source,
            layers=tuple(self.layers.values()),
            outputs=tuple(self._showing(o) for o in self.source.outputs),
            delays=tuple(self._showing(d) for d in self.source.delays),
        )

    def _showing(self, reader: Shows) -> Shows:
        value = reader.value
        while value in self.new_names:
            value = self.new_names[value]
        return replace(reader, value=value)


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
        case graph.Embedding(table=table) if table.scale is None:
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
    if not readers or not all(reads_as_data(p, affine) for p in readers):
        return False
    scale = np.abs(affine.scale)
    alike = float(scale.min()) * SPREAD >= float(scale.max()) > 0
    return alike and float(np.abs(affine.offset).max()) <= LARGEST_OFFSET


def reads_as_data(layer: Layer, affine: graph.Affine) -> bool:
    """Whether the layer has real weights for what the Affine defines, and reads it once."""
    value = affine.name
    match layer:
        case Conv1d(groups=groups, pads=pads) if groups > 1 or (any(pads) and affine.offset.any()):
            return False  # rows of padding are zeros, and would be offsets before
        case graph.Linear(weight=weight) | graph.Recurrent(w_ih=weight):
            return weight.scale is None and layer.inputs[0] == value not in layer.inputs[1:]
    return False


def fold_forwards(layer: Layer, affine: graph.Affine) -> Layer:
    """The layer behind, doing the work of both; one for which `reads_as_data` holds."""
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
