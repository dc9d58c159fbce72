"""What the property tests of kernel packings share: everything comes back out of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray, ...]


def assert_lossless(
    packing: Any,
    form: Any,
    matrices: Arrays,
    segments: tuple[tuple[int, ...], ...],
    bias: np.ndarray,
    factors: Mapping[int, np.ndarray],
    **options: int,
) -> None:
    """pack gives words, and unpack gives back matrices, first values and multipliers."""
    stream = packing.pack(form, matrices, segments, bias, factors, **options)
    assert 0 <= stream.min() <= stream.max() < 2**32
    sizes, units = tuple(m.shape[2] for m in matrices), len(bias)
    back, first, scales = packing.unpack(
        form, stream, sizes, segments, units, tuple(factors), **options
    )
    assert len(back) == len(matrices)
    assert all(np.array_equal(a, b) for a, b in zip(matrices, back, strict=True))
    assert np.array_equal(first, bias)
    assert scales.keys() == factors.keys()
    assert all(np.array_equal(factors[r], scales[r]) for r in factors)


def assert_places_are_even(form: Any) -> None:
    """Every sum has a place of its own, and units of a block are the same distance apart."""
    places = np.asarray(form.places)
    assert sorted(places.ravel()) == list(range(places.size))
    assert np.all(np.diff(places, axis=0) == np.diff(places, axis=0)[:1])
