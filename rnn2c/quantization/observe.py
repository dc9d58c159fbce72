"""Observers: the range of every signal of a Model over the calibration sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnn2c.calibration import SequenceSet
from rnn2c.errors import Rnn2cError
from rnn2c.ir.evaluate import evaluate
from rnn2c.ir.graph import FloatArray, Model

ObserverKind = Literal["minmax", "percentile"]

LARGEST_REACH = 1e30
"""Scales are emitted as float32."""


@dataclass(frozen=True)
class Span:
    """The range [lo, hi] a signal was seen in."""

    lo: float
    hi: float

    @property
    def reach(self) -> float:
        """Largest magnitude."""
        return float(np.maximum(abs(self.lo), abs(self.hi)))

    def hull(self, other: Span) -> Span:
        """The range of both."""
        return Span(min(self.lo, other.lo), max(self.hi, other.hi))


def observe(
    model: Model, data: SequenceSet, kind: ObserverKind = "minmax", percentile: float = 99.99
) -> dict[str, Span]:
    """Ranges by value name and, for a GRU, `LAYER.n`.

    minmax: the extremes; percentile: the symmetric part that holds `percentile` % of all samples
    in each tail's direction.  Raises Rnn2cError for a percentile outside (50, 100] and for a value
    that explodes.
    """
    if not 50 < percentile <= 100:
        raise Rnn2cError(f"percentile {percentile}: give a number above 50, at most 100")
    samples: dict[str, list[FloatArray]] = {}
    for sequence in data.sequences:

        def note(name: str, array: FloatArray) -> None:
            samples.setdefault(name, []).append(_summary(array, kind))

        with np.errstate(over="ignore", invalid="ignore"):  # reported by name below
            evaluate(model, sequence, note)
    spans = {
        name: _span(np.concatenate(parts), kind, percentile) for name, parts in samples.items()
    }
    for name, span in spans.items():
        if not span.reach <= LARGEST_REACH:
            raise Rnn2cError(
                f"value '{name}' reaches {span.reach:g} over the calibration data, beyond"
                f" {LARGEST_REACH:g}; check weights and data, or give shorter sequences"
            )
    return spans


def _summary(array: FloatArray, kind: ObserverKind) -> FloatArray:
    """What has to be remembered of one sequence."""
    flat = array.ravel()
    return flat if kind == "percentile" else np.array([flat.min(), flat.max()])


def _span(samples: FloatArray, kind: ObserverKind, percentile: float) -> Span:
    if kind == "minmax":
        return Span(float(samples.min()), float(samples.max()))
    lo, hi = np.percentile(samples, [100 - percentile, percentile])
    return Span(float(lo), float(hi))
