"""Tables of embeddings: one scale for all rows, so that a row is read as it lies.

Where a joint sum wants a finer value than the table's steps, the value is the table's integer times
a power of two: the sum's scale is as good as for any other input, the table stays small.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Format, Tensor
from rnn2c.quantization.options import QuantizeOptions

MOST_GROWTH = 8
SMALLEST_REACH = 2.0**-20


def table_bits(options: QuantizeOptions) -> int:
    """Bits of a table: those of weights; 16 where activations have 16 and weights not 4."""
    wide = options.activation_bits == 16 and options.weight_bits == 8
    return 16 if wide else options.weight_bits


def embedding_format(reach: float, wanted: Format | None, options: QuantizeOptions) -> Format:
    """The format of a row; reach: the largest entry; wanted: a format that suits a joint sum."""
    bits = table_bits(options)
    top = 2 ** (bits - 1) - 1
    step = max(reach, SMALLEST_REACH) / top
    growth = 0
    if wanted is not None and bits < 16:
        growth = int(np.clip(np.round(np.log2(step / wanted.scale)), 0, MOST_GROWTH))
    limit = top * 2**growth
    width = 8 if limit <= 127 else 16
    return Format(step / 2**growth, width, lo=-limit, hi=limit)


def given_table_format(layer: graph.Embedding) -> Format:
    """The format of a row whose integers came with the model; UnsupportedError for many scales."""
    table = layer.table
    assert table.scale is not None
    zero = np.zeros(1, np.int64) if table.zero is None else table.zero
    if np.ptp(table.scale) or np.ptp(zero):
        raise UnsupportedError(
            f"layer '{layer.name}': the table came with a scale for each row, a row is read as it"
            " lies; quantize it with one scale, or give it as float32"
        )
    limit = 2 ** (table.bits - 1)
    return Format(float(table.scale[0]), 8, int(zero[0]), -limit, limit - 1)


def quantize_embedding(
    layer: graph.Embedding, y: Format, options: QuantizeOptions
) -> graph.Embedding:
    """The layer with an integer table, the given one if it came so."""
    if layer.table.scale is not None:
        return layer
    bits = table_bits(options)
    top = 2 ** (bits - 1) - 1
    real, step = layer.table.real(), y.scale * (y.hi // top)
    rows = np.clip(np.round(real / step), -top, top).astype(np.int64)
    return replace(layer, table=Tensor(rows, scale=np.full(len(rows), step), bits=bits))
