"""Which part of a source graph becomes the model, and which of its outputs feed its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rnn2c.errors import Rnn2cError, quoted

MAX_RANK = 8
Shape = tuple[int | str, ...]
Names = str | Sequence[str]


@dataclass(frozen=True)
class Part:
    """start, end: tensors where the part begins and ends; empty: the graph's own inputs, outputs.

    state: input -> the output that it gets at the next step.  shapes: of inputs, a dimension is a
    size or the name of an unknown one.
    """

    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    state: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.start or self.end or self.state or self.shapes)

    @property
    def cuts(self) -> bool:
        """Whether it is less than the whole graph."""
        return bool(self.start or self.end)


WHOLE = Part()


def make_part(
    start: Names = (),
    end: Names = (),
    state: Mapping[str, str] | None = None,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
) -> Part:
    """Raises Rnn2cError for a name that is given twice and for an impossible shape."""
    tuples = {name: tuple(shape) for name, shape in (shapes or {}).items()}
    part = Part(_names(start), _names(end), dict(state or {}), tuples)
    fed = tuple(part.state.values())
    for option, names in (("from", part.start), ("to", part.end), ("state", fed)):
        twice = [n for n in names if names.count(n) > 1]
        if twice:
            raise Rnn2cError(f"--{option}: {quoted(twice[0])} is given twice")
    for name, shape in part.shapes.items():
        sizes = [d for d in shape if isinstance(d, int)]
        if not 0 < len(shape) <= MAX_RANK or min(sizes, default=1) < 1:
            raise Rnn2cError(f"--shape {quoted(name)}: give sizes as 1,T,128")
    return part


def _names(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def parse_part(
    start: Iterable[str], end: Iterable[str], state: Iterable[str], shapes: Iterable[str]
) -> Part:
    """From the texts of the command line: TENSOR[,TENSOR], IN=OUT, TENSOR=1,T,128."""
    return make_part(
        _listed(start),
        _listed(end),
        _pairs("--state", "IN=OUT", state),
        {n: _shape(text) for n, text in _pairs("--shape", "TENSOR=1,T,128", shapes).items()},
    )


def _listed(texts: Iterable[str]) -> list[str]:
    return [name for text in texts for name in text.split(",") if name]


def _pairs(option: str, form: str, texts: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise Rnn2cError(f"{option} {quoted(text)}: give {form}")
        if left in found:
            raise Rnn2cError(f"{option}: {quoted(left)} is given twice")
        found[left] = right
    return found


def _shape(text: str) -> Shape:
    return tuple(int(d) if d.isascii() and d.isdigit() else d for d in text[:200].split(","))
