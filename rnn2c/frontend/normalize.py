"""Layer normalization for all front ends: as one operator, or taken apart into its arithmetic."""

from __future__ import annotations

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.values import Constant, Value
from rnn2c.ir import graph
from rnn2c.ir.graph import FloatArray


def layer_norm(
    builder: Builder, stem: str, x: Value, axis: int, epsilon: float, where: str,
    gain: Constant | None = None, bias: Constant | None = None, *, centred: bool = True,
) -> Value:  # fmt: skip
    """gain (x - mean) / sqrt(variance + epsilon) + bias over the features, which lie along axis."""
    source = builder.over_features(x, axis, where)
    size = x.axes[axis].size or 0
    if not (np.isfinite(epsilon) and epsilon >= 0):
        raise Rnn2cError(f"{where}: epsilon is {epsilon:g}")
    name = builder.unique(stem, "norm")
    builder.add(
        graph.LayerNorm(
            name=name,
            inputs=(source,),
            gain=_of_size(gain, 1.0, size, "scale", where),
            bias=_of_size(bias, 0.0, size, "bias", where),
            epsilon=epsilon,
            centred=centred,
        )
    )
    return Value((name,), x.axes)


def _of_size(
    given: Constant | None, default: float, size: int, what: str, where: str
) -> FloatArray:
    if given is None:
        return np.full(size, default)
    if given.size not in (1, size) or given.ndim > 1:
        raise Rnn2cError(f"{where}: {what} has shape {list(given.shape)}, expected [{size}]")
    return np.array(np.broadcast_to(np.asarray(given, np.float64).reshape(-1), (size,)))
