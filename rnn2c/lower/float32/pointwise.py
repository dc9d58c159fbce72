"""Lower elementwise layers to float32: affine, sum, product, and the functions of an Activation."""

from __future__ import annotations

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.names import prose
from rnn2c.ir.program import Argument, Call, Elem, Stage
from rnn2c.lower.builder import Builder
from rnn2c.lower.float32.dot import const

PARAMETERS: dict[str, tuple[str, ...]] = {
    "relu": (),
    "sigmoid": (),
    "tanh": (),
    "silu": (),
    "softsign": (),
    "hard_swish": (),
    "gelu_tanh": (),
    "elu": ("alpha",),
    "leaky_relu": ("alpha",),
    "clip": ("alpha", "beta"),
    "hard_sigmoid": ("alpha", "beta"),
}
"""Functions that have a float32 primitive, and which parameters of the layer it takes."""

LARGEST = float(np.finfo(np.float32).max)


def function_call(
    b: Builder, layer: graph.Linear | graph.Activation, out: str, argument: Argument
) -> Call:
    """out = the layer's activation of the argument; refuses what has no float32 form."""
    function = layer.activation if isinstance(layer, graph.Linear) else layer.function
    if function not in PARAMETERS:
        known = ", ".join(PARAMETERS)
        raise UnsupportedError(
            f"layer '{prose(layer.name)}': {function} has no float32 form; use --precision int, or"
            f" one of {known}"
        )
    values = [np.clip(getattr(layer, p), -LARGEST, LARGEST) for p in PARAMETERS[function]]
    more: tuple[Elem, ...] = ()
    if values:
        name = const(b, f"{layer.name}_parameters", np.array(values, np.float32), function)
        more = tuple(Elem(name, k, 0) for k in range(len(values)))
    return Call(out, f"{function}_f32", (argument, *more))


def lower_activation(b: Builder, layer: graph.Activation) -> None:
    """An activation of a value that no Linear layer computes."""
    x = b.place(layer.inputs[0], b.rates[layer.name]).elem()
    _stage(b, layer, layer.function, function_call(b, layer, "y", x))


def lower_affine(b: Builder, layer: graph.Affine) -> None:
    """y = x * scale + offset, one pair of numbers per element."""
    x = b.place(layer.inputs[0], b.rates[layer.name]).elem()
    scale = const(b, f"{layer.name}_scale", layer.scale.astype(np.float32), "scale")
    offset = const(b, f"{layer.name}_offset", layer.offset.astype(np.float32), "offset")
    call = Call("y", "scale_f32", (x, Elem(scale), Elem(offset)))
    _stage(b, layer, "x * scale + offset", call)


def lower_sum(b: Builder, layer: graph.Sum) -> None:
    """y = a + b or a - b."""
    primitive = "subtract_f32" if layer.subtract else "add_f32"
    title = "a - b" if layer.subtract else "a + b"
    _stage(b, layer, title, Call("y", primitive, _operands(b, layer)))


def lower_product(b: Builder, layer: graph.Product) -> None:
    """y = a * b."""
    _stage(b, layer, "a * b", Call("y", "mul_f32", _operands(b, layer)))


def _operands(b: Builder, layer: graph.Layer) -> tuple[Elem, ...]:
    rate = b.rates[layer.name]
    return tuple(b.place(name, rate).elem() for name in layer.inputs)


def _stage(b: Builder, layer: graph.Layer, title: str, call: Call) -> None:
    stores = b.define(layer.name, "y", f"output of {layer.name}")
    stage = Stage(b.title(layer, title), b.sizes[layer.name], (call,), stores)
    b.append(b.rates[layer.name], stage)
