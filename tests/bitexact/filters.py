"""Convolutions and pooling in front of a model made from a seed, and reductions behind it."""

from __future__ import annotations

import numpy as np
from drafts import Draft, recurrent
from fixed import draft_of, finished
from models import Case

from rnn2c.ir import temporal
from rnn2c.ir.graph import Tensor
from rnn2c.pipeline import QuantizeOptions

MOST_WAIT = 5
"""Steps before the first result, so that short sequences have one."""


def random_filters(draft: Draft) -> None:
    """One to three layers with a kernel; together they wait for at most MOST_WAIT steps."""
    rng, every, wait = draft.rng, 1, MOST_WAIT
    for k in range(int(rng.integers(1, 4))):
        kernel, dilation = int(rng.integers(1, 5)), int(rng.integers(1, 3))
        span = dilation * (kernel - 1)
        pad = int(rng.integers(max(0, span - wait // every), span + 1))
        stride = int(rng.choice([1, 1, 2, 3]))
        common = {"kernel": kernel, "dilation": dilation, "stride": stride, "pads": (pad, 0)}
        kind = rng.choice(["conv", "conv", "depthwise", "max", "average"])
        if kind in ("max", "average"):
            pool = temporal.Pool(
                name=f"f{k}",
                inputs=(draft.value,),
                function=str(kind),
                count_pads=kernel % 2 == 0,
                **common,  # type: ignore[arg-type]
            )
            draft.add(pool, draft.size)
        else:
            convolution(draft, f"f{k}", kind == "depthwise", common)
        wait -= every * (span - pad)
        every *= stride


def convolution(draft: Draft, name: str, is_depthwise: bool, common: dict[str, object]) -> None:
    rng, size = draft.rng, draft.size
    groups = size if is_depthwise else 1
    rows = size * int(rng.integers(1, 3)) if is_depthwise else int(rng.choice([1, 4, 9]))
    columns = int(common["kernel"]) * size // groups  # type: ignore[call-overload]
    weight = rng.normal(0, draft.gain / np.sqrt(columns), (rows, columns))
    activation = str(rng.choice(["", "relu", "tanh", "sigmoid"]))
    layer = temporal.Conv1d(
        name=name,
        inputs=(draft.value,),
        weight=Tensor(weight),
        bias=rng.normal(0, 0.5, rows),
        activation=activation,
        groups=groups,
        **common,  # type: ignore[arg-type]
    )
    draft.add(layer, rows)


def filtered(seed: int, options: QuantizeOptions) -> Case:
    """Filters, a cell on their clock, outputs per step, of the last step and over all steps."""
    draft = draft_of(1000 + seed, 1.0 if seed % 3 else 8.0)
    draft.input("x", int(draft.rng.choice([1, 3, 6])))
    random_filters(draft)
    filters = draft.value
    for function in ("mean", "max", "sum"):
        layer = temporal.Reduce(name=function, inputs=(filters,), function=function)  # type: ignore[arg-type]
        draft.layers.append(layer)
        draft.show(f"{function}_out", function)
    recurrent(draft, "cell", ("lstm", "gru", "tanh")[seed % 3], 5, states="h" if seed % 2 else "")
    draft.show("h")
    draft.last("last")
    draft.linear("fc", 3)
    draft.show("y")
    return finished(draft, f"filtered{seed}", options, None)
