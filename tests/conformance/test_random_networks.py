"""Random graphs of all kinds of layers compute the same in every stage, or are refused."""

from __future__ import annotations

import re

import pytest
from conform import Case, check
from random_networks import random_network

COUNT, FULL_COUNT, CHUNK = 20, 600, 10
REFUSED = (
    "values that wait for the whole sequence come at different steps",
    "outputs come at different time steps",
)


def check_chunk(first: int, folder) -> None:
    cases = [
        Case(f"seed {seed}", *random_network(seed), {}) for seed in range(first, first + CHUNK)
    ]
    outcomes = check(cases, folder)
    assert [f for o in outcomes for f in o.failures] == []
    refusals = [o.refusal for o in outcomes if o.refusal]
    assert [r for r in refusals if not re.search("|".join(REFUSED), r)] == []
    assert len(refusals) < CHUNK


@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_random_networks(first, tmp_path):
    check_chunk(first, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("first", range(COUNT, FULL_COUNT, CHUNK))
def test_many_random_networks(first, tmp_path):
    check_chunk(first, tmp_path)
