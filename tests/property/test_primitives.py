"""The primitives of arith.py against exact arithmetic, over all the arguments they may get."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from primitive_cases import CASES, TABLES, Case, samples

from rnn2c import arith, arith_reduce, ranges
from rnn2c.arith_tree import INTEGERS, primitive
from rnn2c.ranges import Interval, bound

PRIMITIVES = [p.__name__ for p in INTEGERS]


def numbers(case: Case) -> st.SearchStrategy[tuple[object, ...]]:
    """Integers for the spans of a case, the boundaries often."""
    return st.tuples(
        *(
            st.just(TABLES[a])
            if isinstance(a, str)
            else st.sampled_from(a) | st.integers(a[0], a[1])
            for a in case.arguments
        )
    )


def test_every_primitive_has_a_case():
    assert sorted({c.primitive for c in CASES}) == sorted(PRIMITIVES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_numpy_equals_exact_arithmetic_on_samples(case: Case):
    arguments = samples(case, 3000, np.random.default_rng(7))
    got = primitive(case.primitive)(*arguments)
    plain = [a.tolist() for a in arguments]
    spans = [k for k, a in enumerate(case.arguments) if not isinstance(a, str)]
    for n, result in enumerate(got.tolist()):
        row = [p[n] if k in spans else p for k, p in enumerate(plain)]
        assert result == case.exact(*row), f"{case.primitive}{tuple(row[k] for k in spans)}"


@settings(max_examples=400)
@given(chosen=st.sampled_from(CASES).flatmap(lambda c: st.tuples(st.just(c), numbers(c))))
def test_one_point_intervals_evaluate_exactly_without_overflow(chosen):
    """With the lemmas taken away, every intermediate result is checked against its width."""
    case, values = chosen
    points = tuple(v if isinstance(v, np.ndarray) else Interval(v, v) for v in values)
    with patch.dict(ranges.LEMMAS, clear=True):
        got = bound(case.primitive, points)
    exact = case.exact(*values)
    assert (got.lo, got.hi) == (exact, exact)


def test_requantize_equals_requantize_wide_where_both_may_be_used():
    """On 480 000 random triples and on all boundaries, compared with exact integers too."""
    rng = np.random.default_rng(11)
    for shift in range(17, 25):
        acc = rng.integers(1 - 2**23, 2**23, 60_000)
        multiplier = rng.integers(0, 2**16, 60_000)
        edge = np.array([1 - 2**23, -(2**16), -256, -255, -1, 0, 1, 255, 256, 2**16, 2**23 - 1])
        factors = np.array([0, 1, 255, 256, 32767, 32768, 65534, 65535])
        acc = np.concatenate([acc, np.repeat(edge, len(factors))])
        multiplier = np.concatenate([multiplier, np.tile(factors, len(edge))])
        short = arith.requantize(acc, multiplier, shift)
        assert np.array_equal(short, arith.requantize_wide(acc, multiplier, shift))
        doubled = 2 * acc.astype(object) * multiplier.astype(object) + 2**shift
        assert np.array_equal(short, doubled // 2 ** (shift + 1))


def test_requantize_ties_go_towards_plus_infinity():
    acc = np.array([-3, -1, 1, 3]) * 2**16
    assert arith.requantize(acc, 1, 17).tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize("bits", [8, 16])
def test_saturation_is_monotone_and_keeps_what_fits(bits: int):
    x = np.arange(-70_000, 70_001)
    y = getattr(arith, f"sat{bits}")(x)
    fits = (x >= -(2 ** (bits - 1))) & (x < 2 ** (bits - 1))
    assert np.array_equal(y[fits], x[fits])
    assert np.all(np.diff(y) >= 0)
    assert (y.min(), y.max()) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def test_gated_sum_is_within_one_of_the_real_sum():
    rng = np.random.default_rng(3)
    f, i = rng.integers(0, 32768, (2, 20_000))
    c, g = rng.integers(-32768, 32768, (2, 20_000))
    for shift in range(3, 12):
        got = arith.gated_sum(f, c, i, g, shift)
        real = f * c / 2.0**15 + i * g / 2.0 ** (15 + shift)
        assert np.abs(got - np.clip(real, -32768, 32767)).max() <= 0.5 + 2.0**-14


def test_reciprocal_is_within_2_5_of_the_quotient():
    x = np.arange(2**14, 2**15)
    got = arith_reduce.reciprocal(x, TABLES["reciprocal_guesses"])
    assert np.abs(got - 2.0**29 / x).max() < 2.5


def test_exp2_down_is_within_one_unit_and_never_grows():
    x = np.arange(-5, 80000)
    got = arith_reduce.exp2_down(TABLES["exp2_words"], x)
    real = 32767 * 2.0 ** (-np.maximum(x, 0) / 4096)
    assert np.abs(got - real).max() < 1.5
    assert np.all(np.diff(got) <= 0)
    assert got[:6].tolist() == [32767] * 6
    assert got[-1] == 0
