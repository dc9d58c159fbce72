"""Stages that only move values: copies, zeros, and the stores that a mask holds back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from rnn2c.ir.program import Buffer, Call, Elem, Stage, Store


def copy_stage(title: str, source: Elem, size: int, stores: tuple[Store, ...], type_: str) -> Stage:
    """A copy of a vector of this type; its stores name the value `v`."""
    body = (Call("v", "same_f32" if type_ == "f32" else "same", (source,)),)
    return Stage(title, size, body, stores)


def zero_stage(buffer: Buffer) -> Stage:
    """A stage that sets a buffer to zero."""
    body = (Call("v", "same_f32" if buffer.type == "f32" else "same", (0,)),)
    return Stage(f"{buffer.name} = 0", buffer.size, body, (Store(Elem(buffer.name), "v"),))


def held(stage: Stage, on: Elem, states: Collection[str], buffers: Mapping[str, Buffer]) -> Stage:
    """The stage, whose stores into these states keep the old value where `on` is 0."""
    calls: dict[str, Call] = {}
    for store in stage.stores:
        if store.element.buffer in states:
            old = replace(store.element, new=False)
            name = "hold_f32" if buffers[old.buffer].type == "f32" else "hold"
            calls[store.value] = Call(
                f"{store.value}_held", name, (store.value, old, on), "unless masked"
            )
    stores = tuple(
        replace(s, value=calls[s.value].out if s.value in calls else s.value) for s in stage.stores
    )
    return replace(stage, body=(*stage.body, *calls.values()), stores=stores)
