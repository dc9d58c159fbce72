"""Embeddings for all front ends: a row of a constant table for every token."""

from __future__ import annotations

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.given import Given
from rnn2c.frontend.values import Constant, Value
from rnn2c.ir import graph
from rnn2c.ir.graph import Tensor

TOKEN_TYPES = ("int64", "int32", "int16", "uint8", "int8")
"""Types of tensors of tokens in a source."""


def embedding(
    builder: Builder, stem: str, table: Constant | Given, tokens: Value, where: str
) -> Value:
    """The row of each token; the features come last.  Raises UnsupportedError for other data."""
    if len(table.shape) != 2:
        raise Rnn2cError(f"{where}: the table has shape {list(table.shape)}, expected two sizes")
    if len(tokens.parts) != 1 or builder.is_float(tokens):
        raise UnsupportedError(f"{where}: looks up something that is no input of integers")
    name = builder.unique(stem, "embedding")
    rows = (
        table.tensor(where, zeros=True)
        if isinstance(table, Given)
        else Tensor(np.array(table, np.float64, order="C"))
    )
    builder.add(graph.Embedding(name=name, inputs=(tokens.parts[0],), table=rows))
    return Value((name,), (*tokens.axes, builder.axes.new("feature", rows.shape[1])))
