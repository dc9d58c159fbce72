"""How values are stored: the C type of a range, and the formats of a Model in float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph, window
from rnn2c.ir.graph import FLOAT32, Format, Model, Numerics
from rnn2c.ir.tokens import token_format


def float32_numerics(model: Model, sizes: Mapping[str, int]) -> Numerics:
    """Numerics of a Model that was not quantized: everything in float32, but class indices."""
    formats: dict[str, Format] = {
        i.name: token_format(i) if i.tokens else FLOAT32 for i in model.inputs
    }
    formats.update({d.name: FLOAT32 for d in model.delays})
    for layer in model.layers:
        form: Format = FLOAT32
        if isinstance(layer, graph.ArgMax):
            form = Format(1.0, 32, lo=0, hi=max(sizes[layer.inputs[0]] - 1, 1))
        elif isinstance(layer, (graph.LastStep, window.FirstStep, window.Flip)):
            form = formats[layer.inputs[0]]
        formats.update(dict.fromkeys(layer.outputs, form))
    return Numerics("float32", "joint", formats)


def storage_type(lo: int, hi: int) -> str:
    """The narrowest C type for a range, as arith.py names it."""
    ranges: list[tuple[Literal["i8", "u8", "i16", "u16", "i32"], int, int]] = [
        ("i8", -(2**7), 2**7 - 1),
        ("u8", 0, 2**8 - 1),
        ("i16", -(2**15), 2**15 - 1),
        ("u16", 0, 2**16 - 1),
        ("i32", -(2**31), 2**31 - 1),
    ]
    for name, least, most in ranges:
        if least <= lo and hi <= most:
            return name
    raise UnsupportedError(f"internal: a constant in [{lo}, {hi}] needs more than 32 bits")
