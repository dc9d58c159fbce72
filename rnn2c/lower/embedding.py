"""Lower an Embedding: a row of a table, and the inputs of tokens that say which one.

A table has one scale; where the format of the value is finer it is so by a power of two.
"""

from __future__ import annotations

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import NumberArray
from rnn2c.ir.names import comment, prose
from rnn2c.ir.program import Buffer, Call, Gather, Signal, Stage, Weight
from rnn2c.lower.builder import Builder, Place

PACKINGS = {4: "dense4", 8: "dense8", 16: "dense16", 32: "dense_f32"}


def token_input(b: Builder, i: graph.Input) -> Signal:
    """Declare an input of tokens; step checks its range before it changes anything."""
    if i.name in b.schedule.kept:
        raise UnsupportedError(
            f"input '{prose(i.name)}': tokens cannot be kept for the end of the sequence; look them"
            " up first, then flip or select"
        )
    name, doc = b.names.take(i.name), comment(f"model input '{prose(i.name)}'")
    form = b.format(i.name)
    b.buffers[name] = Buffer(name, "u16", 1, "input", doc, form.lo, form.hi, rate=i.rate)
    b.set_place(i.name, Place(name))
    return Signal(i.name, name, i.rate, form, "token")


def lower_embedding(b: Builder, layer: graph.Embedding) -> None:
    """One stage: the row of the token, shifted to the format of the value."""
    if layer.table.scale is None:
        raise UnsupportedError(f"layer '{layer.name}': the table is not quantized")
    rows = np.asarray(layer.table.data, np.int64)
    growth = round(float(layer.table.scale[0] / b.format(layer.name).scale))
    more = (Call("y", "times", ("entry", growth)),) if growth > 1 else ()
    look_up(b, layer, rows, layer.table.bits, more)


def look_up(
    b: Builder, layer: graph.Embedding, rows: NumberArray, bits: int, more: tuple[Call, ...] = ()
) -> None:
    """The stage; rows [tokens, size] of `bits` bits, more: calls that make `y` of `entry`."""
    columns = rows.shape[1]
    doc = f"a table of {len(rows)} tokens; each {columns} values"
    name = b.names.take(f"{layer.name}_table")
    b.weights.append(Weight(name, (rows[:, None, :],), bits, PACKINGS[bits], comment(doc)))
    rate = b.rates[layer.name]
    index = b.place(layer.inputs[0], rate).buffer
    entry = Gather("entry" if more else "y", name, index, "the token's row")
    body: tuple[Call | Gather, ...] = (entry, *more)
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    title = b.title(layer, f"embedding of {len(rows)} tokens")
    b.append(rate, Stage(title, columns, body, stores))
