"""Lower delays: state that is read during a step and gets its new values when the step ends."""

from __future__ import annotations

from rnn2c.ir import graph
from rnn2c.ir.names import identifier, prose
from rnn2c.ir.program import Stage, Store
from rnn2c.lower.arrange import copied
from rnn2c.lower.builder import Builder, Place


def declare_delay(b: Builder, delay: graph.Delay) -> None:
    """The state, zero at the start of a sequence."""
    doc = f"'{prose(delay.value)}' of the step before"
    slug = identifier(delay.name, "delay")
    place = b.state(f"{slug}_delayed", b.format(delay.name), delay.size, doc)
    b.source(delay.name, place, doc)


def update_delays(b: Builder) -> None:
    """At the end of step; what comes from another delay is copied before any of them changes."""
    places = {delay.value: b.place(delay.value, "step") for delay in b.model.delays}
    for value in places:
        if b.is_delayed(value):
            places[value] = _saved(b, value, places[value])
    for delay in b.model.delays:
        layer = graph.Layer(name=delay.name, inputs=(delay.value,))
        calls = copied(b, layer, delay.value, places[delay.value].elem())
        store = Store(b.place(delay.name, "step").elem(), "y")
        b.append(
            "step", Stage(b.title(layer, "for the next step"), delay.size, tuple(calls), (store,))
        )


def _saved(b: Builder, value: str, place: Place) -> Place:
    size = b.sizes[value]
    kept = b.scratch(f"{value}_before", b.format(value), size, "a copy", "step")
    title = f"keep '{prose(value)}'"
    b.append("step", b.copy_stage(title, place.elem(), size, (Store(kept.elem(), "v"),)))
    return kept
