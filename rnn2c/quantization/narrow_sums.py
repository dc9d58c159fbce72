"""Coarser weights, so that sums are proven to stay within 16 bits.

A sum of 16 bits reaches 32767 steps, whatever the vectors hold: the sum of a row's weights, times
how far x and h reach, is at most that.  Rows that exceed it get a larger step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray, Format

LARGEST = 2**15 - 1
ROOM = 1.0005
"""Beyond what is needed, since larger steps are rounded anew."""
MOST_TRIES = 200


@dataclass(frozen=True)
class Rows:
    """The real rows of a layer and the formats of its vectors; joint: [rows], whether the products
    of x and of h are one sum; more: the real value that a sum may hold beside its bias.
    """

    layer: graph.Recurrent
    x: Format
    h: Format
    joint: np.ndarray[tuple[int], np.dtype[np.bool_]]
    more: float

    def excess(self, s_ih: FloatArray, s_hh: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How many times 32767 the sums with w_ih and those with w_hh may become [rows]."""
        layer = self.layer
        from_x, from_h = _reach(layer.w_ih, s_ih, self.x), _reach(layer.w_hh, s_hh, self.h)
        b_ih, b_hh = np.abs(layer.b_ih) + self.more, np.abs(layer.b_hh) + self.more
        apart = np.maximum(b_ih, np.abs(layer.b_ih + layer.b_hh) + self.more)
        both = from_x + from_h + np.abs(layer.b_ih + layer.b_hh) / s_ih + self.more / s_ih
        of_x = np.where(self.joint, both, from_x + apart / s_ih) / LARGEST
        of_h = np.where(self.joint, both, from_h + b_hh / s_hh) / LARGEST
        return np.asarray(of_x, np.float64), np.asarray(of_h, np.float64)


def coarsened(
    rows: Rows, s_ih: FloatArray, s_hh: FloatArray, doubled: bool
) -> tuple[FloatArray, FloatArray]:
    """The scales of the sums [rows], larger where 16 bits need it; doubled: all of them alike, by a
    power of two.
    """
    for _ in range(MOST_TRIES):
        of_x, of_h = rows.excess(s_ih, s_hh)
        if max(of_x.max(), of_h.max()) <= 1:
            break
        if doubled:
            s_ih = s_ih * _twice_where(of_x > 1, rows.layer.units)
            s_hh = s_hh * _twice_where(of_h > 1, rows.layer.units)
        else:
            s_ih = s_ih * np.where(of_x > 1, of_x * ROOM, 1.0)
            s_hh = s_hh * np.where(of_h > 1, of_h * ROOM, 1.0)
    return s_ih, s_hh


def _twice_where(rows: np.ndarray[tuple[int], np.dtype[np.bool_]], units: int) -> FloatArray:
    """2 for all rows of a gate that has one of these, else 1."""
    gates = np.any(rows.reshape(-1, units), axis=1)
    return np.asarray(np.where(np.repeat(gates, units), 2.0, 1.0))


def _reach(tensor: graph.Tensor, scale: FloatArray, form: Format) -> FloatArray:
    """The largest sum of each row over a vector of this format, zero points included."""
    steps = np.abs(np.round(tensor.real() / (scale / form.scale)[:, None])).sum(axis=1)
    reach = max(form.hi, -form.lo) + abs(form.zero_point)
    return np.asarray(steps * reach, np.float64)
