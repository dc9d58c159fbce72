"""How far float32 rounding alone may move the outputs of a Model: the tolerance of a cross-check.

Large random weights amplify rounding, and a correct import of such a model must not be refused.
The Model is run again with every weight moved by what a float32 sum of its row may be
rounded; what that changes is what two correct float32 runtimes may differ by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnn2c.ir.evaluate import evaluate
from rnn2c.ir.graph import FloatArray, Layer, Model, Tensor

TOLERANCE = 1e-5
MARGIN = 4.0
LARGEST = 1e-3
"""Above this a difference is never put down to rounding."""


def rounding_allowed(model: Model, inputs: Mapping[str, FloatArray]) -> float:
    """Allowed difference relative to the scale of an output, from TOLERANCE to LARGEST."""
    random = np.random.default_rng(0)
    moved = model.with_layers(tuple(_moved(layer, random) for layer in model.layers))
    ours, theirs = evaluate(model, inputs), evaluate(moved, inputs)
    changes = [
        float(np.max(np.abs(ours[o.name] - theirs[o.name])))
        / max(1.0, float(np.max(np.abs(ours[o.name]))))
        for o in model.outputs
    ]
    return min(max(TOLERANCE, MARGIN * max(changes, default=0.0)), LARGEST)


def _moved(layer: Layer, random: np.random.Generator) -> Layer:
    changes: dict[str, Tensor | FloatArray] = {}
    for name, value in vars(layer).items():
        data = value.real() if isinstance(value, Tensor) else value
        if isinstance(data, np.ndarray):
            terms = data.shape[-1] if isinstance(value, Tensor) else 1
            rounding = 2.0**-24 * np.sqrt(terms) * random.uniform(-1.0, 1.0, data.shape)
            near = np.asarray(data, np.float64) * (1.0 + rounding)
            changes[name] = Tensor(near) if isinstance(value, Tensor) else near
    return replace(layer, **changes) if changes else layer  # type: ignore[arg-type]
