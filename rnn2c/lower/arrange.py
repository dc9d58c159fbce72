"""Lower Concat and Pick: copies; a part in another format than the result is rescaled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Float32
from rnn2c.ir.program import Call, Elem, Stage, Store
from rnn2c.lower.builder import Builder
from rnn2c.lower.weighted import Term, weighted_sum

MOST_RUNS = 64


def lower_concat(b: Builder, layer: graph.Concat) -> None:
    """One stage per input."""
    rate = b.rates[layer.name]
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    offset = 0
    for name in layer.inputs:
        size = b.sizes[name]
        calls = copied(b, layer, name, b.place(name, rate).elem())
        title = b.title(layer, f"elements {offset} .. {offset + size - 1}")
        b.append(rate, Stage(title, size, tuple(calls), _at(stores, offset)))
        offset += size


def lower_pick(b: Builder, layer: graph.Pick) -> None:
    """One stage for every run of elements that lie evenly."""
    rate = b.rates[layer.name]
    place = b.place(layer.inputs[0], rate)
    runs = list(_runs(layer.indices))
    if len(runs) > MOST_RUNS:
        raise UnsupportedError(
            f"layer '{layer.name}': picks elements in {len(runs)} separate runs, at most"
            f" {MOST_RUNS} are supported; reorder the rows of the layer before it"
        )
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    offset = 0
    for start, stride, count in runs:
        elem = Elem(place.buffer, start, stride, place.new)
        title = b.title(layer, f"elements {start} .. {start + stride * (count - 1)}")
        calls = copied(b, layer, layer.inputs[0], elem)
        b.append(rate, Stage(title, count, tuple(calls), _at(stores, offset)))
        offset += count


def copied(b: Builder, layer: graph.Layer, name: str, elem: Elem) -> list[Call]:
    """y = the element of the value `name`, in the format of the layer."""
    source, form = b.format(name), b.format(layer.name)
    if isinstance(form, Float32):
        return [Call("y", "same_f32", (elem,))]
    if (source.scale, source.zero_point) != (form.scale, form.zero_point):
        term = Term(elem, source.lo, source.hi, np.array([source.scale]))
        zero = np.array([-source.scale * source.zero_point])
        return weighted_sum(b, layer, (term,), zero, form)
    if source.lo < form.lo or source.hi > form.hi:
        return [Call("y", "clamp", (elem, form.lo, form.hi))]
    return [Call("y", "same", (elem,))]


def _at(stores: tuple[Store, ...], offset: int) -> tuple[Store, ...]:
    return tuple(replace(s, element=replace(s.element, offset=offset)) for s in stores)


def _runs(indices: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """(first, stride, count) of runs with one positive stride, greedily."""
    k = 0
    while k < len(indices):
        count, stride = 1, 1
        if k + 1 < len(indices) and indices[k + 1] > indices[k]:
            stride = indices[k + 1] - indices[k]
            while k + count < len(indices) and indices[k + count] == indices[k] + count * stride:
                count += 1
        yield indices[k], stride, count
        k += count
