"""Lower layers to float32: the same stages as for integers, without formats and multipliers.

A sum over x and h is always one sum, there is nothing to limit, and every state is one float per
unit.  Layers that only move values (argmax, the last step, Concat, Pick) need no lowering of
their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnn2c.ir import graph, temporal
from rnn2c.lower.builder import Builder
from rnn2c.lower.float32.cells import lower_gru, lower_lstm, lower_rnn
from rnn2c.lower.float32.embedding import lower_embedding
from rnn2c.lower.float32.layers import lower_linear, lower_raw, lower_softmax
from rnn2c.lower.float32.norm import lower_log_softmax, lower_norm
from rnn2c.lower.float32.pointwise import (
    lower_activation,
    lower_affine,
    lower_product,
    lower_rounded,
    lower_sum,
)
from rnn2c.lower.float32.temporal import lower_conv, lower_pool, lower_reduce

__all__ = ["FLOAT_LOWERINGS", "lower_raw"]

FLOAT_LOWERINGS: dict[type[graph.Layer], Callable[[Builder, Any], None]] = {
    graph.Lstm: lower_lstm,
    graph.Gru: lower_gru,
    graph.Rnn: lower_rnn,
    graph.Linear: lower_linear,
    graph.Activation: lower_activation,
    graph.Softmax: lower_softmax,
    graph.Affine: lower_affine,
    graph.Rounded: lower_rounded,
    graph.Sum: lower_sum,
    graph.Product: lower_product,
    graph.Embedding: lower_embedding,
    temporal.Conv1d: lower_conv,
    temporal.Pool: lower_pool,
    temporal.Reduce: lower_reduce,
    graph.LogSoftmax: lower_log_softmax,
    graph.LayerNorm: lower_norm,
}
