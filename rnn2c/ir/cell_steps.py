"""Float evaluation of the recurrent cells, one time step at a time.

The observer sees the inner signals a quantizer needs, as `LAYER.SIGNAL`: of a GRU both parts of the
pre-activation of n (`n`); of a cell that is not plain every pre-activation, clipped (`i_pre`), what
its function makes of it (`i`), and what else has a format of its own: of an LSTM what is made of c
(`m_c`) and o times that (`m`), of a GRU with reset before the product r * h (`rh`).

An `Alter` puts something else in the place of what a cell stores inside, under the same names: each
`LAYER.SIGNAL`, `new_c` of an LSTM and `new_h` of a GRU.  So the effect of rounding can be measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rnn2c.ir import functions, graph
from rnn2c.ir.graph import FloatArray

Observer = Callable[[str, FloatArray], None]
Alter = Callable[[str, FloatArray], FloatArray]


def unaltered(name: str, array: FloatArray) -> FloatArray:
    """The Alter that leaves everything as it is."""
    return array


@dataclass(frozen=True)
class Inside:
    """One step of a layer: what is stored inside, as it is after `alter`."""

    layer: str
    alter: Alter
    signals: dict[str, FloatArray] = field(default_factory=dict)

    def stored(self, name: str, value: FloatArray) -> FloatArray:
        """The value to go on with."""
        return self.alter(f"{self.layer}.{name}", value)

    def seen(self, name: str, value: FloatArray) -> FloatArray:
        """The same, of a signal that is observed."""
        value = self.signals[name] = self.stored(name, value)
        return value


def run_cell(
    layer: graph.Recurrent,
    x: FloatArray,
    states: list[FloatArray | None],
    mask: FloatArray | None,
    note: Observer,
    alter: Alter = unaltered,
) -> tuple[FloatArray, ...]:
    """Every output [..., T, n] of a layer for x [..., T, n], its initial states and its mask."""
    from_x = x @ layer.w_ih.real().T + layer.b_ih
    shape = x.shape[:-2]
    state = [
        _initial(given, constant, (*shape, n))
        for given, constant, n in zip(
            (*states, None, None),
            layer.constant_states,
            (layer.size, layer.units),
            strict=False,
        )
    ]
    results: list[list[FloatArray]] = [[] for _ in layer.outputs]
    inner: dict[str, list[FloatArray]] = {}
    order = range(x.shape[-2])[:: -1 if layer.direction == "reverse" else 1]
    for t in order:
        inside = Inside(layer.name, alter)
        new = _step(layer, from_x[..., t, :], state, inside)
        if mask is not None:
            new = [np.where(mask[..., t, :] > 0, a, b) for a, b in zip(new, state, strict=True)]
        state = new
        for kept, value in zip(results, state, strict=True):
            kept.append(value)
        for name, value in inside.signals.items():
            if layer.plain and name != "n":
                continue
            inner.setdefault(name, []).append(value)
    for name, values in inner.items():
        note(f"{layer.name}.{name}", np.stack(values, axis=-2))
    in_time = slice(None, None, order.step)
    return tuple(np.stack(values[in_time], axis=-2) for values in results)


def _initial(
    given: FloatArray | None, constant: FloatArray | None, shape: tuple[int, ...]
) -> FloatArray:
    value = constant if given is None else given
    return np.zeros(shape) if value is None else np.broadcast_to(value, shape)


def _step(
    layer: graph.Recurrent, from_x: FloatArray, state: list[FloatArray], inside: Inside
) -> list[FloatArray]:
    """The state after one step."""
    match layer:
        case graph.Lstm():
            return _lstm_step(layer, inside, from_x, *state)
        case graph.Gru():
            return _gru_step(layer, inside, from_x, *state)
    pre = from_x + state[0] @ layer.w_hh.real().T + layer.b_hh
    return [_activated(layer, 0, "h", pre, inside)]


def _activated(
    layer: graph.Recurrent, role: int, name: str, pre: FloatArray, inside: Inside
) -> FloatArray:
    """function(pre), pre clipped; both are noted."""
    function = layer.activations[role]
    limited = inside.seen(f"{name}_pre", np.clip(pre, -layer.clip, layer.clip))
    value = functions.apply(function.function, limited, function.alpha, function.beta)
    return inside.seen(name, value)


def _lstm_step(
    layer: graph.Lstm, inside: Inside, from_x: FloatArray, h: FloatArray, c: FloatArray
) -> list[FloatArray]:
    i, f, g, o = np.split(from_x + h @ layer.w_hh.real().T + layer.b_hh, 4, axis=-1)
    p_i, p_f, p_o = np.split(np.zeros(3) if layer.peepholes is None else layer.peepholes, 3)
    i = _activated(layer, 0, "i", i + p_i * c, inside)
    f = 1 - i if layer.coupled else _activated(layer, 0, "f", f + p_f * c, inside)
    g = _activated(layer, 1, "g", g, inside)
    c = inside.stored("new_c", f * c + i * g)
    o = _activated(layer, 0, "o", o + p_o * c, inside)
    function = layer.activations[2]
    m_c = functions.apply(function.function, c, function.alpha, function.beta)
    h = inside.seen("m", o * inside.seen("m_c", m_c))
    if layer.projection is not None:
        h = h @ layer.projection.real().T
    return [h, c]


def _gru_step(
    layer: graph.Gru, inside: Inside, from_x: FloatArray, h: FloatArray
) -> list[FloatArray]:
    n = layer.units
    w_hh = layer.w_hh.real().T
    rz = from_x[..., : 2 * n] + h @ w_hh[:, : 2 * n] + layer.b_hh[: 2 * n]
    r, z = (
        _activated(layer, 0, name, pre, inside)
        for name, pre in zip("rz", np.split(rz, 2, axis=-1), strict=True)
    )
    n_x = from_x[..., 2 * n :]
    if layer.reset_after:
        n_h = h @ w_hh[:, 2 * n :] + layer.b_hh[2 * n :]
        pre = n_x + r * n_h
    else:
        n_h = inside.seen("rh", r * h) @ w_hh[:, 2 * n :] + layer.b_hh[2 * n :]
        pre = n_x + n_h
    inside.signals["n"] = np.concatenate([n_x, n_h], axis=-1)
    new = _activated(layer, 1, "new", pre, inside)
    return [inside.stored("new_h", new + z * (h - new))]
