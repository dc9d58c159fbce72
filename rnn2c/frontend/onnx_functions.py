"""ONNX operators that apply one function to every element."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.frontend import compose, pointwise
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.onnx_node import Handler, Node, Operator
from rnn2c.frontend.values import Operand


def plain(function: str, alpha: float = 0.0) -> Handler:
    """A handler for a function without attributes."""

    def handler(builder: Builder, node: Node) -> Sequence[Operand]:
        x = node.value(0)
        return [pointwise.function_of(builder, node.stem, x, function, node.where, alpha)]

    return handler


def sloped(function: str, alpha: float, beta: float = 0.0) -> Handler:
    """A handler for a function with the attributes alpha and beta and these defaults."""

    def handler(builder: Builder, node: Node) -> Sequence[Operand]:
        given = node.real("alpha", alpha), node.real("beta", beta)
        return [
            pointwise.function_of(builder, node.stem, node.value(0), function, node.where, *given)
        ]

    return handler


def clip(builder: Builder, node: Node) -> Sequence[Operand]:
    """Limits given as attributes (before opset 11) or as constant inputs."""
    limits = []
    for index, name, default in ((1, "min", -np.inf), (2, "max", np.inf)):
        if node.optional(index) is None:
            limits.append(node.real(name, default))
            continue
        given = node.weights(index, name)
        if given.size != 1:
            raise node.refuse(f"{name} has {given.size} elements; expected 1")
        limits.append(float(given.reshape(-1)[0]))
    return [pointwise.clip(builder, node.stem, node.value(0), limits[0], limits[1], node.where)]


def prelu(builder: Builder, node: Node) -> Sequence[Operand]:
    """A leaky relu with one slope, or one for each feature."""
    x, slope = node.value(0), node.weights(1, "slope")
    return [compose.prelu(builder, node.stem, x, slope, node.where)]


def gelu(builder: Builder, node: Node) -> Sequence[Operand]:
    """With the error function or with tanh."""
    kinds = {"none": "gelu", "tanh": "gelu_tanh"}
    approximate = node.string("approximate", "none")
    if approximate not in kinds:
        raise node.refuse("approximate must be 'none' or 'tanh'")
    x = node.value(0)
    return [pointwise.function_of(builder, node.stem, x, kinds[approximate], node.where)]


OPERATORS = {
    "Abs": Operator(plain("leaky_relu", -1.0)),
    "Clip": Operator(clip, ("min", "max"), inputs=3),
    "Elu": Operator(sloped("elu", 1.0), ("alpha",)),
    "Erf": Operator(plain("erf")),
    "Gelu": Operator(gelu, ("approximate",)),
    "HardSigmoid": Operator(sloped("hard_sigmoid", 0.2, 0.5), ("alpha", "beta")),
    "HardSwish": Operator(plain("hard_swish")),
    "LeakyRelu": Operator(sloped("leaky_relu", 0.01), ("alpha",)),
    "PRelu": Operator(prelu, inputs=2),
    "Relu": Operator(plain("relu")),
    "Sigmoid": Operator(plain("sigmoid")),
    "Softplus": Operator(plain("softplus", 1.0)),
    "Softsign": Operator(plain("softsign")),
    "Tanh": Operator(plain("tanh")),
    "ThresholdedRelu": Operator(sloped("thresholded_relu", 1.0), ("alpha",)),
}
