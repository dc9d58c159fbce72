"""The activations of recurrent cells by the names that ONNX and Keras give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.values import quoted
from rnn2c.ir.graph import CellFunction


@dataclass(frozen=True)
class OnnxFunction:
    """A function and the parameters it takes from activation_alpha and activation_beta.

    A default of None: ONNX gives none, or the runtimes do not agree on it.
    """

    function: str
    parameters: Mapping[str, float | None]


ONNX_FUNCTIONS: dict[str, OnnxFunction] = {
    "sigmoid": OnnxFunction("sigmoid", {}),
    "tanh": OnnxFunction("tanh", {}),
    "relu": OnnxFunction("relu", {}),
    "softsign": OnnxFunction("softsign", {}),
    "softplus": OnnxFunction("softplus", {}),
    "hardsigmoid": OnnxFunction("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
    "leakyrelu": OnnxFunction("leaky_relu", {"alpha": 0.01}),
    "elu": OnnxFunction("elu", {"alpha": 1.0}),
    "thresholdedrelu": OnnxFunction("thresholded_relu", {"alpha": None}),
    "affine": OnnxFunction("linear", {"alpha": None, "beta": None}),
    "scaledtanh": OnnxFunction("scaled_tanh", {"alpha": None, "beta": None}),
}
"""https://onnx.ai/onnx/operators/onnx__RNN.html; names are compared without regard to case."""

FIXED = {"softplus": CellFunction("softplus", 1.0)}


def onnx_functions(
    names: Sequence[str], alpha: Sequence[float], beta: Sequence[float], where: str
) -> tuple[CellFunction, ...]:
    """The activations of a node: each takes the next alpha and beta if it has such a parameter.

    Raises UnsupportedError or Rnn2cError for an unknown name, and for numbers that are missing or
    left over.
    """
    left = {"alpha": list(alpha), "beta": list(beta)}
    found = []
    for name in names:
        known = ONNX_FUNCTIONS.get(name.lower())
        if known is None:
            raise UnsupportedError(
                f"{where}: activation {quoted(name)} is not supported; supported are the"
                " activations of ONNX: Sigmoid, Tanh, Relu, HardSigmoid, LeakyRelu, Elu, Softsign,"
                " Softplus, Affine, ScaledTanh, ThresholdedRelu"
            )
        values: dict[str, float] = {}
        for parameter, default in known.parameters.items():
            value = left[parameter].pop(0) if left[parameter] else default
            if value is None:
                raise UnsupportedError(
                    f"{where}: {quoted(name)} has no default for {parameter} that all runtimes"
                    f" share; write activation_{parameter} into the file"
                )
            values[parameter] = value
        found.append(FIXED.get(known.function, CellFunction(known.function, **values)))
    for parameter, rest in left.items():
        if rest:
            raise Rnn2cError(
                f"{where}: activation_{parameter} has {len(rest)} numbers more than"
                f" {', '.join(names)} take"
            )
    return tuple(found)


KERAS_FUNCTIONS: dict[str, CellFunction] = {
    "linear": CellFunction("linear", 1.0),
    "relu": CellFunction("relu"),
    "relu6": CellFunction("clip", 0.0, 6.0),
    "sigmoid": CellFunction("sigmoid"),
    "tanh": CellFunction("tanh"),
    "softsign": CellFunction("softsign"),
    "softplus": CellFunction("softplus", 1.0),
    "elu": CellFunction("elu", 1.0),
    "leaky_relu": CellFunction("leaky_relu", 0.2),
    "silu": CellFunction("silu"),
    "swish": CellFunction("silu"),
    "gelu": CellFunction("gelu"),
    "hard_silu": CellFunction("hard_swish"),
    "hard_sigmoid": CellFunction("hard_sigmoid", 1 / 6, 0.5),
}
"""https://keras.io/api/layers/activations, of Keras 3."""

KERAS_2 = {"hard_sigmoid": CellFunction("hard_sigmoid", 0.2, 0.5)}
"""What Keras 2 computes under the same name."""
