"""Whatever a .pt2 file says, only a Model or an Rnn2cError comes out."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest
from mutate_pt2 import attempts

QUICK, FULL, CHUNK = 500, 5000, 500


def test_mutated_pt2_files() -> None:
    accepted, broken = attempts(0, QUICK)
    assert broken == []
    assert QUICK // 50 < accepted < QUICK // 2, "mutations are all harmless or all fatal"


@pytest.mark.full
def test_many_mutated_pt2_files() -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        results = list(pool.map(attempts, range(0, FULL, CHUNK), [CHUNK] * (FULL // CHUNK)))
    assert [line for _, broken in results for line in broken] == []
