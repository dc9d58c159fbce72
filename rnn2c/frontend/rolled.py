"""The end of an import with loops over time steps: cells for the loops that compute one, names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from rnn2c.errors import UnsupportedError, quoted
from rnn2c.frontend.imported import Port
from rnn2c.frontend.steps import renamed
from rnn2c.ir import graph
from rnn2c.ir.graph import Delay, FloatArray, Layer, Model
from rnn2c.ir.recover_cells import recover_cells


@dataclass(frozen=True, eq=False)
class Rolled:
    """What is left at the end: real layers, in order.

    names: value -> its name from now on; a value that is not there exists no more.
    """

    layers: tuple[Layer, ...]
    delays: tuple[Delay, ...]
    names: Mapping[str, str]

    def ports(self, ports: Sequence[Port]) -> tuple[Port, ...]:
        """Those whose values still exist, under their names."""
        names = self.names
        kept = (p for p in ports if all(v in names for v in p.values))
        return tuple(replace(p, values=tuple(names[v] for v in p.values)) for p in kept)


def recovered(
    model: Model,
    starts: Mapping[str, FloatArray | str],
    bodies: Collection[str],
    ends: Collection[str],
    anonymous: Collection[str],
) -> Rolled:
    """The layers and delays of the model, whose outputs are the values wanted, by their own names.

    starts: initial values of delays, which only cells may have; bodies: names of layers of loops,
    which get plain ones; ends: names of last and first steps; anonymous: names without a stem.
    """
    made = recover_cells(model, starts)
    for delay in made.delays:
        if delay.name in starts:
            raise UnsupportedError(
                f"layer {quoted(stem_of(delay.value))}: a loop starts from a state that is not"
                " zero; only those of LSTM, GRU and RNN cells may, start others from zero"
            )
    taken = {v for p in made.layers if p.name not in bodies for v in p.outputs}
    taken |= {i.name for i in made.sources}
    names: dict[str, str] = {}
    for layer in made.layers:
        if layer.name in bodies:
            names[layer.name] = _plain(layer, anonymous, taken)
            taken.add(names[layer.name])
        elif layer.name in ends:
            end = layer.name.rpartition(".")[2]
            names[layer.name] = f"{names.get(layer.inputs[0], layer.inputs[0])}.{end}"
        new = replace(layer, name=names.get(layer.name, layer.name))
        names |= dict(zip(layer.outputs, new.outputs, strict=True))
    names |= {i.name: i.name for i in made.sources}
    return Rolled(
        tuple(renamed(p, names) for p in made.layers),
        tuple(replace(d, value=names[d.value]) for d in made.delays),
        names | {o.name: names[o.value] for o in made.outputs},
    )


def stem_of(name: str) -> str:
    """The name without the number that made it unique."""
    stem, _, number = name.rpartition(".")
    return stem if number.isdigit() and stem else name


def _plain(layer: Layer, anonymous: Collection[str], taken: Collection[str]) -> str:
    """The first free name for a layer of a loop; a cell without one is called by its kind."""
    stem = stem_of(layer.name)
    if isinstance(layer, graph.Recurrent) and stem in anonymous:
        kind = type(layer).__name__.lower()
        free = (f"{kind}{k}" for k in count())
    else:
        free = (f"{stem}.{k}" if k else stem for k in count())
    return next(n for n in free if n not in taken)
