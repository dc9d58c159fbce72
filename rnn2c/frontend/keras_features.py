"""Keras layers over the features of one step: Embedding, LayerNormalization."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.frontend.embedding import embedding
from rnn2c.frontend.keras_call import Call, Handler
from rnn2c.frontend.keras_masks import value_mask
from rnn2c.frontend.normalize import layer_norm
from rnn2c.frontend.values import Value

EMBEDDING = "Embedding"
TRAINING = frozenset(
    """embeddings_initializer embeddings_regularizer embeddings_constraint input_length
    beta_initializer gamma_initializer beta_regularizer gamma_regularizer beta_constraint
    gamma_constraint lora_alpha""".split()
)


def look_up(call: Call) -> Sequence[Value]:
    """A row of the table for each token; with mask_zero a mask of the tokens that are 0."""
    settings = call.settings
    settings.ignore(TRAINING)
    settings.must_be("lora_rank", None, "merge the adapter first")
    settings.must_be("quantization_config", None, "save the model before quantizing it")
    shape = (settings.count("input_dim"), settings.count("output_dim"))
    (table,) = call.weights(["embeddings"])
    rows = call.shaped("embeddings", table, shape)
    found = embedding(call.builder, call.spec.name, rows, call.operand, call.where)
    if settings.flag("mask_zero", False):
        call.passes = value_mask(call.builder, call.operand.parts[0], 0.0)
    return [found]


def normalize(call: Call) -> Sequence[Value]:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta over the features."""
    settings = call.settings
    settings.ignore(TRAINING)
    settings.must_be("rms_scaling", False, "use RMSNormalization in its place")
    axis = settings.take("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    size, rank = call.features(), len(call.operand.axes)
    if call.axis(axis) != rank - 1:
        raise call.refuse(f"axis={axis} is not supported; use axis=-1, the features")
    scaled, centred = settings.flag("scale", True), settings.flag("center", True)
    roles = ["gamma"] * scaled + ["beta"] * centred
    found = {
        role: call.shaped(role, array, (size,))
        for role, array in zip(roles, call.weights(roles), strict=True)
    }
    gain, bias = found.get("gamma", np.ones(size)), found.get("beta", np.zeros(size))
    epsilon = settings.number("epsilon")
    name = call.spec.name
    return [layer_norm(call.builder, name, call.operand, -1, epsilon, call.where, gain, bias)]


HANDLERS: dict[str, Handler] = {EMBEDDING: look_up, "LayerNormalization": normalize}
