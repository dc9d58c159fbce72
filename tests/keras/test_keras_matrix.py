"""Every cell, depth and head, from both formats, equals Keras."""

from __future__ import annotations

from itertools import product

import pytest
from keras_models import CELLS, FORMATS, HEADS, Case, assert_same, saved, sequential

SAMPLE = [
    Case("lstm", 1, True, "none"),
    Case("lstm", 2, False, "softmax"),
    Case("lstm", 3, False, "separate", bias=False),
    Case("gru", 1, False, "dense"),
    Case("gru", 2, True, "separate"),
    Case("gru", 1, True, "softmax", bias=False),
    Case("gru_before", 1, True, "normalised"),
    Case("gru_before", 2, False, "none"),
    Case("gru_before", 1, False, "dense", bias=False),
    Case("rnn", 2, False, "normalised"),
    Case("rnn", 1, True, "dense", bias=False),
    Case("rnn_relu", 1, False, "softmax"),
]
MATRIX = [
    Case(*values)
    for values in product(CELLS, (1, 2), (True, False), HEADS, (True, False))
    if Case(*values) not in SAMPLE
]


def check(case: Case, tmp_path) -> None:
    model = sequential(case)
    for kind in FORMATS:
        assert_same(saved(model, tmp_path, kind), model)


@pytest.mark.parametrize("case", SAMPLE, ids=str)
def test_sample(case, tmp_path):
    check(case, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_matrix(case, tmp_path):
    check(case, tmp_path)
