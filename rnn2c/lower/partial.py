"""How many taps of a kernel are steps of the sequence and not padding: what an average divides by.

Where n steps are there on one side of a step, this one included, and p rows of padding behind
them, the taps span p - n + 1 of those rows; every dilation-th is a tap.  A ring looks back from its
newest step over the whole kernel, so that p is the span.
"""

from __future__ import annotations

from rnn2c.ir.graph import Format
from rnn2c.ir.program import Argument, Call, Elem, Stage, Store
from rnn2c.ir.temporal import Pool
from rnn2c.lower.builder import Builder, Place


def count_taps(b: Builder, layer: Pool) -> Elem:
    """Add the stages that count; returns where the number is for every unit."""
    before, after = layer.pads
    seen = _count_steps(b, layer).elem()
    slug, body = b.slug(layer), list[Call]()
    if b.loop is None:
        body += _missing(layer, "missing", seen, layer.span)
    else:
        body.append(Call("more", "subtract", (Elem(b.counter), seen)))
        body.append(Call("left", "add", ("more", 1), "steps from this one on"))
        ends: tuple[Argument, Argument] = (seen, "left")
        first, last = reversed(ends) if b.loop.reverse else ends
        body += _missing(layer, "early", first, before)
        body += _missing(layer, "late", last, after)
        body.append(Call("missing", "add", ("early", "late")))
    body.append(Call("found", "subtract", (layer.kernel, "missing")))
    body.append(Call("taps", "clamp", ("found", 1, layer.kernel)))
    form = Format(1.0, 32, lo=1, hi=layer.kernel)
    taps = b.scratch(f"{slug}_taps", form, 1, "taps that are no padding", "step")
    title = b.title(layer, "count the taps that are no padding")
    b.append("step", Stage(title, 1, tuple(body), (Store(taps.elem(), "taps"),)))
    return Elem(taps.buffer, 0, 0)


def _count_steps(b: Builder, layer: Pool) -> Place:
    """The inputs so far, in a loop those that it has been at."""
    most = layer.span + 1 if b.loop is None else b.max_steps
    form = Format(1.0, 32, lo=0, hi=most)
    seen = b.state(f"{b.slug(layer)}_seen", form, 1, f"inputs so far, up to {most}")
    body = (Call("more", "add", (seen.elem(), 1)), Call("n", "clamp", ("more", 0, most)))
    title = b.title(layer, "count the inputs")
    b.append_at(layer.inputs[0], Stage(title, 1, body, (Store(seen.elem(), "n"),)))
    return seen


def _missing(layer: Pool, out: str, there: Argument, pad: int) -> list[Call]:
    """Calls for the taps beyond the `there` steps of one side."""
    d = layer.dilation
    met = Call(f"{out}_far", "subtract", (pad + d, there))
    if d == 1:
        return [met, Call(out, "clamp", (met.out, 0, pad))]
    return [
        met,
        Call(f"{out}_rows", "clamp", (met.out, d - 1, pad + d), f"{d - 1} more than it meets"),
        Call(f"{out}_less", "subtract", (f"{out}_rows", d // 2), "divide rounds to the nearest"),
        Call(out, "divide", (f"{out}_less", d), "rounded down"),
    ]
