"""Packings are lossless for every shape and have the size they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import one_magnitude

from rnn2c.packing import PACKINGS, overlapped4

SHAPES = st.tuples(
    st.integers(1, 6), st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1,
                                max_size=3)
)  # fmt: skip
TOP = {
    "dense8": 127,
    "dense4": 7,
    "overlapped4": 32767,
    "ternary": 1,
    "dense16": 32767,
    "dense_f32": 2**23,
}
ELEMENT = {
    "i8": (-128, 127),
    "u8": (0, 255),
    "i16": (-32768, 32767),
    "u32": (0, 2**32 - 1),
    "f32": (-(2**24), 2**24),
}


def random_matrices(units, segments, top: int, seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(-top - 1, top + 1, (units, r, c)) for r, c in segments)


def overlapping(matrix: np.ndarray) -> np.ndarray:
    """The same matrix with the fractions that its words give it."""
    return overlapped4.weights(overlapped4.words(matrix))[..., : matrix.shape[-1]]


@pytest.mark.parametrize("name", sorted(PACKINGS))
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_unpack_returns_what_was_packed(name: str, shape, seed: int):
    matrices = random_matrices(*shape, TOP[name], seed)
    packing = PACKINGS[name]
    if name == "overlapped4":
        matrices = tuple(overlapping(m) for m in matrices)
    if name == "ternary":
        matrices = tuple(one_magnitude(m, seed) for m in matrices)
    stream = packing.pack(matrices)
    back = packing.unpack(stream, tuple(m.shape for m in matrices))
    assert len(back) == len(matrices)
    assert all(np.array_equal(a, b) for a, b in zip(matrices, back, strict=True))
    lo, hi = ELEMENT[packing.type]
    assert lo <= stream.min() <= stream.max() <= hi


@given(shape=SHAPES)
def test_dense8_takes_a_byte_per_weight(shape):
    matrices = random_matrices(*shape, 127, 0)
    assert PACKINGS["dense8"].pack(matrices).size == sum(m.size for m in matrices)


@given(shape=SHAPES)
def test_dense4_takes_half_a_byte_and_rounds_columns_up(shape):
    units, segments = shape
    wanted = units * sum(rows * ((columns + 1) // 2) for rows, columns in segments)
    assert PACKINGS["dense4"].pack(random_matrices(units, segments, 7, 0)).size == wanted


def test_dense8_is_read_unit_by_unit_segment_by_segment_column_by_column():
    x = np.array([[[1, 2, 3], [4, 5, 6]], [[11, 12, 13], [14, 15, 16]]])
    h = np.array([[[7, 8]], [[17, 18]]])
    stream = PACKINGS["dense8"].pack((x, h))
    assert stream.tolist() == [1, 4, 2, 5, 3, 6, 7, 8, 11, 14, 12, 15, 13, 16, 17, 18]


def test_dense4_has_the_even_column_in_the_low_half():
    x = np.array([[[1, -2, 7], [-8, 3, -1]]])
    assert PACKINGS["dense4"].pack((x,)).tolist() == [0xE1, 0x38, 0x07, 0x0F]


def test_ternary_has_four_columns_in_a_byte_the_first_one_lowest_and_then_what_they_stand_for():
    x = np.array([[[5, -5, 0, 5, -5], [0, 0, 9, 0, 0]]])
    assert PACKINGS["ternary"].pack((x,)).tolist() == [0b01_00_10_01, 0b00_01_00_00, 2, 0, 5, 9]
