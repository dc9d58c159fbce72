"""Float evaluation of the layers in a loop: those between a Delay and the value that it shows one
step later.  They run one time step after the other; all other layers run over a whole sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Delay, FloatArray, Layer, Model, Recurrent

PER_STEP = (
    *(graph.Linear, graph.Activation, graph.Softmax, graph.ArgMax, graph.Extreme),
    *(graph.LogSoftmax, graph.LayerNorm),
    *(graph.Affine, graph.Rounded, graph.Sum, graph.Product, graph.Concat, graph.Pick),
)
"""Layers that treat every step alike and look at no other one, by their exact types."""

Arguments = list[FloatArray | None]
Note = Callable[[str, FloatArray], None]
Run = Callable[[Layer, Arguments, Note], tuple[FloatArray, ...]]


@dataclass(frozen=True)
class Loop:
    """The layers of a Model with delays, in order: those that no delay reaches, those of the loop,
    and those behind it.
    """

    before: tuple[Layer, ...]
    inside: tuple[Layer, ...]
    behind: tuple[Layer, ...]


def loop_of(model: Model) -> Loop:
    """Sort the layers."""
    reached = {d.name for d in model.delays}
    for layer in model.layers:
        if reached.intersection(layer.inputs):
            reached.update(layer.outputs)
    needed = {d.value for d in model.delays}
    for layer in reversed(model.layers):
        if needed.intersection(layer.outputs):
            needed.update(layer.inputs)
    parts: tuple[list[Layer], list[Layer], list[Layer]] = ([], [], [])
    for layer in model.layers:
        after = bool(reached.intersection(layer.outputs))
        parts[after + (after and not needed.intersection(layer.outputs))].append(layer)
    return Loop(*map(tuple, parts))


def run_loop(
    inside: Iterable[Layer],
    delays: Iterable[Delay],
    values: Mapping[str, FloatArray],
    run: Run,
    note: Note,
) -> dict[str, FloatArray]:
    """Every value of the loop [..., T, n], the delayed ones included; `values`: those before it.

    `note` also gets the inner signals of the layers.
    """
    inside, delays = tuple(inside), tuple(delays)
    signals = {n: a for n, a in values.items() if a.ndim > 1}
    steps = max((a.shape[-2] for a in signals.values()), default=0)
    batch = max((a.shape[:-2] for a in signals.values()), key=len, default=())
    now = {d.name: np.zeros((*batch, 1, d.size)) for d in delays}
    kept: dict[str, list[FloatArray]] = {}
    carried: dict[str, FloatArray] = {}
    for t in range(steps):
        now |= {n: a[..., t : t + 1, :] for n, a in signals.items()}
        now |= {n: a for n, a in values.items() if a.ndim == 1}
        for layer in inside:
            chosen, arguments = _with_states(layer, now, carried)
            results = run(chosen, arguments, lambda n, a: kept.setdefault(n, []).append(a))
            now |= zip(layer.outputs, results, strict=True)
            carried |= {n: a[..., -1, :] for n, a in zip(layer.outputs, results, strict=True)}
        for name in (*(d.name for d in delays), *(v for p in inside for v in p.outputs)):
            kept.setdefault(name, []).append(now[name])
        now |= {d.name: now[d.value] for d in delays}
    joined = {name: np.concatenate(parts, axis=-2) for name, parts in kept.items()}
    for name, array in joined.items():
        note(name, array)
    return joined


def _with_states(
    layer: Layer, now: Mapping[str, FloatArray], carried: Mapping[str, FloatArray]
) -> tuple[Layer, Arguments]:
    """A cell goes on where its last step ended."""
    if isinstance(layer, Recurrent) and layer.name in carried:
        mask = (layer.mask,) if layer.mask else ()
        layer = replace(layer, inputs=(layer.inputs[0], *layer.outputs, *mask))
        states = [carried[n] for n in layer.outputs]
        return layer, [now[layer.inputs[0]], *states, *(now[m] for m in mask)]
    return layer, [now.get(n) for n in layer.inputs]


def refuse_in_loop(model: Model) -> None:
    """Raise UnsupportedError for a layer in a loop that needs more than the present step."""
    for layer in loop_of(model).inside:
        forward = isinstance(layer, Recurrent) and layer.direction == "forward"
        if not forward and type(layer) not in PER_STEP:
            raise UnsupportedError(
                f"layer '{layer.name}': {type(layer).__name__} in a loop from an output to an input"
                " looks at more than one step; only layers that see one step at a time can be there"
            )
