"""Validity of a recurrent layer: the shapes of its weights and states, its functions."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.functions import FUNCTIONS


def expect(layer: graph.Layer, what: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise Rnn2cError naming layer, attribute and both shapes unless they agree."""
    if got != wanted or 0 in wanted:
        raise Rnn2cError(
            f"layer '{layer.name}': {what} has shape {list(got)}, expected {list(wanted)}"
        )


def check_cell(layer: graph.Recurrent, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The sizes of what a valid layer defines; raises Rnn2cError naming the attribute at fault."""
    size = layer.size
    projected = layer.projection if isinstance(layer, graph.Lstm) else None
    rows = layer.gates * (size if projected is None else layer.units)
    expect(layer, "w_hh", layer.w_hh.shape, (rows, size))
    if projected is not None:
        expect(layer, "projection", projected.shape, (size, layer.units))
    expect(layer, "w_ih", layer.w_ih.shape, (rows, sizes[layer.inputs[0]]))
    expect(layer, "b_ih", layer.b_ih.shape, (rows,))
    expect(layer, "b_hh", layer.b_hh.shape, (rows,))
    if isinstance(layer, graph.Lstm) and layer.peepholes is not None:
        expect(layer, "peepholes", layer.peepholes.shape, (3 * layer.units,))
    if layer.mask:
        expect(layer, f"mask '{layer.mask}'", (sizes[layer.mask],), (1,))
    results = (size, layer.units)[: len(layer.outputs)]
    for name, constant, wanted in zip(layer.states, layer.constant_states, results, strict=True):
        if name:
            expect(layer, f"initial state '{name}'", (sizes[name],), (wanted,))
        if constant is not None:
            expect(layer, "the constant initial state", constant.shape, (wanted,))
            if name:
                raise Rnn2cError(
                    f"layer '{layer.name}': its initial state is a constant and the input '{name}'"
                )
    _check_functions(layer)
    return results


def _check_functions(layer: graph.Recurrent) -> None:
    found = layer.activations
    expect(layer, "the list of activations", (len(found),), (len(layer.roles),))
    for activation in found:
        if activation.function not in FUNCTIONS or not activation.function:
            raise Rnn2cError(f"layer '{layer.name}': there is no function '{activation.function}'")
        if not (math.isfinite(activation.alpha) and math.isfinite(activation.beta)):
            raise Rnn2cError(
                f"layer '{layer.name}': a parameter of {activation.function} is not finite"
            )
    if not layer.clip > 0:
        raise Rnn2cError(f"layer '{layer.name}': clip is {layer.clip:g}, it must be above 0")
