"""Lower elementwise layers to float32: activations, Affine, Sum, Product.

Parameters of a function are constants of one element; an infinite limit is the largest float32.
"""

from __future__ import annotations

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.program import Argument, Call, Elem, Stage
from rnn2c.lower.builder import Builder
from rnn2c.lower.float32.dot import const, single

LARGEST = float(np.finfo(np.float32).max)
PARAMETERS: dict[str, tuple[str, ...]] = {
    "clip": ("alpha", "beta"),
    "hard_sigmoid": ("alpha", "beta"),
    "leaky_relu": ("alpha",),
    "elu": ("alpha",),
    "softplus": ("alpha",),
    "linear": ("alpha", "beta"),
    "thresholded_relu": ("alpha",),
    "scaled_tanh": ("alpha", "beta"),
}
"""The parameters of the functions that have any, in the order of the primitive."""


def lower_activation(b: Builder, layer: graph.Activation) -> None:
    """An activation of a value that no Linear layer computes."""
    function = graph.CellFunction(layer.function, layer.alpha, layer.beta)
    primitive, parameters = function_of(b, layer.name, function)
    _elementwise(b, layer, primitive, parameters, layer.function)


def function_of(
    b: Builder, name: str, function: graph.CellFunction
) -> tuple[str, tuple[Argument, ...]]:
    """The primitive of a function and its parameters as constants called NAME_alpha, NAME_beta."""
    parameters = PARAMETERS.get(function.function, ())
    values = tuple(parameter(b, f"{name}_{p}", getattr(function, p)) for p in parameters)
    return f"{function.function}_f32", values


def lower_affine(b: Builder, layer: graph.Affine) -> None:
    """y = x * scale + offset"""
    pairs = (("scale", layer.scale), ("offset", layer.offset))
    names = [
        const(b, f"{layer.name}_{n}", single(layer, n, d), f"{n} of each element") for n, d in pairs
    ]
    _elementwise(b, layer, "scale_f32", tuple(Elem(n) for n in names), "x * scale + offset")


def lower_rounded(b: Builder, layer: graph.Rounded) -> None:
    """y = x in whole steps, between limits"""
    form = layer.form
    numbers = (form.scale, form.lo - form.zero_point, form.hi - form.zero_point)
    names = [
        Elem(const(b, f"{layer.name}_{n}", single(layer, n, np.array([d])), f"{n} in steps"), 0, 0)
        for n, d in zip(("scale", "lowest", "highest"), numbers, strict=True)
    ]
    _elementwise(b, layer, "steps_f32", tuple(names), "whole steps")


def lower_sum(b: Builder, layer: graph.Sum) -> None:
    """y = a + b or a - b"""
    primitive, text = ("subtract_f32", "a - b") if layer.subtract else ("add_f32", "a + b")
    _elementwise(b, layer, primitive, (), text)


def lower_product(b: Builder, layer: graph.Product) -> None:
    """y = a * b"""
    _elementwise(b, layer, "mul_f32", (), "a * b")


def _elementwise(
    b: Builder, layer: graph.Layer, primitive: str, more: tuple[Argument, ...], text: str
) -> None:
    """One stage: y = primitive(an element of each input, more)."""
    rate = b.rates[layer.name]
    elems = tuple(b.place(name, rate).elem() for name in layer.inputs)
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    body = (Call("y", primitive, (*elems, *more)),)
    b.append(rate, Stage(b.title(layer, text), b.sizes[layer.name], body, stores))


def parameter(b: Builder, name: str, value: float) -> Elem:
    """A number as a constant of one element, limited to the range of float32."""
    limited = np.clip(np.array([value]), -LARGEST, LARGEST).astype(np.float32)
    return Elem(const(b, name, limited, "parameter of a function"), 0, 0)
