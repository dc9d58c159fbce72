"""The end of an import: from what a Builder collected to the checked Model and its ports."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.feedback import Feedback, feed_back
from rnn2c.frontend.finish import (
    live_layers,
    model_inputs,
    port_names,
    refuse_repeated,
    refuse_unfinished,
    token_input,
    visible_ports,
)
from rnn2c.frontend.imported import Imported, Port
from rnn2c.frontend.part import Part
from rnn2c.frontend.values import Axes, quoted
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Delay, Layer, Model, Output


@dataclass(frozen=True, eq=False)
class Draft:
    """What a Builder collected.  tokens: inputs of integers; unfinished: see Builder.unfinished;
    dynamic: layers whose source rounds what they read while it runs, and to how many bits.
    """

    name: str
    axes: Axes
    layers: tuple[Layer, ...]
    delays: tuple[Delay, ...]
    inputs: tuple[Port, ...]
    inner: tuple[Port, ...]
    tokens: Set[str]
    unfinished: Mapping[str, str]
    dynamic: Mapping[str, int]


def assemble(draft: Draft, shown: tuple[Port, ...], part: Part) -> Imported:
    """The Model with these outputs; raises Rnn2cError naming the input, layer or output."""
    loops = Feedback(draft.layers, draft.delays, shown, single=False)
    if part.state and draft.delays:
        raise UnsupportedError(
            f"--state: layer {quoted(draft.delays[0].value)} is in a loop over time steps that"
            " starts from zero; export one step per call for --state"
        )
    if part.state:
        loops = feed_back(draft.axes, loops.layers, list(draft.inputs), shown, part.state)
    visible = visible_ports(loops.shown, part)
    ports = [
        Output(name, value)
        for port in visible
        for name, value in zip(port_names(port), port.values, strict=True)
    ]
    refuse_repeated([p.name for p in ports])
    wanted = [*(p.value for p in ports), *(d.value for d in loops.delays)]
    layers = live_layers(loops.layers, wanted)
    refuse_unfinished(layers, draft.unfinished)
    read = {n for layer in layers for n in layer.inputs} | set(wanted)
    recurrent = not loops.single and any(isinstance(p, graph.Recurrent) for p in layers)
    recurrent = recurrent or bool(draft.delays)
    inputs = tuple(
        i
        for port in draft.inputs
        if port.name not in part.state
        for i in (
            [token_input(draft.axes, port, layers)]
            if port.name in draft.tokens
            else model_inputs(draft.axes, port, read, recurrent)
        )
    )
    refuse_repeated([i.name for i in inputs])
    model = Model(draft.name, inputs, tuple(layers), tuple(ports), delays=loops.delays)
    check_model(model)
    kept = {name for layer in layers for name in layer.outputs}
    return Imported(
        model,
        draft.inputs,
        visible,
        tuple(p for p in draft.inner if len(p.values) == 1 and p.values[0] in kept),
        draft.axes,
        {n: bits for n, bits in draft.dynamic.items() if n in kept},
        dict(part.state),
        loops.single,
    )
