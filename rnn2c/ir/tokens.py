"""Tokens: model inputs that are integers, and that only Embedding and ValueMask layers read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.ir import graph, window
from rnn2c.ir.graph import FloatArray, Format, Input, Model

MOST_TOKENS = 2**16


def check_tokens(model: Model) -> None:
    """Raise Rnn2cError unless embeddings, and but for masks only they, read inputs of tokens."""
    tokens = {i.name: i for i in model.inputs if i.tokens}
    for i in tokens.values():
        if not 2 <= i.tokens <= MOST_TOKENS or (i.size, i.rate) != (1, "step"):
            raise UnsupportedError(
                f"input '{i.name}': {i.size} of {i.tokens} tokens per {i.rate}; one of 2 to"
                f" {MOST_TOKENS} tokens per step is supported"
            )
    for layer in model.layers:
        if isinstance(layer, graph.Embedding):
            _check_embedding(layer, tokens)
        elif isinstance(layer, window.ValueMask) and layer.inputs[0] in tokens:
            _check_mask(layer, tokens[layer.inputs[0]])
        elif tokens.keys() & set(layer.inputs):
            raise UnsupportedError(f"layer '{layer.name}' reads tokens; only an embedding can")
    for output in model.outputs:
        if output.value in tokens:
            raise UnsupportedError(f"output '{output.name}' shows tokens; show their embedding")


def _check_embedding(layer: graph.Embedding, tokens: dict[str, Input]) -> None:
    (name,) = layer.inputs
    rows, columns = layer.table.shape
    if name not in tokens:
        raise UnsupportedError(
            f"layer '{layer.name}' looks up '{name}', which is computed; only tokens that are a"
            " model input can be looked up"
        )
    if tokens[name].tokens > rows or columns < 1:
        raise Rnn2cError(
            f"layer '{layer.name}': a table of shape {list(layer.table.shape)} for"
            f" {tokens[name].tokens} tokens"
        )


def _check_mask(layer: window.ValueMask, i: Input) -> None:
    if layer.value not in range(i.tokens):
        raise Rnn2cError(
            f"layer '{layer.name}': masks token {layer.value:g}; tokens are integers from 0 to"
            f" {i.tokens - 1}"
        )


def token_format(i: Input) -> Format:
    """How the integers of an input of tokens are stored: as they are."""
    return Format(1.0, 16, lo=0, hi=i.tokens - 1)


def checked_tokens(array: NDArray[np.generic], tokens: int, where: str) -> FloatArray:
    """The tokens themselves; raises Rnn2cError for one that is no integer in [0, tokens)."""
    values = np.asarray(array, np.float64)
    bad = ~((values >= 0) & (values < tokens) & (values == np.floor(values)))
    if np.any(bad):
        raise Rnn2cError(
            f"{where} holds {values[bad].flat[0]:g}; tokens are integers from 0 to {tokens - 1}"
        )
    return values


def token_columns(array: NDArray[np.generic], batched: bool) -> NDArray[np.generic]:
    """Tokens [T] (batched: [N, T]) as [T, 1] ([N, T, 1]); any other array as it is."""
    plain = 2 if batched else 1
    return array[..., None] if array.ndim == plain else array
