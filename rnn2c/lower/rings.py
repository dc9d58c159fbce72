"""The steps that a layer with a kernel reads: rows of a ring buffer in the state."""

from __future__ import annotations

from rnn2c.ir.program import Advance, Call, Elem, Ring, Row, Stage, StepRow, Store
from rnn2c.ir.temporal import Framed
from rnn2c.lower.builder import Builder, Place


def taps(b: Builder, layer: Framed, fill: int | Elem) -> tuple[Place, ...]:
    """Places of the rows that the taps read, the oldest first; each row is one step of the input.

    A ring takes up the input whenever there is one; in a loop all steps are there anyway.  fill:
    what rows of padding hold.
    """
    x = layer.inputs[0]
    if b.rates[layer.name] == "window":
        return _steps(b, layer, fill)
    place, size, slug = b.place(x, "step"), b.sizes[x], b.slug(layer)
    rows = layer.span + 1
    if rows == 1:
        return (place,)
    form = b.format(x)
    doc = f"the last {rows} inputs, {size} values each"
    ring = Ring(
        b.state(f"{slug}_ring", form, rows * size, doc).buffer,
        b.clocks.counting(f"{slug}_newest", rows - 1, "index of the newest row"),
        rows,
        size,
    )
    if layer.pads[0] and fill != 0:
        _fill(b, layer, ring.buffer, ring.rows * ring.size, fill)
    entry = b.buffer(f"{slug}_entry", form, size, "view", "the row that takes up the input")
    copy = b.copy_stage(
        b.title(layer, "keep the input"), place.elem(), size, (Store(Elem(entry), "v"),)
    )
    b.append_at(x, Advance(ring), Row(entry, ring, 0, written=True), copy)
    places = []
    for k in range(layer.kernel):
        back = layer.dilation * (layer.kernel - 1 - k)
        doc = "this input" if back == 0 else f"the input {back} before"
        view = b.buffer(f"{slug}_tap{k}", form, size, "view", doc)
        b.append("step", Row(view, ring, back))
        places.append(Place(view))
    return tuple(places)


def _steps(b: Builder, layer: Framed, fill: int | Elem) -> tuple[Place, ...]:
    """Rows of the steps around the one at hand."""
    x, slug = layer.inputs[0], b.slug(layer)
    form, size = b.format(x), b.sizes[x]
    beyond = b.state(f"{slug}_padding", form, size, "what is beyond the sequence")
    if fill != 0:
        _fill(b, layer, beyond.buffer, size, fill)
    places = []
    for k in range(layer.kernel):
        ahead = layer.dilation * k - layer.pads[0]
        view = b.buffer(f"{slug}_tap{k}", form, size, "view", f"the input {ahead:+d}")
        b.append("window", StepRow(view, b.kept(x).buffer, beyond.buffer, ahead))
        places.append(Place(view))
    return tuple(places)


def _fill(b: Builder, layer: Framed, buffer: str, size: int, fill: int | Elem) -> None:
    same = "same" if isinstance(fill, int) else "same_f32"
    body = (Call("v", same, (fill,)),)
    stores = (Store(Elem(buffer), "v"),)
    title = b.title(layer, "padding")
    b.begin(Stage(title, size, body, stores))
