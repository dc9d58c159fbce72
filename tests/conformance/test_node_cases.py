"""The node tests of the onnx package for RNN, LSTM and GRU, in every stage of the compiler."""

from __future__ import annotations

import pytest
from conform import check
from node_cases import cut, node_tests_of_cells

TESTS = {t.name: t for t in node_tests_of_cells()}
COUNT, ROWS = 18, 41


def test_all_of_them_are_here():
    assert len(TESTS) == COUNT
    assert sum(len(cut(t)) for t in TESTS.values()) == ROWS


@pytest.mark.parametrize("name", sorted(TESTS))
def test_every_stage_agrees_with_the_onnx_package(name, tmp_path):
    outcomes = check(cut(TESTS[name]), tmp_path)
    assert [o.refusal for o in outcomes if o.refusal] == []
    assert [f for o in outcomes for f in o.failures] == []
