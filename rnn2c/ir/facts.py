"""Facts of a float Model that need no calibration: sizes, work, and weights worth a warning.

Run on a prepared Model they tell what the compiled program does at every step and what once per
sequence.  A layer without weights counts no multiply-accumulates, as in `Program.macs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.cells import LIMITED
from rnn2c.ir.graph import FloatArray, Layer, Model, Rate, Tensor
from rnn2c.ir.names import prose

ROW_RATIO = 100.0
DENORMAL = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Given:
    """A matrix that came as integers, with one scale for each `row` or one for the `tensor`."""

    matrix: str
    bits: int
    scales: Literal["row", "tensor"]


@dataclass(frozen=True)
class LayerFacts:
    """One layer; inputs and output are vector lengths, largest and smallest are magnitudes.

    smallest: of the weights other than 0; both are 0 for a layer without weights.  quantized:
    matrices that came as integers, which every program keeps.
    """

    name: str
    kind: str
    rate: Rate
    inputs: tuple[int, ...]
    output: int
    parameters: int
    macs: int
    largest: float
    smallest: float
    quantized: tuple[Given, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ModelFacts:
    """All layers in order, and their sums."""

    layers: tuple[LayerFacts, ...]

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    def macs(self, rate: Rate) -> int:
        """Multiply-accumulates per step, or once per sequence."""
        return sum(layer.macs for layer in self.layers if layer.rate == rate)


def model_facts(model: Model) -> ModelFacts:
    """Facts of a valid Model."""
    sizes, rates = model.sizes(), model.rates()
    return ModelFacts(tuple(_layer(layer, sizes, rates[layer.name]) for layer in model.layers))


def _layer(layer: Layer, sizes: dict[str, int], rate: Rate) -> LayerFacts:
    matrices = {n: t for n, t in vars(layer).items() if isinstance(t, Tensor)}
    vectors = [v for v in vars(layer).values() if isinstance(v, np.ndarray)]
    values = [np.abs(t.real()).reshape(-1) for t in matrices.values()]
    weights = np.concatenate(values) if values else np.zeros(0)
    nonzero = weights[weights > 0]
    return LayerFacts(
        name=layer.name,
        kind=type(layer).__name__,
        rate=rate,
        inputs=tuple(sizes[name] for name in layer.inputs if name),
        output=sizes[layer.name],
        parameters=weights.size + sum(v.size for v in vectors),
        macs=0 if isinstance(layer, graph.Embedding) else weights.size,
        largest=float(weights.max(initial=0.0)),
        smallest=float(nonzero.min()) if nonzero.size else 0.0,
        quantized=tuple(_given(matrices)),
        warnings=tuple(_warnings(layer, matrices)),
    )


def _given(matrices: dict[str, Tensor]) -> Iterator[Given]:
    for name, tensor in matrices.items():
        if tensor.scale is not None:
            yield Given(name, tensor.bits, "row" if np.ptp(tensor.scale) else "tensor")


def _warnings(layer: Layer, matrices: dict[str, Tensor]) -> Iterator[str]:
    name = prose(layer.name)
    if isinstance(layer, graph.Recurrent) and not layer.bounded:
        functions = [a.function for a in layer.activations]
        cause = next((f for f in functions if f not in LIMITED), "its form")
        yield (
            f"layer '{name}': {cause} lets the hidden state grow without bound; what leaves the"
            " calibrated range saturates, so calibrate with long sequences or use tanh"
        )
    if isinstance(layer, graph.Embedding):
        return  # rows of zeros are the padding, and no sum is made of the others
    for matrix, tensor in matrices.items():
        yield from _matrix_warnings(f"layer '{name}': {matrix}", np.abs(tensor.real()))


def _matrix_warnings(where: str, weights: FloatArray) -> Iterator[str]:
    rows = weights.max(axis=1, initial=0.0)
    live = rows[rows > 0]
    if live.size < rows.size:
        dead = rows.size - live.size
        yield f"{where}: {dead} of {rows.size} rows are zero; they could be removed"
    if live.size and live.max() / live.min() > ROW_RATIO:
        yield (
            f"{where}: the largest weights of its rows differ by a factor of"
            f" {live.max() / live.min():.3g}; keep profile accurate, which scales every row"
        )
    tiny = int(np.count_nonzero((weights > 0) & (weights < DENORMAL)))
    if tiny:
        yield f"{where}: {tiny} weights are denormal numbers, which are as good as 0"
