"""What an import leaves behind: the Model, and how the source's tensors relate to its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rnn2c.frontend.values import Axes, Axis
from rnn2c.ir.graph import Model


@dataclass(frozen=True)
class Port:
    """A tensor of the source: its name there, its axes, and the Model values it shows.

    dtype: of the source's tensor; an input of integers holds tokens.
    """

    name: str
    values: tuple[str, ...]
    axes: tuple[Axis, ...]
    dtype: str = "float32"


@dataclass(frozen=True, eq=False)
class Imported:
    """A Model with what a cross-check needs: how source tensors relate to its values.

    dynamic: layers that round what they read in the source and not here, with the bits they use.
    state: source input -> the source output that it gets at the next call; single: whether a call
    is one step.
    lengths: source inputs that say how many steps there are.
    """

    model: Model
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    inner: tuple[Port, ...]
    axes: Axes
    dynamic: Mapping[str, int] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    single: bool = False
    lengths: tuple[str, ...] = ()
