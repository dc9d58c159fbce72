"""Keras layers without memory: Dense, activations, normalisation, wrappers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import keras_features, keras_functions
from rnn2c.frontend.keras_call import Call, Handler
from rnn2c.frontend.keras_graph import refuse_own_class
from rnn2c.frontend.pointwise import affine, function_of
from rnn2c.frontend.values import Value, quoted

ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh", "softmax")
TRAINING = frozenset(
    """kernel_initializer bias_initializer kernel_regularizer bias_regularizer kernel_constraint
    bias_constraint""".split()
)
NORMALISING = frozenset(
    """momentum synchronized renorm_clipping renorm_momentum beta_initializer gamma_initializer
    moving_mean_initializer moving_variance_initializer beta_regularizer gamma_regularizer
    beta_constraint gamma_constraint""".split()
)
WITHIN = (
    *("Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Dropout"),
    *("BatchNormalization", "LayerNormalization", "Rescaling"),
)
"""What a TimeDistributed may wrap: layers that treat every step alike anyway."""


def dense(call: Call) -> Sequence[Value]:
    """activation(kernel^T x + bias) over the features."""
    settings = call.settings
    settings.ignore(TRAINING)
    settings.must_be("quantization_config", None, "save the model before quantizing it")
    settings.must_be("lora_rank", None, "merge the adapter first")
    settings.ignore(frozenset({"lora_alpha"}))
    units, biased = settings.count("units"), settings.flag("use_bias")
    function = settings.function("activation", ACTIVATIONS)
    found = call.weights(["kernel", "bias"] if biased else ["kernel"])
    kernel = call.shaped("kernel", found[0], (call.features(), units))
    bias = call.shaped("bias", found[1], (units,)) if biased else np.zeros(units)
    result = call.builder.linear(call.spec.name, call.operand, kernel.T, bias, call.where)
    return [activated(call, result, function)]


def activation(call: Call) -> Sequence[Value]:
    """A function by name."""
    function = call.settings.function("activation", ACTIVATIONS)
    return [call.operand if function == "linear" else activated(call, call.operand, function)]


def activated(call: Call, x: Value, function: str) -> Value:
    """function(x), a name of ACTIVATIONS."""
    if function == "linear":
        return x
    if function == "softmax":
        return call.builder.softmax(call.spec.name, x, -1, call.where)
    return function_of(call.builder, call.spec.name, x, function, call.where)


def softmax(call: Call) -> Sequence[Value]:
    """Softmax over the features."""
    axis = call.axis(call.settings.take("axis", -1))
    return [call.builder.softmax(call.spec.name, call.operand, axis, call.where)]


def dropout(call: Call) -> Sequence[Value]:
    """Does nothing after training."""
    call.settings.ignore(frozenset({"rate", "noise_shape", "seed"}))
    return [call.operand]


def batch_normalization(call: Call) -> Sequence[Value]:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta."""
    settings = call.settings
    settings.ignore(NORMALISING)
    settings.must_be("renorm", False, "use the plain normalisation")
    settings.must_be("virtual_batch_size", None, "use the plain normalisation")
    settings.must_be("adjustment", None, "use the plain normalisation")
    settings.ignore(frozenset({"fused"}))
    axis = settings.take("axis")
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if call.axis(axis) != len(call.operand.axes) - 1:
        raise call.refuse(f"axis={quoted(axis)} is not supported; use axis=-1, the features")
    scaled, centred = settings.flag("scale"), settings.flag("center")
    roles = ["gamma"] * scaled + ["beta"] * centred + ["moving_mean", "moving_variance"]
    size = call.features()
    found = {
        role: call.shaped(role, array, (size,))
        for role, array in zip(roles, call.weights(roles), strict=True)
    }
    spread = found["moving_variance"] + settings.number("epsilon")
    if not np.all(spread > 0):
        index = int(np.argmax(~(spread > 0)))
        raise Rnn2cError(f"{call.where}: moving_variance[{index}] + epsilon is not positive")
    scale = found.get("gamma", np.ones(size)) / np.sqrt(spread)
    shift = found.get("beta", np.zeros(size)) - found["moving_mean"] * scale
    return [affine(call.builder, call.spec.name, call.operand, scale, shift, call.where)]


def time_distributed(call: Call) -> Sequence[Value]:
    """The wrapped layer at every step, which is what a Model does anyway."""
    wrapped = call.settings.take("layer")
    if not isinstance(wrapped, dict) or not isinstance(wrapped.get("config"), dict):
        raise Rnn2cError(f"{call.where}: wraps no layer; save the model again")
    kind = wrapped.get("class_name")
    if kind not in WITHIN:
        raise call.refuse(f"wraps {quoted(kind)}; it may wrap {', '.join(WITHIN)}")
    refuse_own_class(wrapped, str(wrapped["config"].get("name")), str(kind))
    if len(call.operand.axes) != 3:
        raise call.refuse(f"the input has {len(call.operand.axes)} dimensions, expected 3")
    inner = replace(call, inner="layer", hidden=1, config=wrapped["config"])
    handlers = HANDLERS | keras_features.HANDLERS | keras_functions.HANDLERS
    result = handlers[str(kind)](inner)
    inner.settings.finish()
    return result


HANDLERS: dict[str, Handler] = {
    "Activation": activation,
    "BatchNormalization": batch_normalization,
    "Dense": dense,
    "Dropout": dropout,
    "Softmax": softmax,
    "TimeDistributed": time_distributed,
}
