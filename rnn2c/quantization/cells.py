"""Formats of the cells that are not plain: every inner signal has its own power-of-two scale.

Bits are fraction bits of 16-bit numbers.  What is in front of a sigmoid or tanh has 12, what comes
out of them 15, as in plain cells; everything else what calibration saw, with headroom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph
from rnn2c.ir.cells import GATES, LIMITED
from rnn2c.ir.functions import TABULATED, apply, settled
from rnn2c.ir.graph import CellFormats, CellFunction, Format, Model
from rnn2c.quantization.observe import Span
from rnn2c.quantization.options import QuantizeOptions

HEADROOM = 2.0
"""Range kept free above what calibration saw where 16 bits leave room for it."""
PRE_BITS, UNIT_BITS, COARSEST = 12, 15, -14
FARTHEST = 1.02
"""A little beyond 1 saturates: that is less than the rounding of 8 bits."""
STEEPEST = 32700
"""A word of a table holds a slope of 16 bits."""
SOFT_END = 500.0
"""Beyond it softsign is within 0.002 of its limit."""
SIGNALS: dict[type[graph.Recurrent], tuple[tuple[str, ...], ...]] = {
    graph.Lstm: (("i", "f", "o"), ("g",)),
    graph.Gru: (("r", "z"), ("new",)),
    graph.Rnn: (("h",),),
}
"""The signals of each role, by their names in ir/cell_steps.py."""


def with_far_starts(model: Model, data: SequenceSet) -> Model:
    """Layers whose initial h, given by the caller, leaves [-1, 1] get formats that hold it."""
    far = {
        name
        for sequence in data.sequences
        for name, array in sequence.items()
        if np.abs(array).max(initial=0.0) > FARTHEST
    }
    return model.with_layers(
        tuple(
            replace(p, far_start=True)
            if isinstance(p, graph.Recurrent) and p.bounded and p.states[0] in far
            else p
            for p in model.layers
        )
    )


def state_formats(
    layer: graph.Recurrent, spans: Mapping[str, Span], options: QuantizeOptions
) -> list[tuple[str, Format]]:
    """Formats of h and, for an LSTM, of c; spans: with the initial states."""
    h = hidden_format(options)
    if not (layer.bounded and layer.starts_limited):
        h = power_format(spans[layer.name].reach, UNIT_BITS)
        if isinstance(layer, graph.Rnn) and not layer.bounded:
            before = spans[f"{layer.name}.h_pre"].reach
            _, bits = _role(layer.activations[0], before, spans[layer.name].reach)
            h = Format(2.0**-bits, 16)
    if not isinstance(layer, graph.Lstm):
        return [(layer.name, h)]
    cell = f"{layer.name}.c"
    return [(layer.name, h), (cell, power_format(spans[cell].reach, PRE_BITS))]


def hidden_format(options: QuantizeOptions) -> Format:
    """|h| <= 1: int8 in Q0.7 or int16 in Q0.15."""
    bits = options.activation_bits
    return Format(2.0 ** -(bits - 1), bits)


def power_format(reach: float, most: int) -> Format:
    """16 bits with a power-of-two scale for what reaches so far, with headroom."""
    return Format(2.0 ** -_bits(reach, most), 16)


def _bits(reach: float, most: int) -> int:
    needed = np.log2(32767 / max(HEADROOM * reach, 2.0**-30))
    return int(np.clip(np.floor(needed), COARSEST, most))


def cell_formats(
    layer: graph.Recurrent, spans: Mapping[str, Span], formats: Mapping[str, Format]
) -> CellFormats:
    """Formats of the inner signals of a layer that is not plain."""

    def reach(names: Sequence[str]) -> float:
        found = [spans[f"{layer.name}.{n}"].reach for n in names if f"{layer.name}.{n}" in spans]
        return max(found)

    roles = []
    for function, names in zip(layer.activations, SIGNALS[type(layer)], strict=False):
        before = [f"{name}_pre" for name in names] + (["n"] if "new" in names else [])
        roles.append(_role(function, reach(before), reach(names)))
    if not isinstance(layer, graph.Rnn):  # so that a product with a gate never grows
        roles[0] = (roles[0][0], max(roles[0][1], 1))
    if isinstance(layer, graph.Gru):  # in h' = n + z h - z n neither n nor z n may saturate alone
        form = formats[layer.name]
        fine = UNIT_BITS if form.bits == 8 else round(-np.log2(form.scale))
        roles[1] = (roles[1][0], max(roles[1][1], fine + 1 - roles[0][1]))
    inner = None
    match layer:
        case graph.Lstm():
            cell = round(-np.log2(formats[f"{layer.name}.c"].scale))
            function = layer.activations[2]
            after = UNIT_BITS if function.function in LIMITED else _bits(reach(["m_c"]), UNIT_BITS)
            roles.append((cell, cell if function.function == "relu" else after))
            inner = power_format(reach(["m"]), UNIT_BITS)
        case graph.Gru(reset_after=False):
            inner = formats[layer.name]
            if layer.activations[0].function not in GATES:
                inner = power_format(reach(["rh"]), UNIT_BITS)
    return CellFormats(tuple(p for p, _ in roles), tuple(v for _, v in roles), inner)


def _role(function: CellFunction, before: float, after: float) -> tuple[int, int]:
    """Bits of the pre-activations of a role and of what the function makes of them."""
    name, alpha = function.function, function.alpha
    if name in ("sigmoid", "tanh"):
        return PRE_BITS, UNIT_BITS
    first = _bits(min(before, _flat(function)), PRE_BITS)
    if name in LIMITED:
        return first, UNIT_BITS
    if name == "relu":
        return first, first
    second = _bits(after, UNIT_BITS)
    if name in TABULATED:
        while second > COARSEST and _steepest(function, first, second) > STEEPEST:
            second -= 1
        return first, second
    slope = int(np.ceil(np.log2(max(abs(alpha), 1.0))))
    return first, max(min(second, first + UNIT_BITS - 2 - slope), COARSEST)


def _flat(function: CellFunction) -> float:
    """Where a function ends to change, so that its input may saturate."""
    match function.function:
        case "hard_sigmoid" if function.alpha:
            return (abs(function.beta) + 1) / abs(function.alpha)
        case "softsign":
            return SOFT_END
    return settled(function.function, function.beta)


def _steepest(function: CellFunction, before: int, after: int) -> float:
    """The largest rise of a function over one of the 256 intervals of its table."""
    knots = np.asarray(np.arange(-128, 129) * 256 * 2.0**-before, np.float64)
    y = apply(function.function, knots, function.alpha, function.beta) * 2.0**after
    return float(np.abs(np.diff(np.clip(y, -32768, 32767))).max())
