"""Interval bounds of primitives and sums: sound on random intervals, and quick to refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from primitive_cases import CASES, TABLES, Case

from rnn2c.arith_tree import LIMITS, primitive, tree
from rnn2c.arith_tree import TABLES as TABLE_TYPES
from rnn2c.errors import RangeError
from rnn2c.ranges import Interval, bound, dot_bound

I32 = Interval(*LIMITS["i32"])


def parts(case: Case) -> st.SearchStrategy[tuple[object, ...]]:
    """A random interval inside the span of each argument."""

    def inside(span: tuple[int, int]) -> st.SearchStrategy[Interval]:
        one = st.sampled_from(span) | st.integers(*span)
        return st.tuples(one, one).map(lambda ab: Interval(min(ab), max(ab)))

    return st.tuples(
        *(st.just(TABLES[a]) if isinstance(a, str) else inside(a) for a in case.arguments)
    )


@settings(max_examples=500)
@given(
    chosen=st.sampled_from(CASES).flatmap(lambda c: st.tuples(st.just(c), parts(c))),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_inside_the_arguments_stays_inside_the_bound(chosen, seed: int):
    case, arguments = chosen
    proven = bound(case.primitive, arguments)
    rng = np.random.default_rng(seed)
    points = [
        a
        if isinstance(a, np.ndarray)
        else np.append(rng.integers(a.lo, a.hi, 64, endpoint=True), [a.lo, a.hi, a.lo, a.hi])
        for a in arguments
    ]
    got = primitive(case.primitive)(*points)
    assert proven.lo <= got.min() <= got.max() <= proven.hi


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_whole_contract_is_provable(case: Case):
    arguments = tuple(TABLES[a] if isinstance(a, str) else Interval(*a) for a in case.arguments)
    lo, hi = LIMITS[tree(case.primitive).returns]
    assert bound(case.primitive, arguments).within(lo, hi)


@pytest.mark.parametrize(
    ("primitive", "arguments", "where"),
    [
        ("add", (I32, Interval(1, 1)), "add: result"),
        ("subtract", (I32, Interval(1, 1)), "subtract: result"),
        ("round_shift", (Interval(0, 2**31 - 1), Interval(1, 1)), "round_shift: result"),
        ("requantize", (Interval(0, 2**23), Interval(0, 65535), Interval(17, 17)), "requantize"),
        ("requantize_wide", (I32, Interval(0, 65535), Interval(15, 15)), "result"),
        ("mul_round", (Interval(-32768, 0), Interval(-32768, 0), Interval(31, 31)), "mul_round"),
        ("narrow", (Interval(0, 2**40), Interval(8, 8)), "narrow: result"),
        ("shift16", (Interval(0, 32768), Interval(1, 1)), "argument acc"),
        ("grow_sat16", (I32, Interval(1, 14)), "grow_sat16"),
        ("mul_u8", (Interval(0, 256), Interval(0, 1)), "argument gate"),
        ("blend_u8", (Interval(-16384, 0), Interval(0, 16384), Interval(0, 255)), "blend_u8: away"),
        ("times", (Interval(0, 200), Interval(0, 200)), "times: result"),
        ("round_sat8", (Interval(0, 32767), Interval(7, 7)), "round_sat8: scaled"),
        ("affine", (Interval(-9, 9), Interval(1, 1), I32, Interval(1, 1)), "affine: result"),
        ("shift_down", (I32, Interval(0, 32)), r"a shift by \[0, 32\] of 32 bits"),
        ("shift16", (Interval(0, 9), Interval(16, 16)), r"a shift by \[16, 16\] of 16 bits"),
        ("narrow", (Interval(0, 9), Interval(64, 64)), r"a shift by \[64, 64\] of 64 bits"),
        ("round_shift", (Interval(0, 9), Interval(0, 1)), r"a shift by \[-1, 0\] of 32 bits"),
        ("share", (Interval(0, 32767), Interval(0, 65539), Interval(9, 9)), "share: scaled"),
        ("same", (Interval(0, 2**31),), "argument x"),
        ("excess_bit", (Interval(-1, 5),), "excess_bit: result"),
    ],
)
def test_arguments_outside_the_contract_are_refused_by_name(primitive, arguments, where):
    with pytest.raises(RangeError, match=where):
        bound(primitive, arguments)


@pytest.mark.parametrize(
    ("primitive", "table", "x"),
    [
        ("lut", "reciprocal_guesses", Interval(-32768, 32767)),
        ("lut_u8", "reciprocal_guesses", Interval(0, 32767)),
    ],
)
def test_a_table_that_is_too_short_is_refused(primitive: str, table: str, x: Interval):
    with pytest.raises(RangeError, match=r"leaves a table of 64"):
        bound(primitive, (TABLES[table], x))


def test_a_table_in_place_of_a_number_is_refused():
    with pytest.raises(RangeError, match="is a table, expected i32"):
        bound("same", (TABLES["tanh_q12"],))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_numbers_outside_the_type_of_an_argument_are_refused(case: Case):
    for k, (name, type_) in enumerate(tree(case.primitive).parameters):
        if type_ in TABLE_TYPES:
            continue
        wide = Interval(LIMITS[type_][0], LIMITS[type_][1] + 1)
        arguments = [TABLES[a] if isinstance(a, str) else Interval(*a) for a in case.arguments]
        arguments[k] = wide
        with pytest.raises(RangeError, match=f"argument {name}"):
            bound(case.primitive, tuple(arguments))


@settings(max_examples=60)
@given(
    units=st.integers(1, 3), columns=st.integers(1, 6), lo=st.integers(-300, 0),
    hi=st.integers(0, 300), seed=st.integers(0, 999),
)  # fmt: skip
def test_dot_bound_holds_in_any_order_of_summation_and_is_attained(units, columns, lo, hi, seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(-127, 128, (units, 2, columns))
    second = rng.integers(-127, 128, (units, 1, columns))
    bias = rng.integers(-(2**20), 2**20, (units, 2))
    proven = dot_bound((first, second), ((lo, hi), (-128, 127)), ((0, 1), (1,)), bias)
    x = np.where(first > 0, hi, lo)[:, 1]
    h = np.where(second > 0, 127, -128)[:, 0]
    most = bias[:, 1] + (first[:, 1] * x).sum(axis=1) + (second[:, 0] * h).sum(axis=1)
    assert proven[1].hi == most.max()
    terms = np.concatenate([first[0, 1] * x[0], second[0, 0] * rng.permutation(h[0])])
    partial = bias[0, 1] + np.cumsum(rng.permutation(terms))
    assert proven[1].lo <= partial.min() <= partial.max() <= proven[1].hi


def test_dot_bound_does_not_wrap_at_64_bits():
    weights = np.full((1, 1, 3), 127)
    (proven,) = dot_bound((weights,), ((0, 2**60),), ((0,),), np.zeros((1, 1), np.int64))
    assert proven.hi == 3 * 127 * 2**60
