"""Lower an Embedding to float32: a row of a table of floats."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.lower.builder import Builder
from rnn2c.lower.embedding import look_up
from rnn2c.lower.float32.dot import single


def lower_embedding(b: Builder, layer: graph.Embedding) -> None:
    """One stage: the row of the token."""
    look_up(b, layer, single(layer, "the table", layer.table.real()), 32)
