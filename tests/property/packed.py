"""What the property tests of kernel packings share: everything comes back out of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnn2c.packing.blocks import Content, Segments, Unpacking

DOTS: dict[str, tuple[int, Segments]] = {
    "lstm": (4, ((0, 1, 2, 3), (0, 1, 2, 3))),
    "lstm, x and h apart": (8, ((0, 1, 2, 3), (4, 5, 6, 7))),
    "gru": (4, ((0, 1, 2), (0, 1, 3))),
    "gru, x and h apart": (6, ((0, 1, 4), (2, 3, 5))),
    "r and z": (2, ((0, 1), (0, 1))),
    "linear": (1, ((0,),)),
    "three windows": (1, ((0,), (0,), (0,))),
}
"""Number of results, and those of each segment."""


def assert_lossless(packing: Any, form: Any, of: Content, **options: int) -> None:
    """pack gives words, and unpack gives back matrices, first values and multipliers."""
    stream = packing.pack(form, of, **options)
    assert 0 <= stream.min() <= stream.max() < 2**32
    sizes = tuple(m.shape[2] for m in of.matrices)
    units, results = of.bias.shape
    scaled = tuple(of.multipliers)
    to = Unpacking(stream, form.units, units, results, sizes, of.segments, scaled, of.lifted)
    packing.unpack(form, to, **options)
    back = to.done()
    assert len(back.matrices) == len(of.matrices)
    assert all(np.array_equal(a, b) for a, b in zip(of.matrices, back.matrices, strict=True))
    assert np.array_equal(back.bias, of.bias)
    assert back.multipliers.keys() == of.multipliers.keys()
    assert all(np.array_equal(m, back.multipliers[r]) for r, m in of.multipliers.items())


def drawn(
    rng: np.random.Generator,
    segments: Segments,
    units: int,
    sizes: Sequence[int],
    weights: tuple[int, int],
    bias: int,
    factor: int = 2**31,
) -> Content:
    """Random rows with weights in range(*weights), first values below `bias`, and factors for every
    second result.
    """
    results = 1 + max(r for rows in segments for r in rows)
    matrices = tuple(
        rng.integers(*weights, (units, len(rows), size))
        for rows, size in zip(segments, sizes, strict=False)
    )
    first = rng.integers(-bias, bias, (units, results))
    factors = {r: rng.integers(1, factor, units) for r in range(0, results, 2)}
    return Content(matrices, segments, first, factors)


def only(matrix: np.ndarray, bias: int = 0) -> Content:
    """One matrix [units, rows, columns], all its first values the same."""
    units, rows, _ = matrix.shape
    return Content((matrix,), (tuple(range(rows)),), np.full((units, rows), bias))


def one_magnitude(matrix: np.ndarray, seed: int) -> np.ndarray:
    """The signs of a matrix, times a byte for each row."""
    size = np.random.default_rng([1, seed]).integers(1, 256, (*matrix.shape[:2], 1))
    return np.sign(matrix) * size


def assert_places_are_even(form: Any) -> None:
    """Every sum has a place of its own, and units of a block are the same distance apart."""
    places = np.asarray(form.places)
    assert sorted(places.ravel()) == list(range(places.size))
    assert np.all(np.diff(places, axis=0) == np.diff(places, axis=0)[:1])


ANY_SIZES = given(
    units=st.integers(1, 9),
    sizes=st.lists(st.integers(1, 35), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)


def drawn_for(
    packing: Any, name: str, octets: int, units: int, sizes: Sequence[int],
    weights: tuple[int, int], seed: int,
) -> tuple[Any, Content]:  # fmt: skip
    """A layout of a packing by bytes for vectors of any types, and random rows without factors."""
    results, segments = DOTS[name]
    rng = np.random.default_rng(seed)
    types = tuple(rng.choice(["i8", "i16"], len(segments)))
    form = packing.layout(results, segments, types, octets)
    assert form is not None
    assert_places_are_even(form)
    of = drawn(rng, segments, units, sizes, weights, 2 ** (8 * octets - 1))
    return form, replace(of, multipliers={})
